#!/usr/bin/env bash
# Makes every package and tries it where nothing else is. Called by `tests/run.sh --packages`. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/run.sh --packages [aarch64|bare|conda|containers|debian...]

Makes the packages of this checkout and tries each, in bare roots of Debian made by debootstrap:
  aarch64      the wheel for aarch64, under emulation (packaging/aarch64/)
  bare         the wheel for any Linux, with Debian 11's, 12's and 13's own Python (packaging/bare/)
  conda        the recipe, read as rattler-build reads it (packaging/conda/)
  containers   the images' steps, and a job through what comes out (packaging/containers/)
  debian       the Debian package (packaging/debian/)
Without a name: all of them. The wheel is made by packaging/build.sh if it is not made from these sources.

Needs Debian 12 and root, and installs what is missing. The first time takes more than an hour on two processors, of which
the wheels' libraries are half; later ones, with sources that have not changed, are shorter.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
wanted=()
for word in "$@"; do
  case "$word" in
    -h | --help) usage; exit 0 ;;
    aarch64 | bare | conda | containers | debian) wanted+=("$word") ;;
    *) echo "packages: error: '$word' is none of aarch64, bare, conda, containers and debian" >&2; exit 64 ;;
  esac
done
[ ${#wanted[@]} -gt 0 ] || wanted=(aarch64 bare conda containers debian)
[ "$(id -u)" = 0 ] || { echo "packages: error: bare roots can be made by root only" >&2; exit 77; }
say() { echo "packages: $*"; }
mkdir -p build/logs

install_tools() {
  local tools=(cmake ninja-build make perl tcl pkg-config dpkg-dev python3-venv debootstrap iproute2 lowdown doctest-dev
    qemu-user-static libc6-arm64-cross qemu-system-arm cpio)
  dpkg-query -W -f='${db:Status-Status}\n' "${tools[@]}" 2>/dev/null | grep -cx installed | grep -qx ${#tools[@]} && return
  say "installing Debian packages"
  { apt-get update && apt-get install -y --no-install-recommends "${tools[@]}"; } >build/logs/packages-tools.log 2>&1
}

# make_wheel [MACHINE]
make_wheel() {
  local machine=${1:-$(uname -m)} found
  found=$(compgen -G "build/packaging/dist/flarebridge-*_$machine.whl") || found=""
  [ -n "$found" ] && [ "$(cat "$found.sources" 2>/dev/null)" = "$(packaging/sources_hash.sh)" ] && return
  packaging/build.sh --machine "$machine"
}

check_aarch64() { make_wheel aarch64 && packaging/aarch64/check.sh; }
check_bare() { make_wheel && packaging/bare/check.sh; }
check_conda() {
  local folder=build/packaging/conda
  python3 -m venv "$folder" && "$folder/bin/python" -m pip install --quiet --require-hashes -r packaging/conda/requirements.txt &&
    "$folder/bin/python" packaging/conda/check.py
}
check_containers() { make_wheel && packaging/containers/check.sh; }
check_debian() {
  cmake -S . -B build/package -G Ninja -DCMAKE_BUILD_TYPE=Release && cmake --build build/package &&
    (cd build/package && rm -f ./*.deb && cpack) && packaging/debian/check.sh build/package/flarebridge_*.deb
}

jobs/setup.sh tests
install_tools
failed=0
for name in "${wanted[@]}"; do
  log="build/logs/packages-$name.log"
  say "$name (its output is in $log)"
  begun=$SECONDS
  if "check_$name" >"$log" 2>&1; then
    say "$name: passed in $((SECONDS - begun)) s: $(tail -n 1 "$log")"
  else
    failed=1
    tail -n 15 "$log" >&2
    say "$name: failed" >&2
  fi
done
exit "$failed"
