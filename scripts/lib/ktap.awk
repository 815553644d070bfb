# SPDX-License-Identifier: GPL-2.0-only
#
# Reads what test programs print between "# vsvm: begin NAME" and "# vsvm: end
# NAME STATUS SECONDS", and judges it:
#   - every leaf result counts: ok, not ok, ok # SKIP (XFAIL counts as passed)
#   - a plan that the results do not match, a missing plan, a crash, a time-out
#     and a program that never ended are one failed each
# Output: KTAP, a result for each program, the program's own lines below it;
# to the file TALLY: "PASSED FAILED SKIPPED", then a line for each program that
# ended and each failure.
#
# Variables: tally, where (what the programs ran on), number (results so far)

function indent_of(line) {
	match(line, /^ */)
	return RLENGTH
}

# What is wrong with the program as a whole.
function fault(what) {
	failed++
	bad++
	print "# " what
	print "failed " where " " name ": " what >tally
}

# A result line at some depth. A line whose depth had deeper results since the
# last one of its own sums those up, and is not counted again.
function result(line,    depth, text, d, sum) {
	depth = indent_of(line)
	text = substr(line, depth + 1)
	seen[depth]++
	for (d in fresh)
		if (d + 0 > depth && fresh[d]) {
			sum = 1
			fresh[d] = 0
		}
	fresh[depth] = 1
	if (sum) {
		if (text ~ /^not ok/ && !deep_bad)
			fault("a suite failed, though none of its tests did: " text)
		if (depth == 0)
			deep_bad = 0
		return
	}
	if (text ~ /^not ok/) {
		failed++
		bad++
		deep_bad = 1
		print "failed " where " " name ": " text >tally
	} else if (text ~ /# *SKIP/) {
		skipped++
	} else {
		passed++
	}
}

function close_program(status, seconds,    d) {
	if (status == 4 && !planned && !seen[0])
		skipped++
	else if (status == 124 || status == 137 || status == 143)
		fault("took too long, or was killed (status " status ")")
	else if (status >= 128)
		fault("crashed: signal " status - 128)
	else if (status != 0 && status != 4 && !bad)
		fault("ended with status " status ", though no test failed")
	else if (!planned)
		fault("printed no plan")
	if (planned && plan != seen[0] && status < 124)
		fault("planned " plan " tests, and reported " seen[0] + 0)
	number++
	printf "%s %d %s %s (%s s)\n", bad ? "not ok" : "ok", number, where, name, seconds
	print "ended " name >tally
	name = ""
}

function open_program(what,    d) {
	name = what
	bad = planned = plan = deep_bad = 0
	for (d in seen)
		delete seen[d]
	for (d in fresh)
		delete fresh[d]
	print "# " where ": " name
}

{ sub(/\r$/, "") }

/^# vsvm: begin / {
	open_program($4)
	fflush()
	next
}

/^# vsvm: end / && name != "" {
	close_program($5 + 0, $6)
	fflush()
	next
}

name == "" { next }

/^ *(TAP version|KTAP version) / { next }

# The first plan at the outermost depth is the program's own.
/^[0-9]+\.\.[0-9]+/ {
	if (!planned) {
		planned = 1
		plan = $0
		sub(/^[0-9]+\.\./, "", plan)
		sub(/ .*/, "", plan)
		plan += 0
		if ($0 ~ /# *SKIP/ && plan == 0)
			skipped++
	}
	next
}

/^ *(ok|not ok) [0-9]+/ {
	print "  " $0
	result($0)
	fflush()
	next
}

# Everything else only where it may explain something: comments and output.
NF { print "  " ($0 ~ /^ *#/ ? $0 : "# " $0); fflush() }

END {
	if (name != "") {
		fault("did not end: the VM died in it, or its time was up")
		number++
		printf "not ok %d %s %s\n", number, where, name
		print "ended " name >tally
	}
	printf "%d %d %d\n", passed, failed, skipped >tally
}
