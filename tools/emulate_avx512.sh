#!/usr/bin/env bash
# Runs a test program on an emulated processor with AVX-512, for machines that
# have none: Bochs boots Linux with the program in its first file system.
#   tools/emulate_avx512.sh PROGRAM [GTEST_FILTER [FILE…]]
#   tools/emulate_avx512.sh build/release/src/kernels_test '*AVX512*'
# FILEs (folders too) are put where they are here. Its exit status is the
# program's. By hand; Debian packages: bochs bochs-term bochsbios vgabios
# busybox-static cpio isolinux linux-image-cloud-amd64 syslinux-common xorriso;
# the kernel is downloaded where it is not installed.
#   BOCHS   another Bochs than Debian's 2.7, which has no AVX512_BF16 and whose
#           vcvtps2ph rounds ties of subnormals wrongly (AttentionTest.Stores…
#           fails); 3.0 has both right
#   CPU     its processor: the best of sapphire_rapids and tigerlake
#   KERNEL  a vmlinuz with an 8250 console
#   LIMIT   seconds until it is given up, 3600
#   MALMOI_TARGET, GTEST_FLAGS go to the program.
set -euo pipefail
fail() {
  echo "emulate_avx512.sh: $*" >&2
  exit 2
}
(($#)) || fail "expected PROGRAM [GTEST_FILTER [FILE…]]"
program=$(realpath -e "$1")
filter=${2:-*}
shift $(($# < 2 ? $# : 2))
bochs=${BOCHS:-bochs}
limit=${LIMIT:-3600}
for tool in "$bochs" busybox cpio script xorriso; do
  command -v "$tool" >/dev/null || fail "no $tool; see the packages above"
done
work=$(mktemp -d)
emulator=
trap '[[ -n $emulator ]] && kill "$emulator" 2>/dev/null; rm -rf "$work"' EXIT

kernel=${KERNEL:-$(find /boot -name 'vmlinuz-*-cloud-amd64' | sort -V | tail -n 1)}
if [[ -z $kernel ]]; then
  package=$(apt-cache depends linux-image-cloud-amd64 |
    sed -n 's/.*Depends: \(linux-image-.*\)/\1/p')
  (cd "$work" && apt-get -qq download "$package" 2>/dev/null &&
    dpkg-deb --fsys-tarfile "$package"_*.deb | tar x ./boot)
  kernel=$(find "$work/boot" -name 'vmlinuz-*')
fi

# The first file system: the program, its libraries, what it is to read.
root=$work/root
mkdir -p "$root"/{bin,dev,proc,scratch,sys,tmp} "$work/iso"
cp "$(command -v busybox)" "$root/bin/busybox"
put() { (cd / && cp -rL --parents "${1#/}" "$root"); }
put "$program"
while read -r library; do put "$library"; done < <(
  ldd "$program" | grep -o '/[^ ]*')
for file in "$@"; do put "$(realpath -e "$file")"; done
cat >"$root/init" <<END
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t tmpfs -o size=4g scratch /scratch
export HOME=/scratch TMPDIR=/scratch GTEST_COLOR=no
export MALMOI_TARGET='${MALMOI_TARGET:-}'
[ -n "\$MALMOI_TARGET" ] || unset MALMOI_TARGET
cd /scratch
echo "emulated:" \$(/bin/busybox grep -m1 -o 'model name.*' /proc/cpuinfo)
echo "emulated:" \$(/bin/busybox grep -m1 flags /proc/cpuinfo |
  /bin/busybox grep -o -E 'avx[^ ]*|f16c|fma|vaes|vpclmulqdq')
'$program' '--gtest_filter=$filter' ${GTEST_FLAGS:-}
echo "emulated: exit status \$?"
/bin/busybox sleep 5  # until the serial line has sent it
/bin/busybox poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/iso/initrd"

# clearcpuid: Linux 6.1 copies wrongly where FSRM stands without ERMS, and the
# sizes that Bochs 2.7 tells of compacted states and of PKU are wrong, whereupon
# the kernel does without AVX.
cp "$kernel" "$work/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin \
  /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso"
cat >"$work/iso/isolinux.cfg" <<'END'
default linux
label linux
  kernel /vmlinuz
  append initrd=/initrd console=ttyS0,115200 loglevel=1 mitigations=off nokaslr panic=-1 lpj=100000 tsc=reliable cryptomgr.notests clearcpuid=fsrm,pku,xsaves,xsavec
END
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux.bin -c boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso" 2>/dev/null

if [[ -z ${CPU:-} ]]; then
  known=$'\n'$("$bochs" --help cpu 2>&1)$'\n'
  for CPU in sapphire_rapids tigerlake none; do
    [[ $known == *$'\n'"$CPU"$'\n'* ]] && break
  done
  [[ $CPU != none ]] || fail "$bochs emulates no AVX-512"
fi
cat >"$work/bochsrc" <<END
display_library: term
cpu: model=$CPU, count=1, ips=100000000
megs: 1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
log: $work/log
panic: action=fatal
error: action=ignore
info: action=ignore
clock: sync=none
END
# Debian's is built with its debugger, which waits for "continue".
start=(-q -f "$work/bochsrc")
if [[ $("$bochs" --help 2>&1) == *" -rc "* ]]; then
  echo c >"$work/rc"
  start+=(-rc "$work/rc")
fi
: >"$work/serial"
TERM=vt100 script -qec "exec ${bochs@Q} ${start[*]@Q}" /dev/null \
  </dev/null >"$work/screen" 2>&1 &
emulator=$!

# What the program prints, as it comes.
shown=0
until grep -aq $'^emulated: exit status [0-9]*\r' "$work/serial" ||
  ! kill -0 "$emulator" 2>/dev/null; do
  ((SECONDS < limit)) || fail "not done after $limit seconds"
  sleep 2
  size=$(stat -c %s "$work/serial")
  head -c "$size" "$work/serial" | tail -c +$((shown + 1)) | tr -d '\r'
  shown=$size
done
tail -c +$((shown + 1)) "$work/serial" | tr -d '\r'
status=$(tr -d '\r' <"$work/serial" |
  sed -n 's/^emulated: exit status //p') || true
[[ -n $status ]] || {
  tail -n 5 "$work/log" >&2 || true
  fail "the emulator ended before the program did"
}
! grep -aq '^\[=*\] Running 0 tests' "$work/serial" ||
  fail "no test matches $filter on this processor"
exit "$status"
