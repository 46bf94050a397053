#!/usr/bin/env bash
# One command: installs what is missing, trains on shapes at two sites, and says where a page of the curves is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
"$root/jobs/setup.sh" job
exec "$root/.venv/bin/python" "$here/job.py" "$@"
