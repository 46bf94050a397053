#!/usr/bin/env bash
# One command: installs what is missing, trains hello-pt in NVFlare's simulator, shows the runs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# Seconds that the bridges may take to finish the runs after the simulator has ended.
finish_seconds=20

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  cat <<'TEXT'
usage: jobs/hello-pt/run.sh [options]

Installs what is missing (Debian packages, .venv/, the flarebridge wheel), trains a small CNN with
federated averaging on two sites in NVFlare's simulator, and prints where the runs are and what each
holds. The options are passed on to job.py:

TEXT
  if [ -x "$root/.venv/bin/python" ]; then "$root/.venv/bin/python" "$here/job.py" --help; else
    grep -oE '"--[a-z_]+"' "$here/job.py" | tr -d '"' | sort -u | sed 's/^/  /'
  fi
  exit 0
fi

"$root/jobs/setup.sh" job
python="$root/.venv/bin/python"

workspace="$root/build/hello-pt"
arguments=("$@")
exported=no
for ((i = 0; i < $#; i++)); do
  case "${arguments[i]}" in
    --workspace) workspace=${arguments[i + 1]:-$workspace} ;;
    --workspace=*) workspace=${arguments[i]#*=} ;;
    --export | --export=*) exported=yes ;;
  esac
done
mkdir -p "$workspace" "$root/build/logs"
workspace=$(cd "$workspace" && pwd)
log="$root/build/logs/hello-pt.log"

echo "hello-pt: training; all of NVFlare's output goes to $log"
status=0
# The job's own lines and what went wrong; NVFlare's INFO lines are in the log.
PYTHONUNBUFFERED=1 "$python" "$here/job.py" "$@" 2>&1 | tee "$log" |
  { grep --line-buffered -E 'hello-pt: |flarebridge: |error:|Traceback|ERROR' || true; } |
  sed -uE 's/\x1b\[[0-9;]*m//g; s/^.*(hello-pt: )/\1/; s/^.*- ([A-Z]+) - (flarebridge: )/\1: \2/' || status=$?
if [ "$status" != 0 ]; then
  echo "hello-pt: the job ended with status $status; see $log" >&2
  exit "$status"
fi
[ "$exported" = no ] || exit 0

echo
shown=0
"$root/.venv/bin/flarebridge" show --wait "$finish_seconds" "$workspace/hello-pt" || shown=$?
case "$shown" in
  0) ;;
  3) echo "hello-pt: not every run was finished within $finish_seconds s" >&2 ;;
  *)
    echo "hello-pt: no run below $workspace/hello-pt: nothing was tracked"
    exit 0
    ;;
esac
cat <<TEXT

Look closer:  .venv/bin/flarebridge show <one of the folders above>
Upload:       .venv/bin/flarebridge sync <one of them>    (with the key in WANDB_API_KEY)
TEXT
