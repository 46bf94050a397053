#!/usr/bin/env bash
# Boots Debian's kernels for aarch64 on emulated machines, each with guest.sh as its first process; used by check.sh.
#   machine.sh WORK LIBC VECTORS
# WORK: has build/ (the tests) and wheel/ (the programs); LIBC: aarch64's C library; VECTORS: what the unit tests read.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$1 libc=$2 vectors=$3
root="$work/guest"
# Release and package: Debian 12's, and the newest with pages of 16 KiB, as no x86-64 has them.
kernels=("bookworm linux-image-arm64" "trixie linux-image-arm64-16k")

fail() {
  echo "machine: error: $*" >&2
  exit 1
}

# apt for aarch64, with lists of its own; packages come from where this machine has them from.
use_apt_of() {
  local release=$1 state="$work/apt/$1" mirror
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  mirror=$(unset APT_CONFIG && apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
    sed -n 1p)
  [ -n "$mirror" ] || fail "apt knows no archive of Debian here"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$state/sources.list"
  : >"$state/status"
  cat >"$state/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
Dir::State "$state";
Dir::State::status "$state/status";
Dir::Cache "$state";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Sandbox::User "$(id -un)";
CONF
  export APT_CONFIG="$state/apt.conf"
  apt-get update -qq || fail "there are no lists of $release"
}

# fetch PACKAGE FILE: unpacks that file of the package into $work/apt/unpacked/; what was fetched is not fetched again.
fetch() {
  local name=$1 version file
  version=$(apt-cache show --no-all-versions "$name" | sed -n 's/^Version: //p')
  file="$work/apt/${name}_${version#*:}_fetched.deb"
  if [ ! -f "$file" ]; then
    (cd "$work/apt" && apt-get download -qq "$name" && mv "${name}"_*_arm64.deb "$file") || fail "there is no $name"
  fi
  mkdir -p "$work/apt/unpacked"
  dpkg-deb --fsys-tarfile "$file" | tar -x -C "$work/apt/unpacked" "./$2"
}

# All that there is on the machine.
make_root() {
  local name
  rm -rf "$root"
  mkdir -p "$root"/{bin,lib,proc,sys,dev,tmp,etc} "$root$vectors"
  cp "$work/apt/unpacked/bin/busybox" "$work"/wheel/flarebridge/bin/* "$root/bin/"
  cp "$work"/build/flarebridge_{unit_tests,load} "$root/bin/"
  for name in ld-linux-aarch64.so.1 libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 libnss_files.so.2; do
    cp -L "$libc/lib/$name" "$root/lib/"
  done
  cp -r "$vectors/." "$root$vectors/"
  cp "$here/guest.sh" "$root/init"
  echo 'root:x:0:0::/tmp:/bin/sh' >"$root/etc/passwd"
  echo '127.0.0.1 localhost' >"$root/etc/hosts"
  (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/guest.gz"
}

# The console is what it tells; it has twenty minutes.
boot() {
  local name=$1 log="$work/$1.log"
  timeout 1200 qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on -smp 2 -m 2048 -nographic -no-reboot -nic none \
    -kernel "$work/apt/unpacked/boot/vmlinuz-${name#linux-image-}" -initrd "$work/guest.gz" \
    -append "console=ttyAMA0 quiet panic=-1" </dev/null 2>&1 | sed -u 's/\r$//' | tee "$log"
  grep -qx 'guest: all is well' "$log" || fail "$name: not all is well; see $log"
}

use_apt_of bookworm
fetch busybox-static bin/busybox
make_root
for kernel in "${kernels[@]}"; do
  read -r release name <<<"$kernel"
  use_apt_of "$release"
  image=$(apt-cache depends "$name" | sed -n 's/.*Depends: *\(linux-image-[0-9].*\)/\1/p')
  fetch "$image" "boot/vmlinuz-${image#linux-image-}"
  echo "machine: $image"
  boot "$image"
done
