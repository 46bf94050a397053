#!/usr/bin/env bash
# Sets up, builds and runs the tests. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/run.sh [mode] [ctest options]

Installs what is missing (as jobs/hello-pt/run.sh does, and the test tools), builds, and runs all
tests by one ctest: unit tests, the Python shim's, conformance with the wandb package, integration
with NVFlare's simulator, format, clang-tidy, ruff and the direction of includes.

modes:
  (none)   the release build, everything
  asan     address and undefined-behaviour sanitizer: unit, shim, conformance and integration tests
  tsan     thread sanitizer: the same
  --matrix [VERSION...]   on NVFlare 2.5 to the newest, and writes README.md's table (tests/matrix/run.sh --help)
  -h, --help

examples:
  tests/run.sh                 everything
  tests/run.sh -R unit         the unit tests only
  tests/run.sh asan -R unit
TEXT
}

preset=release
matrix=no
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  --matrix) matrix=yes; shift ;;
  asan | tsan) preset=$1; shift ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
jobs/setup.sh tests
log="build/logs/build-$preset.log"
echo "tests: building ($preset)"
if ! { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "tests: error: the build failed; the whole output is in $root/$log" >&2
  exit 1
fi
[ "$matrix" = no ] || exec tests/matrix/run.sh "$@"
exec ctest --preset "$preset" "$@"
