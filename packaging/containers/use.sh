#!/usr/bin/env bash
# use.sh ROOTS JOB: starts what check.sh has made in ROOTS, as an engine would, and runs the job JOB (the tests' burst).
# In a network of its own. Called by check.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../bare_root.sh"
check_name=containers
roots=$1
job=$2
trap end_all EXIT
trap 'exit 130' INT TERM
ip link set lo up

# A container in the background is a shell, its child, and the container's first process.
end_all() {
  local status=$? started
  local logs=("$roots"/{bridge,server,site,submit}.log "$roots/bridge.final/var/lib/flarebridge/bridge.log")
  [ "$status" = 0 ] || tail -n 8 "${logs[@]}" >&2 2>/dev/null || true
  for started in $(jobs -p); do pkill -KILL -P "$started" || true; done
  wait 2>/dev/null || true
}

# container IMAGE VOLUME [NAME=VALUE...] [-- COMMAND...]: as `docker run -v VOLUME -e ... IMAGE COMMAND...`.
container() {
  local image=$1 volume=$2 given=()
  local root environment user workdir entrypoint command health home
  shift 2
  eval "$(sed 's/^declare/local/' "$roots/$image.image")"
  while [ $# -gt 0 ] && [ "$1" != -- ]; do given+=("$1"); shift; done
  [ $# = 0 ] || command=("${@:2}")
  [ "${command[0]}" != health ] || { entrypoint=(); command=("${health[@]}"); }
  home=$(sed -nE "s/^[^:]*:[^:]*:${user%:*}:[^:]*:[^:]*:([^:]*):.*/\1/p" "$root/etc/passwd")
  inside HOME="$home" "${environment[@]}" "${given[@]}" env -C "$workdir" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups \
    --no-new-privs --bounding-set=-all "${entrypoint[@]}" "${command[@]}"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "not in time: $what"
    sleep 0.5
  done
}

# volume NAME: a folder of the image's user, as an engine mounts it at /workspace.
volume_of() {
  install -d -m 700 -o 10001 -g 10001 "$roots/volumes/$1"
  echo "$roots/volumes/$1:/workspace"
}

# end PID WHAT STATUS: as the engine ends a container; the status is the one that is wanted.
end() {
  local status=0
  pkill -TERM -P "$(pgrep -P "$1")"
  wait_for 30 "the end of $2" eval "! kill -0 $1"
  wait "$1" || status=$?
  [ "$status" = "$3" ] || fail "$2 has ended with status $status"
}

make_keys() {
  container bridge "" -- keygen /etc/flarebridge/bridge >/dev/null
  container nvflare "$server" -- flarebridge keygen /workspace/server >/dev/null
  local keys="$roots/bridge.final/etc/flarebridge"
  cp "$roots/volumes/server/server.key" "$keys/clients/"
  cp "$keys/bridge.key" "$roots/volumes/server/"
}

# NVFlare's own kits, and the job as an admin submits it.
make_kits() {
  local name kits="$roots/volumes/admin/poc/example_project/prod_00"
  container nvflare "$admin" NVFLARE_POC_WORKSPACE=/workspace/poc -- \
    sh -c 'echo y | nvflare poc prepare -n 1' >"$roots/kits.log" 2>&1 || { tail "$roots/kits.log" >&2; fail "there are no kits"; }
  for name in server site-1; do
    cp -a "$kits/$name/." "$roots/volumes/$name/"
    container nvflare "$roots/volumes/$name:/workspace" -- flarebridge allow /workspace >>"$roots/kits.log" 2>&1 ||
      { tail -n 3 "$roots/kits.log" >&2; fail "the kit of $name does not take flarebridge"; }
  done
  cp -r "$job" "$here/submit.py" "$roots/volumes/admin/"
  container nvflare "$admin" -- python burst/job.py --folder /workspace/trained --clients 1 --count 200 \
    --export /workspace/jobs --tracking '{"endpoint": "tcp://127.0.0.1:5557"}' >"$roots/job.log" 2>&1 ||
    { tail "$roots/job.log" >&2; fail "there is no job"; }
}

# The run's rows as the bridge's image shows them are what the site has written down of what it logged.
compare() {
  local log
  log=$(container bridge "" -- show --json runs |
    python3 -c 'import json, sys; (run,) = json.load(sys.stdin); print(run["log"])') || fail "there is not one run"
  container bridge "" -- show --json "$log" | python3 -c '
import json, sys
rows = [[row["_step"], row["m"]] for row in json.load(sys.stdin)["rows"]]
logged = [[step, value] for step, _name, value in map(json.loads, open(sys.argv[1]))]
assert len(rows) == 200 and rows == logged, (len(rows), len(logged))' \
    "$roots/volumes/site-1/trained/values/site-1.jsonl" || fail "the run is not what was logged"
}

server=$(volume_of server)
site=$(volume_of site-1)
admin=$(volume_of admin)
make_keys
make_kits
container bridge "" >"$roots/bridge.log" 2>&1 &
bridge_pid=$!
wait_for 30 "a bridge that is healthy" container bridge "" -- health
say "the bridge is healthy"
container nvflare "$server" FLAREBRIDGE_CLIENT_KEY=/workspace/server.key_secret \
  FLAREBRIDGE_SERVER_KEY=/workspace/bridge.key >"$roots/server.log" 2>&1 &
server_pid=$!
container nvflare "$site" >"$roots/site.log" 2>&1 &
site_pid=$!
container nvflare "$admin" -- python submit.py /workspace/poc/example_project/prod_00/admin@nvidia.com \
  /workspace/jobs/burst >"$roots/submit.log" 2>&1 ||
  fail "the job did not end well"
compare
say "a job's run of 200 rows is written through it"
end "$site_pid" site-1 143
end "$server_pid" "the server" 143
end "$bridge_pid" "the bridge" 0
container bridge "" -- health >/dev/null 2>&1 && fail "a bridge that is not there is healthy"
say "all have ended when they were told to"
