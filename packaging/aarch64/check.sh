#!/usr/bin/env bash
# Runs the wheel for aarch64 on a machine that is none. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: packaging/aarch64/check.sh [unit|bridge|machine...]

Builds the unit tests from the libraries of the aarch64 wheel's programs, and runs on this machine, which is x86-64:
  unit      the unit tests, each program under qemu's emulation of one (qemu-aarch64)
  bridge    the integration tests' suite `bridge`: Python is this machine's, the bridge and all that it starts aarch64's
  machine   a bridge with load, and the unit tests of processes and workers, on emulated machines with Debian's kernels,
            which confine workers as real ones do; a program's emulation knows neither Landlock nor seccomp
Without a name: all of them. What can't hold there is in excluded.txt, each test with its reason.

Needs a wheel by `packaging/build.sh --machine aarch64`, what jobs/setup.sh tests installs, and the packages
qemu-user-static, libc6-arm64-cross, qemu-system-arm, cpio and doctest-dev. On Linux 6.7 or newer programs of another
machine are known to the kernel in a namespace of this check's alone; on an older one binfmt-support makes them known.
TEXT
}

parts=()
for word in "$@"; do
  case "$word" in
    -h | --help) usage; exit 0 ;;
    unit | bridge | machine) parts+=("$word") ;;
    *) echo "aarch64: error: '$word' is none of unit, bridge and machine" >&2; exit 64 ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=(unit bridge machine)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
portable="$top/build/packaging/aarch64"
work="$portable/check"
qemu=/usr/bin/qemu-aarch64-static
libc=/usr/aarch64-linux-gnu

say() { echo "aarch64: $*"; }
fail() {
  echo "aarch64: error: $*" >&2
  exit 1
}

# The kernel knows a program by its first 20 bytes (elf.h: 64 bits, little-endian, EM_AARCH64) and starts qemu for it; P:
# it is told the name that a program was called by; F: it is found in any root.
know_programs() {
  local folder=/proc/sys/fs/binfmt_misc
  export QEMU_LD_PREFIX="$libc"
  if ! mount -t binfmt_misc none "$folder" 2>/dev/null; then
    "$work/wheel/flarebridge/bin/flarebridge" --version >/dev/null 2>&1 ||
      fail "no program of aarch64 is started: Linux 6.7 has binfmt_misc for a namespace alone; else install binfmt-support"
    return
  fi
  printf '%s%s' ':flarebridge:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' \
    ":\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$qemu:PF" \
    >"$folder/register"
}

build() {
  local log="$work/build.log"
  say "building the unit tests"
  mkdir -p "$work/include"
  cp -rp /usr/include/doctest "$work/include/"
  { cmake -S "$here" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPORTABLE="$portable" \
    -DCMAKE_TOOLCHAIN_FILE="$here/../toolchain.cmake" -DDOCTEST="$work/include" \
    -DCMAKE_CXX_FLAGS_RELEASE="-O0 -DNDEBUG" && cmake --build "$work/build"; } >"$log" 2>&1 ||
    { tail -n 30 "$log" >&2; fail "the unit tests were not built; see $log"; }
}

unpack() {
  rm -rf "$work/wheel"
  mkdir -p "$work"
  python3 -m zipfile -e "$wheel" "$work/wheel"
  chmod +x "$work"/wheel/flarebridge/bin/*
}

# excluded PART: the names of tests that can't hold there.
excluded() { sed -nE "s/^$1 +(.*[^ ]) +# .*/\1/p" "$here/excluded.txt"; }

check_unit() {
  say "the unit tests, under qemu-aarch64"
  local without
  # doctest separates patterns by commas, and takes a comma in one behind a backslash.
  without=$(excluded unit | sed 's/\\/\\\\/g; s/,/\\,/g' | paste -sd ,)
  "$work/build/flarebridge_unit_tests" ${without:+"--test-case-exclude=$without"}
}

check_bridge() {
  say "the suite bridge, under qemu-aarch64"
  local test options=() files
  while IFS= read -r test; do options+=("--deselect=tests/integration/$test"); done < <(excluded bridge)
  # The suite's files, as tests/CMakeLists.txt has them.
  files=$(sed -n '/^add_pytest(bridge /,/)/p' "$top/tests/CMakeLists.txt" | grep -oE 'test_\w+\.py')
  # shellcheck disable=SC2086 # words
  (cd "$top/tests/integration" && realpath $files >/dev/null) || fail "the suite's files are not where they were"
  (cd "$top" && PYTHONPATH="$top/python_shim" FLAREBRIDGE_BINARY="$work/wheel/flarebridge/bin/flarebridge" \
    PATH="$work/wheel/flarebridge/bin:$PATH" .venv/bin/python -m pytest -q -p no:cacheprovider -rs "${options[@]}" \
    $(printf 'tests/integration/%s ' $files))
}

check_machine() {
  say "a bridge and its confinement, on emulated machines"
  "$here/machine.sh" "$work" "$libc" "$top/events/vectors"
}

# Once more, where this user may tell the kernel of programs, nobody else knows them, and all processes end with the check.
if [ "${FLAREBRIDGE_AARCH64:-}" != inside ]; then
  [ "$(uname -m)" = x86_64 ] || fail "this is $(uname -m); programs are emulated on x86_64"
  packages="qemu-user-static libc6-arm64-cross qemu-system-arm cpio doctest-dev"
  for file in "$qemu" "$libc/lib/libc.so.6" /usr/include/doctest/doctest.h /usr/bin/{qemu-system-aarch64,cpio}; do
    [ -e "$file" ] || fail "$file is missing; apt-get install $packages"
  done
  FLAREBRIDGE_AARCH64=inside exec unshare --user --map-root-user --mount --pid --fork --kill-child \
    --mount-proc -- "$here/check.sh" "${parts[@]}"
fi
unset FLAREBRIDGE_AARCH64
wheel=$(compgen -G "$top/build/packaging/dist/flarebridge-*_aarch64.whl") ||
  fail "there is no wheel; packaging/build.sh --machine aarch64 makes it"
unpack
know_programs
build
for part in "${parts[@]}"; do "check_$part"; done
say "$(basename "$wheel") works under emulation: ${parts[*]}"
