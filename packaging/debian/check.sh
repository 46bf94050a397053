#!/bin/bash
# check.sh PACKAGE.deb [SUITE]: installs, uses and purges the package in a bare root of Debian (default: bookworm).
# As root, with debootstrap; packages come from where this machine has them from (its sources lists).
set -euo pipefail
[ $# -ge 1 ] && [ -f "$1" ] || { echo "usage: check.sh PACKAGE.deb [SUITE]" >&2; exit 64; }
. "$(dirname "${BASH_SOURCE[0]}")/../bare_root.sh"
begin_check check
package=$(realpath "$1")
suite=${2:-bookworm}

# Code fits a terminal of 80 columns, behind man's margin of 7; lists and code are none of a paragraph's text.
look_at_manual() {
  local found
  found=$(zcat "$root/usr/share/man/man1/flarebridge.1.gz" | awk '
    /^\.EX$/ { code = 1 } /^\.EE$/ { code = 0 }
    code && length > 73 { print "longer than a line of a terminal: " $0 }
    !code && /^- |[`]|[^.]\.\.\// { print "not what it was in the README: " $0 }')
  [ -z "$found" ] || fail "the manual page: $found"
}

say "a bare $suite"
make_root "$suite"
cp "$package" "$root/tmp/flarebridge.deb"
inside apt-get -qq update
before=$(inside find /usr /etc /var/lib -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -name '*flarebridge*' -print)
[ -z "$before" ] || fail "not bare: $before"

say "install"
inside apt-get -qq install -y --no-install-recommends /tmp/flarebridge.deb >"$root/tmp/log" 2>&1 ||
  { tail -n 5 "$root/tmp/log" >&2; exit 1; }
inside flarebridge --version
inside flarebridge sync --help >/dev/null
inside test -s /usr/share/man/man1/flarebridge.1.gz -a -s /usr/lib/systemd/system/flarebridge.service
look_at_manual
inside sh -c '! ldd /usr/bin/flarebridge /usr/bin/flarebridge-upload | grep "not found"'
# A bridge works, and leaves by itself, as nobody.
inside mkdir -m 700 /tmp/state
inside chown nobody /tmp/state
inside setpriv --reuid=nobody --clear-groups flarebridge serve --own --state /tmp/state
inside rm -r /tmp/state

say "purge, with a run that nobody has uploaded"
inside mkdir -p /var/lib/private/flarebridge/runs
inside dpkg --purge flarebridge | grep "holds runs or events and stays"
inside test -d /var/lib/private/flarebridge/runs
inside rm -r /var/lib/private/flarebridge
inside dpkg -i /tmp/flarebridge.deb >/dev/null
inside dpkg --purge flarebridge >/dev/null
after=$(inside find /usr /etc /var/lib -name '*flarebridge*')
[ -z "$after" ] || fail "left behind: $after"
say "$(basename "$package") installs on a bare $suite, works, and is gone after a purge"
