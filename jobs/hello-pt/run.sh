#!/usr/bin/env bash
# One command: installs what is missing, trains hello-pt in NVFlare's simulator, shows the runs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
python="$root/.venv/bin/python"

# Help and what is typed wrong need no set-up, only a Python; a bare machine has one after it.
plain_python=$(command -v python3 || true)
if [ -n "$plain_python" ] && "$plain_python" -c 'import sys; sys.exit(sys.version_info < (3, 9))'; then
  "$plain_python" "$here/arguments.py" "$@" || exit
fi
for word in "$@"; do
  case "$word" in
    -h | --help)
      [ -n "$plain_python" ] || sed -n '/^_DESCRIPTION/,/"""$/{/^_/d; s/"""$//; p}; /^_EXAMPLES/,/"""$/{s/^_.*//; s/"""$//; p}' "$here/arguments.py"
      exit 0
      ;;
  esac
done

"$root/jobs/setup.sh" job
exec "$python" "$here/run.py" "$@"
