# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Kernel sources from the Debian archive: linux-source-<version>, signed by the
# archive's key, taken from the mirror that this machine uses anyway. apt keeps
# its state for this in our cache; the machine's own set-up is read, not changed.

SUITES=(trixie-backports forky sid)

# The mirrors this machine names, in whichever format it names them. apt itself
# parses them best: the list of files it would fetch shows the bases.
mirrors() {
	if [ -n "${VSVM_MIRROR:-}" ]; then
		printf '%s\n' "$VSVM_MIRROR"
		return
	fi
	apt-get update --print-uris 2>/dev/null |
		sed -n "s|^'\(.*\)/dists/.*/\(In\)\{0,1\}Release'.*|\1|p" |
		grep -v -e security -e ubuntu | awk '!seen[$0]++'
}

# own_apt COMMAND...: apt-get with the sources, lists and packages of our cache.
own_apt() {
	apt-get -q=2 -o Dir::Etc::sourcelist="$CACHE/apt/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::lists="$CACHE/apt/lists" \
		-o Dir::Cache="$CACHE/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" \
		-o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# Point our apt at one suite of one mirror.
use_suite() {
	local mirror=$1 suite=$2 key keyring=
	for key in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
		[ -e "$key" ] && keyring="[signed-by=$key] "
	done
	mkdir -p "$CACHE/apt/lists/partial" "$CACHE/apt/cache/archives/partial"
	printf 'deb %s%s %s main\n' "$keyring" "$mirror" "$suite" \
		>"$CACHE/apt/sources.list"
	own_apt update
}

# Try every suite of every mirror for linux-source-VERSION; leaves the package
# in the cache. Returns 1 where none has it.
download_source() {
	local version=$1 mirror suite tried=
	mkdir -p "$CACHE/download"
	for mirror in $(mirrors); do
		for suite in "${SUITES[@]}"; do
			tried=1
			note "looking for linux-source-$version in $suite"
			use_suite "$mirror" "$suite" >/dev/null 2>&1 || continue
			(cd "$CACHE/download" &&
			 own_apt download "linux-source-$version" >&2) && return
		done
	done
	[ -n "$tried" ] || note "no Debian mirror is configured on this machine;" \
		"name one with VSVM_MIRROR=, or a kernel tree with KERNEL_SRC="
	return 1
}

unpack_source() {
	local version=$1 into=$2 deb
	deb=$(find "$CACHE/download" -name "linux-source-${version}_*.deb" | sort -V | tail -n 1)
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -O --wildcards "*/linux-source-$version.tar.xz" |
		tar -x -J -C "$into" --strip-components=1 || return
	rm -f "$deb"
}

# Make linux-source-VERSION be in the cache. The directory gets its name only
# when it is whole.
fetch_source() {
	local version=$1 dir=$CACHE/src/linux-$1
	[ -d "$dir" ] && return
	lock "src-$version"
	[ -d "$dir" ] && return
	download_source "$version" || return 1
	rm -rf "$dir.new"
	mkdir -p "$dir.new"
	step "unpacking Linux $version" "$CACHE/unpack-$version.log" \
		unpack_source "$version" "$dir.new" || return
	mv "$dir.new" "$dir"
}
