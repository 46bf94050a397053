#!/usr/bin/env bash
# Measures flarebridge beside NVFlare's WandBReceiver in one run, prints the figures, and writes them
# into README.md's table. usage: tests/bench/run.sh [--rounds N] [--no-readme]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$root/jobs/setup.sh" tests
exec "$root/.venv/bin/python" "$root/tests/bench/measure.py" "$@"
