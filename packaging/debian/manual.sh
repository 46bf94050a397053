#!/bin/sh
# manual.sh LOWDOWN README.md PAGE.1.gz: the manual page, from the part of bridge/README.md that is one.
set -eu
sed -n '/^## NAME/,$p' "$2" | sed 's/^## /# /' |
  "$1" -s -Tman -M title=flarebridge -M section=1 -M source=flarebridge | gzip -9n >"$3.part"
mv "$3.part" "$3"
