#!/usr/bin/env bash
# Installs and uses the wheel for any Linux in bare roots of Debian. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: packaging/bare/check.sh [--wheel FILE] [--python COMMAND]... [SUITE...]

For each release of Debian (bullseye, bookworm and trixie if nothing is named): makes a root that has Python with its venv
module and nothing else, installs the wheel there by pip, which fetches pyzmq and msgpack alone, and uses it as an
ordinary user: a run is written, listed, and uploaded over https to a server on this machine.

  --wheel FILE       another wheel than that of packaging/build.sh
  --python COMMAND   the same with a Python of this machine, in a virtual environment, as this user

As root, with debootstrap. Packages come from where this machine has them from. About two minutes a release.
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
wheel=""
suites=() pythons=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --wheel) wheel=${2:-}; shift 2 || { echo "bare: error: --wheel needs a file" >&2; exit 64; } ;;
    --python) pythons+=("${2:-}"); shift 2 || { echo "bare: error: --python needs a command" >&2; exit 64; } ;;
    -*) echo "bare: error: unknown option '$1'; see --help" >&2; exit 64 ;;
    *) suites+=("$1"); shift ;;
  esac
done
[ ${#suites[@]} -gt 0 ] || [ ${#pythons[@]} -gt 0 ] || suites=(bullseye bookworm trixie)

. "$here/../bare_root.sh"
begin_check bare
[ -n "$wheel" ] || wheel=$(compgen -G "$top/build/packaging/dist/flarebridge-*_$(uname -m).whl") ||
  fail "there is no wheel; packaging/build.sh makes it"
[ -f "$wheel" ] || fail "there is no file $wheel"

# install WHERE PYTHON FOLDER RUN...: the wheel, in an environment of PYTHON's in FOLDER, as RUN starts commands; nothing
# may come with it but what it says that it needs.
install() {
  local where=$1 python=$2 folder=$3 found
  shift 3
  {
    "$@" "$python" -m venv "$folder/flare" &&
      "$@" "$folder/flare/bin/python" -m pip install --quiet "$folder/$(basename "$wheel")"
  } >"$roots/pip.log" 2>&1 || { tail -n 10 "$roots/pip.log" >&2; fail "$where: the wheel can't be installed"; }
  found=$("$@" "$folder/flare/bin/python" -m pip list --format=freeze 2>/dev/null |
    sed -nE 's/^([A-Za-z0-9_.-]+)==.*/\1/p' | grep -vxE 'pip|setuptools|wheel|pkg[_-]resources' | sort | paste -sd ' ')
  [ "$found" = "flarebridge msgpack pyzmq" ] || fail "$where: pip has installed $found"
}

# The wheel, and what uses it.
copy_to() {
  mkdir -p "$1"
  cp "$wheel" "$here/use.py" "$top/tests/bridge_driver.py" "$top"/tests/conformance/strict_{server,run}.py "$1/"
}

use_in() {
  local suite=$1
  say "a bare $suite"
  make_root "$suite" python3,python3-venv,ca-certificates
  copy_to "$root/use"
  install "$suite" python3 /use inside
  inside setpriv --reuid=nobody --regid=nogroup --clear-groups env PYTHONDONTWRITEBYTECODE=1 \
    sh -c 'mkdir -m 700 /tmp/use && exec /use/flare/bin/python /use/use.py /tmp/use' || fail "$suite: it does not work"
  rm -rf --one-file-system "$root"
  say "$suite: $(basename "$wheel") works with Debian's own Python and nothing else"
}

use_here() {
  local python=$1 folder="$roots/here"
  copy_to "$folder"
  mkdir "$folder/runs"
  install "$python" "$python" "$folder" env
  "$folder/flare/bin/python" "$folder/use.py" "$folder/runs" || fail "$python: it does not work"
  rm -rf "$folder"
}

for python in "${pythons[@]}"; do use_here "$python"; done
for suite in "${suites[@]}"; do use_in "$suite"; done
