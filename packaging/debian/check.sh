#!/bin/bash
# check.sh PACKAGE.deb [SUITE]: installs, uses and purges the package in a bare root of Debian (default: bookworm).
# As root, with debootstrap; packages come from where this machine has them from (its sources lists).
set -euo pipefail
[ $# -ge 1 ] && [ -f "$1" ] || { echo "usage: check.sh PACKAGE.deb [SUITE]" >&2; exit 64; }
[ "$(id -u)" = 0 ] || { echo "check.sh: a bare root can be made by root only" >&2; exit 77; }
package=$(realpath "$1")
suite=${2:-bookworm}
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n '1p')
root=$(mktemp -d "${TMPDIR:-/tmp}/flarebridge-root-XXXXXX")
chmod 755 "$root"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
clean() {
  umount "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap clean EXIT

echo "check: a bare $suite"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
  { tail -n 5 "$root.log" >&2; exit 1; }
rm "$root.log"
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
cp "$package" "$root/tmp/flarebridge.deb"
apt=(apt-get -qq -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0)
inside "${apt[@]}" update
before=$(inside find /usr /etc /var/lib -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -name '*flarebridge*' -print)
[ -z "$before" ] || { echo "check: not bare: $before" >&2; exit 1; }

echo "check: install"
inside "${apt[@]}" install -y --no-install-recommends /tmp/flarebridge.deb >"$root/tmp/log" 2>&1 ||
  { tail -n 5 "$root/tmp/log" >&2; exit 1; }
inside flarebridge --version
inside flarebridge sync --help >/dev/null
inside test -s /usr/share/man/man1/flarebridge.1.gz -a -s /usr/lib/systemd/system/flarebridge.service
inside sh -c '! ldd /usr/bin/flarebridge /usr/bin/flarebridge-upload | grep "not found"'
# A bridge works, and leaves by itself, as nobody.
inside mkdir -m 700 /tmp/state
inside chown nobody /tmp/state
inside setpriv --reuid=nobody --clear-groups flarebridge serve --own --state /tmp/state
inside rm -r /tmp/state

echo "check: purge, with a run that nobody has uploaded"
inside mkdir -p /var/lib/private/flarebridge/runs
inside dpkg --purge flarebridge | grep "holds runs or events and stays"
inside test -d /var/lib/private/flarebridge/runs
inside rm -r /var/lib/private/flarebridge
inside dpkg -i /tmp/flarebridge.deb >/dev/null
inside dpkg --purge flarebridge >/dev/null
after=$(inside find /usr /etc /var/lib -name '*flarebridge*')
[ -z "$after" ] || { echo "check: left behind: $after" >&2; exit 1; }
echo "check: $(basename "$package") installs on a bare $suite, works, and is gone after a purge"
