#!/usr/bin/env bash
# Runs the tests that need NVFlare on several of its releases. Called by `tests/run.sh --matrix`.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/run.sh --matrix [VERSION...]

Runs the shim's, the conformance and the integration tests on each NVFlare release, each in a virtual
environment of its own in build/matrix/, and writes the table of what passed into docs/proven.md. Without
versions: those of its table and the newest on PyPI. Python: the one that `python3` is; the newest
NVFlare also on every other of python3.10 to python3.14 that is installed; 2.5 also on python3.9, the oldest
that the shim takes, with the shim's own tests. Takes about 10 minutes a release.
TEXT
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
logs="$root/build/logs"
results="$root/build/matrix/results"
binary="$root/build/release/bridge/flarebridge"
say() { echo "matrix: $*"; }

newest() {
  .venv/bin/python -m pip index versions nvflare 2>/dev/null | sed -nE 's/^nvflare \(([0-9.]+)\).*/\1/p'
}

# The judges of the other suites are W&B's package, whose releases behind 0.30 need Python 3.10.
takes_wandb() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; }

# An environment with one NVFlare and the test tools.
environment() {
  local python=$1 version=$2 folder=$3 tools=(-r tests/requirements.txt)
  [ -f "$folder/.ready" ] && return 0
  takes_wandb "$python" || tools=('pytest>=8,<10')
  rm -rf "$folder"
  {
    "$python" -m venv "$folder" &&
      "$folder/bin/python" -m pip install "nvflare==$version" "${tools[@]}" \
        'pyzmq>=25' 'msgpack>=1.0.3' 'numpy>=1.26' &&
      "$folder/bin/python" -m pip install --no-deps build/dist/flarebridge-*.whl
  } >"$logs/matrix-$(basename "$folder").log" 2>&1 || {
    tail -n 15 "$logs/matrix-$(basename "$folder").log" >&2
    say "error: no environment for NVFlare $version; see $logs/matrix-$(basename "$folder").log" >&2
    exit 1
  }
  touch "$folder/.ready"
}

# The suites, each with a report that table.py reads. hello-pt's tests are left out: they need torch and recipes (2.7).
suites() {
  local folder=$1 name=$2 suite status=0
  local -A files=(
    [shim]=python_shim/tests
    [conformance]=tests/conformance
    [forwarding]="tests/integration/test_forwarding.py"
    [kinds]="tests/integration/test_kinds.py"
    [installing]="tests/integration/test_installing.py tests/integration/test_allow.py"
    [poc]="tests/integration/test_poc.py"
    [bridge]="tests/integration/test_bridge.py"
  )
  local wanted=(shim)
  ! takes_wandb "$folder/bin/python" || wanted=(shim conformance forwarding kinds installing poc bridge)
  for suite in "${wanted[@]}"; do
    # shellcheck disable=SC2086 # several files
    PYTHONPATH="$root/python_shim" FLAREBRIDGE_BINARY="$binary" "$folder/bin/python" -m pytest -q \
      -p no:cacheprovider --junitxml="$results/$name.$suite.xml" ${files[$suite]} \
      >"$logs/matrix-$name-$suite.log" 2>&1 || { status=1; tail -n 30 "$logs/matrix-$name-$suite.log"; }
    say "NVFlare $name, $suite: $(tail -n 1 "$logs/matrix-$name-$suite.log")"
  done
  return "$status"
}

latest=$(newest)
[ -n "$latest" ] || { say "error: PyPI does not tell NVFlare's newest version" >&2; exit 1; }
versions=("$@")
[ ${#versions[@]} -gt 0 ] || mapfile -t versions < <(printf '%s\n' 2.5.2 2.6.2 2.7.2 2.8.1 "$latest" | sort -uV)
mkdir -p "$results"
failed=0
for version in "${versions[@]}"; do
  pythons=(python3) others=()
  case "$version" in
    "$latest") others=(10 11 12 13 14) ;;
    2.5.*) others=(9) ;;
  esac
  for minor in "${others[@]}"; do
    # A name without a Python behind it may be there, too.
    "python3.$minor" -c '' 2>/dev/null || continue
    [ "$(python3 -c 'import sys; print(sys.version_info[1])')" = "$minor" ] || pythons+=("python3.$minor")
  done
  for python in "${pythons[@]}"; do
    name="$version-py$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    say "NVFlare $name: environment"
    environment "$python" "$version" "$root/build/matrix/$name"
    suites "$root/build/matrix/$name" "$name" || failed=1
  done
done
.venv/bin/python tests/matrix/table.py "$results" docs/proven.md
exit "$failed"
