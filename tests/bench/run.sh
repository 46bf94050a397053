#!/usr/bin/env bash
# Measures flarebridge beside WandBReceiver, W&B's SDK and `wandb sync` in one run, prints the figures, and writes
# them into the tables of docs/measured.md and into build/bench.json.
# usage: tests/bench/run.sh [--rounds N] [--table measured|uploads] [--only PATTERN] [--print-only]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
jobs/setup.sh tests
log=build/logs/build-release.log
echo "bench: building"
if ! { cmake --preset release && cmake --build --preset release; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "bench: error: the build failed; the whole output is in $root/$log" >&2
  exit 1
fi
exec .venv/bin/python tests/bench/measure.py "$@"
