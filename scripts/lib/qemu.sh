# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Starting QEMU, and ending it: by its process id, within a time limit.

# KVM may be there and yet hang every guest, so only a trial tells; its result
# is kept for this kernel of the host and this QEMU.
pick_accel() {
	local memory
	case ${1:-auto} in
	kvm|tcg) printf '%s\n' "$1"; return ;;
	auto) ;;
	*) die "unknown accelerator $1: kvm, tcg or auto" ;;
	esac
	memory=$CACHE/accel/$(uname -r)-$(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')
	if [ ! -s "$memory" ]; then
		mkdir -p "${memory%/*}"
		if try_kvm; then echo kvm; else echo tcg; fi >"$memory.$$"
		mv "$memory.$$" "$memory"
	fi
	cat "$memory"
}

# Boot our kernel under KVM as far as its first message from user space.
try_kvm() {
	[ -w /dev/kvm ] || return
	note "trying KVM"
	timeout 20 "$TOP/scripts/vm" run --accel kvm --no-module --timeout 10 \
		--mem 512M --cpus 2 -- true >/dev/null 2>&1
}

# qemu_args: fill QEMU with the machine as the options want it.
qemu_args() {
	QEMU=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot
	      -display none -smp "$CPUS" -m "$MEM")
	case $ACCEL in
	kvm) QEMU+=(-accel kvm -cpu host) ;;
	# Four levels of page tables, as most machines have: each level more
	# costs an emulated walk.
	tcg) QEMU+=(-accel "tcg,thread=multi" -cpu "max,la57=off") ;;
	esac
	if [ -n "$PREALLOC" ]; then
		QEMU+=(-machine "q35,memory-backend=ram"
		       -object "memory-backend-ram,id=ram,size=$MEM,prealloc=on")
	else
		QEMU+=(-machine q35)
	fi
	QEMU+=(-kernel "$KERNEL_IMAGE" -initrd "$WORK/initramfs"
	       -append "console=ttyS0 loglevel=7 tsc=reliable panic=-1 reboot=t $APPEND"
	       -chardev "file,id=log,path=$LOG" -serial chardev:log
	       -device virtio-serial-pci
	       -chardev "file,id=status,path=$WORK/status"
	       -device "virtserialport,chardev=status,name=status")
}

# add_port NAME: a port that the guest writes into a pipe of the same name.
add_port() {
	QEMU+=(-chardev "file,id=$1,path=$WORK/$1"
	       -device "virtserialport,chardev=$1,name=$1")
}

# add_disk NAME SIZE: an empty disk, of which the host holds only what is used.
add_disk() {
	truncate -s "$2" "$WORK/$1.img"
	QEMU+=(-drive "if=none,id=$1,format=raw,file=$WORK/$1.img,cache=unsafe,discard=unmap"
	       -device "virtio-blk-pci,drive=$1,serial=$1")
}

# Run QEMU to its end. Returns 0, or 124 if it had to be ended: when LIMIT
# seconds have passed, or IDLE seconds without a word from the command.
run_qemu() {
	local start=$SECONDS now
	# The kernel ends QEMU even if this script is killed outright.
	setpriv --pdeathsig KILL "${QEMU[@]}" <"${1:-/dev/null}" 2>"$WORK/qemu.err" &
	QEMU_PID=$!
	while kill -0 "$QEMU_PID" 2>/dev/null; do
		sleep 0.1
		if [ $((SECONDS - start)) -ge "$LIMIT" ]; then
			note "vm: ended after $LIMIT seconds"
			end_qemu
			return 124
		fi
		[ "$IDLE" -gt 0 ] || continue
		printf -v now '%(%s)T' -1
		if [ $((now - $(stat -c %Y "$WORK/seen"))) -ge "$IDLE" ]; then
			note "vm: ended after $IDLE seconds without output"
			end_qemu
			return 124
		fi
	done
	end_qemu
}

end_qemu() {
	[ -n "${QEMU_PID:-}" ] || return 0
	kill -KILL "$QEMU_PID" 2>/dev/null || :
	wait "$QEMU_PID" 2>/dev/null || :
	QEMU_PID=
}
