# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The VM's only file system: a static busybox, our init, and what the caller
# adds, with the shared libraries it needs. ROOT is the directory it is put
# together in.

# Libraries lie in one directory of their own, wherever the host has them, and
# the loader where the program says that it is.
readonly GUEST_LIB=/lib/vm

static_busybox() {
	local busybox
	busybox=$(command -v busybox) || die "busybox is missing: run scripts/deps"
	# ldd answers with an error for a static program.
	! ldd "$busybox" >/dev/null 2>&1 || die "busybox is not static: run scripts/deps"
	printf '%s\n' "$busybox"
}

start_root() {
	ROOT=$1
	mkdir -p "$ROOT"/{bin,etc,opt/vsvm,"${GUEST_LIB#/}",lib/vsvm,lib64}
	cp "$(static_busybox)" "$ROOT/bin/busybox"
	cp "$TOP/scripts/guest/init" "$ROOT/init"
}

# add_file FILE[:PATH]: a file or a directory, by default into /opt/vsvm.
add_file() {
	local from=${1%%:*} to=
	[[ $1 != *:* ]] || to=${1#*:}
	[ -e "$from" ] || die "there is no $from to add"
	[[ $to == /* ]] || to=/opt/vsvm/$to
	[[ $to != */ ]] || to=$to$(basename "$from")
	mkdir -p "$ROOT$(dirname "$to")"
	cp -rL "$from" "$ROOT$to"
}

# Shared libraries of all programs that were added, found the way the host's
# loader finds them, the project's own library first.
add_libraries() {
	local programs lib
	mapfile -d '' programs < <(find "$ROOT/opt" "$ROOT/lib/vsvm" -type f -perm /111 -print0)
	[ ${#programs[@]} -gt 0 ] || return 0
	# ldd fails for scripts and static programs, of which nothing is needed.
	{ LD_LIBRARY_PATH="$TOP/build/lib" ldd "${programs[@]}" 2>/dev/null || :; } |
		awk '/not found/ { print "!" $1; next }
		     $2 == "=>" && $3 ~ /^\// { print $3; next }
		     $1 ~ /^\// && NF == 2 && $2 ~ /^\(0x/ { print "@" $1 }' | sort -u |
	while read -r lib; do
		case $lib in
		!*) die "a program needs ${lib#!}, which is not to be found" ;;
		@*) mkdir -p "$ROOT$(dirname "${lib#@}")"
		    cp -L "${lib#@}" "$ROOT${lib#@}" ;;
		*) cp -L "$lib" "$ROOT$GUEST_LIB/" ;;
		esac
	done
}

pack_root() {
	add_libraries
	(cd "$ROOT" && find . -mindepth 1 -print0 | sort -z |
		cpio --quiet -0 -o -H newc -R 0:0) >"$1"
}
