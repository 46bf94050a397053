#!/usr/bin/env bash
# Builds the wheel twice from nothing and compares the bytes. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: packaging/reproduce.sh [--machine x86_64|aarch64] [--downloads FOLDER] [--keep]

Two builds of the last commit by packaging/build.sh, each from nothing in a checkout of its own: in folders of different
names, with different locales, masks of file modes, time zones, home folders and numbers of compilers, one behind the
other. The wheels and the source distributions have to be the same, byte for byte; what differs is named.

  --machine M          what the wheels are for; the default is x86_64
  --downloads FOLDER   where downloads are kept; the default is build/packaging/cache of this checkout
  --keep               leave both checkouts, and say where they are

Takes twice as long as a build from nothing.
TEXT
}

machine=x86_64 keep=no
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
downloads="$top/build/packaging/cache"
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --machine) machine=${2:-}; shift 2 || { echo "reproduce: error: --machine needs a name" >&2; exit 64; } ;;
    --downloads) [ -n "${2:-}" ] || { echo "reproduce: error: --downloads needs a folder" >&2; exit 64; }
      downloads=$(realpath -m "$2"); shift 2 ;;
    --keep) keep=yes; shift ;;
    *) echo "reproduce: error: unknown option '$1'; see --help" >&2; exit 64 ;;
  esac
done

work=$(mktemp -d "${TMPDIR:-/tmp}/flarebridge-twice-XXXXXX")
[ "$keep" = yes ] || trap 'rm -rf "$work"' EXIT

# build FOLDER MASK NAME=VALUE...: the last commit in FOLDER, as these say.
build() {
  local folder=$1 mask=$2
  shift 2
  echo "reproduce: building in $folder"
  (
    umask "$mask"
    mkdir -p "$folder/home"
    git clone --quiet --no-hardlinks "$top" "$folder/checkout"
    env HOME="$folder/home" "$@" "$folder/checkout/packaging/build.sh" --machine "$machine" --downloads "$downloads" \
      "${jobs[@]}"
  )
}

# differences ONE OTHER: the files of two archives that are not the same, and where they begin to differ.
differences() {
  python3 - "$1" "$2" <<'PYTHON'
import sys, tarfile, zipfile

def contents(path):
    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as archive:
            return {e.filename: (e.date_time, e.external_attr, archive.read(e)) for e in archive.infolist()}
    with tarfile.open(path) as archive:
        return {e.name: (e.mtime, (e.mode, e.uid, e.gid), e.isfile() and archive.extractfile(e).read()) for e in archive}

one, other = map(contents, sys.argv[1:])
if list(one) != list(other):
    print("  files or their order: only in one:", sorted(set(one) ^ set(other)))
for name in one.keys() & other.keys():
    for what, a, b in zip(("time", "mode", "bytes"), one[name], other[name]):
        if what == "bytes" and a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            print(f"  {name}: {len(a)} and {len(b)} bytes, from {at} on: {a[at:at + 40]!r} and {b[at:at + 40]!r}")
        elif a != b:
            print(f"  {name}: {what} {a} and {b}")
PYTHON
}

jobs=()
build "$work/one" 022 LC_ALL=C TZ=UTC
jobs=(--jobs 1)
build "$work/another-one-far-away" 077 LC_ALL=C.UTF-8 TZ=Asia/Kathmandu LANG=de_DE.UTF-8
same=yes
for first in "$work"/one/checkout/build/packaging/dist/*.{whl,tar.gz}; do
  second="$work/another-one-far-away/checkout/build/packaging/dist/$(basename "$first")"
  if cmp -s "$first" "$second"; then
    echo "reproduce: the same: $(sha256sum "$first" | cut -c 1-64)  $(basename "$first")"
  else
    same=no
    echo "reproduce: error: two builds gave two of $(basename "$first"):" >&2
    differences "$first" "$second" >&2
  fi
done
[ "$keep" = no ] || echo "reproduce: both are in $work"
[ "$same" = yes ]
