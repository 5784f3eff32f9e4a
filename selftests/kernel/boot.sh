#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh VERSION COMMAND…: boots Debian's kernel VERSION (6.1, 6.12: the newest package of it) in an emulated machine, whose files are
# this machine's, read only under a layer that goes with it; runs COMMAND in it as root, prints what that prints; its exit status. KVM is
# not used: not every machine has it. Nothing of the kernel's is installed; its package is kept in build/kernel. LIMIT: seconds that it may
# take (900).
set -eu -o pipefail
cd "$(dirname "$0")/../.."

version=$1
shift
work=$(mktemp -d)
machine=
clean_up() {
	[ -z "$machine" ] || kill "$machine" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

package=$(apt-cache search --names-only "^linux-image-${version//./\\.}(\\.[0-9]+)?(-[0-9]+|\\+deb[0-9]+)-amd64\$" | cut -d' ' -f1 | sort -V | tail -n 1)
[ -n "$package" ] || {
	echo "boot.sh: Debian has no kernel $version for this machine" >&2
	exit 2
}
mkdir -p build/kernel
if ! compgen -G "build/kernel/${package}_*.deb" >/dev/null; then
	(cd "$work" && apt-get download "$package" >download.log 2>&1) || {
		tail -n 5 "$work/download.log" >&2
		exit 2
	}
	mv "$work"/*.deb build/kernel/
fi
dpkg-deb -x "build/kernel/${package}"_*.deb "$work/kernel"
release=$(ls "$work/kernel/lib/modules")

# Only the modules that it takes to get at the files, and those that skep and its tests use, with what they need.
initrd=$work/initrd
mkdir -p "$initrd"/{bin,proc,sys,dev,files,layer,new}
cp /bin/busybox "$initrd/bin/"
depmod -b "$work/kernel" "$release"
modules=(virtio_pci 9pnet_virtio 9p overlay veth vxlan bridge cls_bpf sch_ingress)
for module in "${modules[@]}"; do
	modprobe -d "$work/kernel" -S "$release" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' >"$initrd/order"
while read -r file; do
	case $file in
	*.xz) xz -dc "$file" >"$initrd/$(basename "$file" .xz)" ;;
	*) cp "$file" "$initrd/" ;;
	esac
done <"$initrd/order"
sed -i -e 's!.*/!!' -e 's!\.xz$!!' "$initrd/order"
printf '%q ' "$@" >"$initrd/command"
pwd >"$initrd/directory"

cat >"$initrd/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r file; do insmod "/$file"; done </order
mount -t 9p -o trans=virtio,ro,version=9p2000.L,msize=262144,cache=loose files /files
mount -t tmpfs layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/files,upperdir=/layer/upper,workdir=/layer/work overlay /new
ln -s /proc/self/fd /dev/fd
for directory in proc sys dev; do mount --move /$directory /new/$directory; done
mount -t tmpfs tmpfs /new/run
mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
mount -t bpf bpf /new/sys/fs/bpf
ip link set lo up
cat >/new/run/inside <<INSIDE
cd $(cat /directory)
$(cat /command)
echo "exit status: \$?"
/bin/busybox poweroff -f
INSIDE
exec switch_root /new /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash /run/inside
END
chmod 755 "$initrd/init"
(cd "$initrd" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"

timeout "${LIMIT:-900}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 -display none -serial stdio -monitor none \
	-nic none -no-reboot -kernel "$work/kernel/boot/vmlinuz-$release" -initrd "$work/initrd.gz" -append "console=ttyS0 panic=-1 quiet" \
	-virtfs local,path=/,mount_tag=files,security_model=none,readonly=on,multidevs=remap </dev/null >"$work/out" 2>&1 &
machine=$!
tail --pid="$machine" -n +1 -f "$work/out" | sed -u -e 's/\r$//' -e '/^exit status: [0-9]*$/d' &
wait $! # not in the foreground: a signal is heard at once
machine=
status=$(tr -d '\r' <"$work/out" | sed -n 's/^exit status: //p')
[ -n "$status" ] || {
	echo "boot.sh: kernel $release did not come to the command's end" >&2
	exit 2
}
exit "$status"
