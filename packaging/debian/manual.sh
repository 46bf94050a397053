#!/bin/sh
# manual.sh LOWDOWN README.md PAGE.1.gz: the manual page, from the part of bridge/README.md that is one.
set -eu

# Code and lists that stand behind a line of text are a part of it to lowdown: with an empty line between they are not.
apart='
  /^```/ { if (!code && before != "") print ""; code = !code; print; before = code ? "" : "text"; next }
  !code && /^- / && before != "" && !list { print "" }
  !code { list = /^- / || (list && /^  /); before = $0 }
  { print }'
# A folder of the checkout is nowhere where the page is read.
unlinked='s/\[\([^]]*\)](\.\.[^)]*)/\1/g'
# No name is broken by a hyphen that is none of its own. The last column has all the room that the others leave: without
# that all are as wide, and the last one is long.
layout='s/^\.TH .*/.nr HY 0\n&\n.ad l/
/^tab(|) expand allbox;$/ {
  s/ expand//
  n; s/lb$/lbx/
  n; s/l\.$/lx./
}
s/^\.TE$/&\n.sp/'
sed -n '/^## NAME/,$p' "$2" | sed 's/^## /# /' | sed "$unlinked" | awk "$apart" |
  "$1" -s -Tman -M title=flarebridge -M section=1 -M source=flarebridge | sed "$layout" | gzip -9n >"$3.part"
mv "$3.part" "$3"
