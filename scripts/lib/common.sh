# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every script here needs: messages, the cache, locks, long steps.
# Sourced after the caller has set TOP to the project's top directory.

CACHE=${VSVM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vsvm}

note() { printf '%s\n' "$*" >&2; }
die() { note "${0##*/}: $*"; exit 1; }

# Print the first comment block of a script as its help.
usage_of() {
	sed -n '/^# SPDX/d; 2,/^[^#]/ { s/^# \{0,1\}//p }' "$1"
}

# name_matches PATTERNS NAME: one of the words of PATTERNS, which may hold * and
# ?, matches the name.
name_matches() {
	local pattern patterns
	read -ra patterns <<<"$1"
	for pattern in ${patterns[@]+"${patterns[@]}"}; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $2 != $pattern ]] || return 0
	done
	return 1
}

# Hold a lock of this name until the script ends. Children inherit it, so that
# a build that outlives its parent still keeps others out.
LOCK_FDS=()
lock() {
	local file=$CACHE/lock/$1 fd
	mkdir -p "$CACHE/lock"
	exec {fd}>"$file"
	LOCK_FDS+=("$fd")
	flock -n "$fd" && return
	note "waiting for another run that holds $file"
	flock "$fd"
}

# Say every few seconds how far the step is, for as long as its script lives.
tick() {
	local label=$1 log=$2 start=$SECONDS fd
	for fd in ${LOCK_FDS[@]+"${LOCK_FDS[@]}"}; do
		exec {fd}>&-
	done
	while sleep 10 && kill -0 $$ 2>/dev/null; do
		note "$label: $((SECONDS - start)) s, $(wc -l <"$log") lines: $(tail -n 1 "$log" | cut -c1-60)"
	done
}

# step LABEL LOG COMMAND...: run a long command with its output in LOG, and show
# the end of LOG if it fails. The command itself stays in the foreground, where
# the keyboard can interrupt it.
step() {
	local label=$1 log=$2 start=$SECONDS ticker status=0
	shift 2
	note "$label ..."
	: >"$log"
	tick "$label" "$log" >/dev/null &
	ticker=$!
	"$@" >"$log" 2>&1 </dev/null || status=$?
	kill "$ticker" 2>/dev/null || :
	wait "$ticker" 2>/dev/null || :
	if [ "$status" -ne 0 ]; then
		grep -nE 'error:|Error |\*\*\*|not honoured' "$log" | head -n 20 >&2 || :
		tail -n 20 "$log" >&2
		note "$label: failed with status $status; all of it is in $log"
		return "$status"
	fi
	note "$label: done in $((SECONDS - start)) s"
}
