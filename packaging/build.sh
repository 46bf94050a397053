#!/usr/bin/env bash
# Builds the wheel that runs on any Linux. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: packaging/build.sh [--machine x86_64|aarch64] [--jobs N] [--downloads FOLDER]

Makes in build/packaging/dist/ the source distribution flarebridge-VERSION.tar.gz, and of it
flarebridge-VERSION-py3-none-manylinux_2_28_MACHINE.whl: the package and its programs, which need nothing but a C
library (glibc) of 2.28 or newer. Compiler, libraries and their checksums are pinned in packaging/requirements.txt and
packaging/sources.txt.

  --machine M          what the wheel is for; the default is x86_64
  --jobs N             compilers at once; the default is the number of processors
  --downloads FOLDER   where downloads are kept; the default is build/packaging/cache

Needs Debian 12 on x86-64 with: cmake ninja-build make perl tcl pkg-config dpkg-dev python3-venv. It installs nothing,
and works below build/packaging/. It may be interrupted and run again at any time. The first time compiles some 1,400
files.
TEXT
}

jobs=$(nproc) machine=x86_64 downloads=
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --jobs) [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || { echo "build: error: --jobs needs a number" >&2; exit 64; }
      jobs=$2; shift 2 ;;
    --machine) [[ "${2:-}" =~ ^(x86_64|aarch64)$ ]] || { echo "build: error: --machine is x86_64 or aarch64" >&2; exit 64; }
      machine=$2; shift 2 ;;
    --downloads) [ -n "${2:-}" ] || { echo "build: error: --downloads needs a folder" >&2; exit 64; }
      downloads=$(realpath -m "$2"); shift 2 ;;
    *) echo "build: error: unknown option '$1'; see --help" >&2; exit 64 ;;
  esac
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
work="$root/build/packaging"
portable="$work/$machine"
dist="$work/dist"
glibc=2.28

fail() {
  echo "build: error: $*" >&2
  exit 1
}

check_machine() {
  [ "$(uname -sm)" = "Linux x86_64" ] || fail "this is $(uname -sm); wheels are built on Linux on x86_64"
  local tool missing=()
  for tool in cmake ninja make perl tclsh pkg-config dpkg-source dpkg-deb apt-get sha256sum python3; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] || fail "not installed: ${missing[*]}; apt-get install cmake ninja-build make perl tcl" \
    "pkg-config dpkg-dev python3-venv"
}

# The compiler and the wheel's tools, as requirements.txt pins them.
install_python_tools() {
  local stamp="$work/python/.installed"
  cmp -s "$here/requirements.txt" "$stamp" && return
  echo "build: installing the compiler"
  rm -rf "$work/python"
  python3 -m venv "$work/python"
  "$work/python/bin/python" -m pip install --quiet --require-hashes --no-deps --only-binary :all: \
    -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
}

write_compiler() {
  local name=$1
  shift
  {
    echo '#!/bin/sh'
    echo "export ZIG_GLOBAL_CACHE_DIR='$work/zig-cache' ZIG_LOCAL_CACHE_DIR='$work/zig-cache'"
    echo "exec $* \"\$@\""
  } >"$portable/bin/$name"
  chmod +x "$portable/bin/$name"
}

# A command of one word each for what calls compilers. Sources are named relative to the checkout.
write_compilers() {
  local zig target="$machine-linux-gnu.$glibc" hardened
  zig="'$(echo "$work"/python/lib/python3*/site-packages/ziglang/zig)'"
  hardened="-fPIC -fstack-protector-strong -ffunction-sections -fdata-sections -fno-sanitize=undefined"
  hardened+=" -ffile-prefix-map='$root'=. -Wno-unused-command-line-argument"
  # zig keeps a frame pointer in all functions and debug information in all objects, where nobody asks for either. It
  # compiles its C++ library as a program is linked: what asks for nothing else has the one that the programs have.
  hardened+=" -fomit-frame-pointer -g0 -O2"
  mkdir -p "$portable/bin"
  # No exception passes through C here, so that it needs no tables to be unwound by.
  write_compiler cc "$zig" cc -target "$target" "$hardened -fno-unwind-tables -fno-asynchronous-unwind-tables"
  write_compiler c++ "$zig" c++ -target "$target" "$hardened"
  # For tools that run here, while libraries are built.
  write_compiler build-cc "$zig" cc -target "x86_64-linux-gnu.$glibc" -O2
  write_compiler ar "$zig" ar
  write_compiler ranlib "$zig" ranlib
  { cat "$portable"/bin/* && grep '^ziglang==' "$here/requirements.txt"; } >"$portable/compilers"
}

# Times in what is made are the last commit's, whenever it is built.
set_times() {
  SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 1700000000)
  export SOURCE_DATE_EPOCH
}

# The wheel is made of the source distribution, so that both are whole.
make_source() {
  local log="$portable/logs/source.log"
  echo "build: packing the source"
  mkdir -p "$dist"
  rm -f "$dist"/flarebridge-*.tar.gz
  (cd "$root" && "$work/python/bin/python" -c "from scikit_build_core.build import build_sdist; build_sdist('$dist')") \
    >"$log" 2>&1 || { tail -n 30 "$log" >&2; fail "the source was not packed; see $log"; }
  rm -rf "$portable/unpacked"
  mkdir -p "$portable/unpacked" "$portable/source"
  tar -xzf "$dist"/flarebridge-*.tar.gz -C "$portable/unpacked" --strip-components 1
  take_over "$portable/unpacked" "$portable/source"
}

# take_over FROM TO: TO becomes as FROM, with files untouched that are the same: they are not compiled again.
take_over() {
  local file
  while IFS= read -r -d '' file; do
    cmp -s "$1/$file" "$2/$file" || install -D -m "$(stat -c %a "$1/$file")" "$1/$file" "$2/$file"
  done < <(cd "$1" && find . -type f -print0)
  while IFS= read -r -d '' file; do
    [ -e "$1/$file" ] || rm "$2/$file"
  done < <(cd "$2" && find . -type f -print0)
}

make_wheel() {
  local log="$portable/logs/wheel.log" tag="manylinux_${glibc/./_}_$machine"
  echo "build: building the programs and the wheel"
  rm -f "$dist"/flarebridge-*_"$machine".whl
  _PYTHON_HOST_PLATFORM="$tag" CMAKE_BUILD_PARALLEL_LEVEL="$jobs" \
    "$work/python/bin/python" -m pip wheel "$portable/source" --no-deps --no-build-isolation --wheel-dir "$dist" \
    --config-settings=build-dir="$portable/programs" \
    --config-settings=install.strip=false \
    --config-settings=wheel.reproducible=true \
    --config-settings=cmake.define.CMAKE_TOOLCHAIN_FILE="$here/toolchain.cmake" \
    --config-settings=cmake.define.PORTABLE="$portable" \
    --config-settings=cmake.define.CMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
    --config-settings=cmake.define.FLAREBRIDGE_SMALL=ON \
    --config-settings=cmake.define.FLAREBRIDGE_LICENSES="$portable/licenses" >"$log" 2>&1 ||
    { tail -n 30 "$log" >&2; fail "the wheel was not built; see $log"; }
}

check_machine
mkdir -p "$work" "$portable/logs"
exec 9>"$work/lock"
flock -n 9 || fail "another build of this checkout is at work"
sources=$("$here/sources_hash.sh")
install_python_tools
write_compilers
"$here/fetch.sh" "${downloads:-$work/cache}" "$work/sources" "$work/headers"
"$here/libraries.sh" "$work/sources" "$work/headers" "$portable" "$jobs"
set_times
make_source
make_wheel
"$work/python/bin/python" "$here/pack.py" "$dist"/flarebridge-*_"$machine".whl
"$work/python/bin/python" "$here/check.py" "$dist"/flarebridge-*_"$machine".whl
# jobs/setup.sh takes the wheel as long as these are the sources.
for wheel in "$dist"/flarebridge-*_"$machine".whl; do echo "$sources" >"$wheel.sources"; done
