#!/usr/bin/env bash
# Sets up, builds and runs the tests. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/run.sh [mode] [options of ctest]

Installs what is missing (as jobs/hello-pt/run.sh does, and the test tools), builds, and runs all
tests by one ctest: unit tests, the Python shim's, conformance with the wandb package, integration
with NVFlare's simulator, format, clang-tidy, ruff, the direction of includes, each header by itself,
and whether documents name what is there.

modes:
  (none)   the release build, everything
  asan     address and undefined-behaviour sanitizer: unit, shim, conformance and integration tests
  tsan     thread sanitizer: the same
  --matrix [VERSION...]   on NVFlare 2.5 to the newest, and writes docs/proven.md's table (tests/matrix/run.sh --help)
  --packages [NAME...]    the packages, made and tried in bare roots of Debian (packaging/check_all.sh --help)
  -h, --help

options of ctest that are passed on:
  -R, -E, -L, -LE, -I, -j, --timeout, --repeat, --repeat-until-fail   each with a value
  -N, -V, -VV, -Q, -F, --progress, --rerun-failed, --stop-on-failure, --schedule-random

examples:
  tests/run.sh                         everything
  tests/run.sh -R unit                 the unit tests only
  tests/run.sh -R unit/bridge/journal  those of one room
  tests/run.sh -R '^bridge$'           the suite bridge, and not each test that has the word
  tests/run.sh asan -R unit
TEXT
}

preset=release
matrix=no
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  --matrix) matrix=yes; shift ;;
  --packages) exec "$(dirname "${BASH_SOURCE[0]}")/../packaging/check_all.sh" "${@:2}" ;;
  asan | tsan) preset=$1; shift ;;
esac

# ctest itself passes over what it does not know, after a build of minutes.
refuse() {
  echo "tests: error: $*; see tests/run.sh --help" >&2
  exit 64
}
words=("$@")
if [ "$matrix" = yes ]; then
  for word in "$@"; do
    [[ "$word" =~ ^([0-9].*|-h|--help)$ ]] || refuse "'$word' is no version of NVFlare"
  done
  words=()
fi
while [ ${#words[@]} -gt 0 ]; do
  case "${words[0]}" in
    -R | -E | -L | -LE | -I | -j | --timeout | --repeat | --repeat-until-fail)
      [ ${#words[@]} -gt 1 ] || refuse "${words[0]} needs a value"
      words=("${words[@]:2}") ;;
    -j[0-9]* | -N | -V | -VV | -Q | -F | --progress | --rerun-failed | --stop-on-failure | --schedule-random)
      words=("${words[@]:1}") ;;
    *) refuse "unknown mode or option '${words[0]}'" ;;
  esac
done

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
