# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What a kernel says when something is wrong, each pattern at the start of the
# message, so that neither a test's own "# WARNING" nor a harmless "DMA-API:
# preallocated" counts.

readonly SPLATS='------------\[ cut here \]|WARNING: |BUG: |BUG [^ ]+ \(|'\
'(watchdog|rcu|Bad|list_(add|del) corruption)[^:]*: (BUG|INFO): |'\
'watchdog: .*(lockup|stuck)|'\
'(KASAN|KFENCE|UBSAN): |Oops(:| )|(general protection fault|double fault)[,:]|'\
'Unable to handle|unable to handle|Kernel panic|kernel BUG at|'\
'INFO: (task|possible|rcu|suspicious|trying to register|lockdep|inconsistent)|'\
'rcu.*(self-)?detected .*stall|possible (circular|recursive) locking|'\
'list_(add|del) corruption|refcount_t: |ODEBUG: |'\
'DMA-API: .*(device driver|debugging out of memory|pending DMA|cacheline)|'\
'vm: finding: '

# Each line without time stamp and the caller's number before its text.
log_text() {
	tr -d '\r' <"$1" | sed -E 's/^(\[ *[0-9]+\.[0-9]+\] ?)?(\[ *[TC][0-9]+\] ?)?//'
}

# Fill FINDINGS with what is amiss in this log, as numbered lines. All of the log
# is read before anything is decided: a reader that stops early fails its pipe.
find_splats() {
	FINDINGS=$(log_text "$1" | grep -naE "^($SPLATS)") || :
}

# The first of them with what surrounds it, what ran then, and how many more the
# log holds.
show_splats() {
	local log=$1 first=${FINDINGS%%:*} program
	program=$(log_text "$log" | sed -n "1,${first}s/^vm: begin //p" | tail -n 1)
	[ -z "$program" ] || printf '(while %s ran)\n' "$program"
	tr -d '\r' <"$log" | sed -n "$((first > 3 ? first - 3 : 1)),$((first + 60))p"
	printf '(%d such lines in the log)\n' "$(wc -l <<<"$FINDINGS")"
}
