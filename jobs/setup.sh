#!/usr/bin/env bash
# Makes this checkout ready to run: Debian's packages, a virtual environment, the wheel.
# Repeating it is cheap: each step is done only if what it depends on has changed.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: jobs/setup.sh [job|tests]

Installs what is missing on a Debian 12 machine (as root or with sudo):
  1. Debian packages: compiler, CMake and the libraries of the bridge
  2. .venv/: a Python virtual environment with NVFlare, PyTorch and scikit-learn
  3. the flarebridge wheel, built from this checkout, in that environment

  job     what jobs/hello-pt needs (the default)
  tests   in addition the test tools and the wandb package

For `job` the wheel for any Linux is taken where packaging/build.sh has made it from this checkout's sources, or
where FLAREBRIDGE_WHEEL names its file, whatever that is made of. Then nothing is compiled: any Linux with Python
and its venv module will do, and only where these are missing a Debian package is installed.

Logs of the steps are in build/logs/. While a step goes on, its log's last line is
shown every few seconds. It may be interrupted and run again at any time.
TEXT
}

mode=${1:-job}
case "$mode" in
  -h | --help) usage; exit 0 ;;
  job | tests) ;;
  *) echo "setup: unknown mode '$mode'; use job or tests (see --help)" >&2; exit 64 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$root/.venv"
logs="$root/build/logs"

say() { echo "setup: $*"; }
fail() {
  echo "setup: error: $*" >&2
  exit 1
}
trap 'echo "setup: interrupted; what is installed stays, and the next call goes on from there" >&2; exit 130' INT TERM

# Says every few seconds that a step goes on, and how its log ends; on a terminal in one line that is renewed. Reads
# from a pipe that the caller holds, so that it ends with the caller, however that ends.
sign_of_life() {
  local what=$1 log=$2 begun=$SECONDS pause=5 line status=0 width
  [ ! -t 2 ] || pause=1
  width=$(stty size <&2 2>/dev/null | cut -d ' ' -f 2) || width=0
  [ "${width:-0}" -gt 20 ] || width=80
  while true; do
    status=0
    read -r -t "$pause" || status=$?
    [ "$status" -gt 128 ] || break # not a pause, but the pipe's end
    line=$(tail -c 400 "$log" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' | grep -v '^ *$' | tail -n 1) || line=""
    line="setup: $what: $((SECONDS - begun)) s, ${line:0:200}"
    if [ -t 2 ]; then
      printf '\r\033[K%s' "${line:0:$((width - 1))}" >&2
    else
      echo "$line" >&2
    fi
  done
  [ ! -t 2 ] || printf '\r\033[K' >&2
}

# The line of a step's log that says why it failed, in words for people where the cause is known.
reason_in() {
  local log=$1 line
  if line=$(grep -m 1 -iE 'No space left on device|Disk quota exceeded' "$log"); then
    echo "the disk is full: $line"
  elif line=$(grep -m 1 -iE 'Temporary failure in name resolution|Temporary failure resolving|Could not resolve|Network is unreachable|Failed to establish a new connection|Connection timed out|ConnectTimeoutError|No route to host|ProxyError|Could not connect' "$log"); then
    echo "the network can't be reached (behind a proxy: set HTTPS_PROXY; pip's own index: PIP_INDEX_URL): $line"
  elif line=$(grep -m 1 -E 'No matching distribution found|Unable to locate package|has no installation candidate' "$log"); then
    echo "a package is not to be had: $line"
  else
    line=$(grep -m 1 -E '(^| )(fatal )?(ERROR|error|E|Error):' "$log") || line=$(tail -n 1 "$log")
    echo "$line"
  fi
}

# Runs a command with its output in a log; shows why if it fails.
logged() {
  local log=$1 what=$2 pipe printer status=0
  shift 2
  exec {pipe}> >(sign_of_life "$what" "$log")
  printer=$!
  "$@" >"$log" 2>&1 {pipe}>&- || status=$?
  exec {pipe}>&-
  wait "$printer" || true
  if [ "$status" != 0 ]; then
    fail "$what failed: $(reason_in "$log")
setup: the whole output is in $log"
  fi
}

# Finds the wheel for any Linux that is installed instead of one that is built; without one `portable` stays empty.
choose_wheel() {
  local found
  [ "$mode" = job ] || return 0
  if [ -n "${FLAREBRIDGE_WHEEL:-}" ]; then
    [ -f "$FLAREBRIDGE_WHEEL" ] || fail "FLAREBRIDGE_WHEEL names $FLAREBRIDGE_WHEEL, which is no file"
    portable=$FLAREBRIDGE_WHEEL
    return 0
  fi
  for found in "$root"/build/packaging/dist/flarebridge-*_"$(uname -m)".whl; do
    [ -f "$found" ] || continue
    if [ "$(cat "$found.sources" 2>/dev/null)" = "$sources" ]; then
      portable=$found
    else
      say "${found#"$root/"} is not made from the sources that are here now: building from these" \
        "(packaging/build.sh makes it anew; FLAREBRIDGE_WHEEL=FILE takes it as it is)"
    fi
  done
}

has_python() { command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null; }

debian_packages() {
  local wanted=(cmake ninja-build g++ pkg-config python3 python3-venv
    libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libspdlog-dev libprotozero-dev zlib1g-dev libdeflate-dev libpng-dev libcurl4-openssl-dev
    nlohmann-json3-dev libsqlite3-dev libseccomp-dev
    libcli11-dev libexpected-dev libutfcpp-dev libsodium-dev)
  if [ "$mode" = tests ]; then
    wanted+=(doctest-dev librapidcheck-dev libbenchmark-dev valgrind strace clang-format clang-tidy git
      chromium-headless-shell) # 96 MB with what it needs, 30 s
  fi
  if [ -n "$portable" ]; then
    if has_python; then return 0; fi
    wanted=(python3 python3-venv)
  fi
  command -v apt-get >/dev/null || fail "this script installs with apt-get, which is missing; it wants: ${wanted[*]}"
  local missing=() package
  for package in "${wanted[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "root or sudo is needed to install: ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  logged "$logs/apt-update.log" "apt-get update" "${as_root[@]}" apt-get update
  logged "$logs/apt-install.log" "installing Debian packages" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

stamp_of() {
  echo "$venv/.installed-$(basename "$(dirname "$1")")"
}

virtual_environment() {
  local python file
  python=$(command -v python3) || fail "python3 is missing"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "NVFlare 2.9 needs Python 3.10 or newer; $python is $("$python" -V 2>&1)"
  local files=("$root/jobs/hello-pt/requirements.txt") arguments=()
  [ "$mode" = job ] || files+=("$root/tests/requirements.txt" "$root/tests/integration/requirements.txt")
  for file in "${files[@]}"; do
    # A stamp is a copy of the list that was installed.
    cmp -s "$file" "$(stamp_of "$file")" || arguments+=(-r "$file")
  done
  if [ -x "$venv/bin/python" ] && [ ${#arguments[@]} -eq 0 ]; then return 0; fi
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    arguments=()
    for file in "${files[@]}"; do arguments+=(-r "$file"); done
    logged "$logs/venv.log" "making a virtual environment with $python" "$python" -m venv "$venv"
  fi
  say "installing Python packages (PyTorch and NVFlare are some hundred MB: this takes minutes the first time)"
  logged "$logs/pip.log" "installing Python packages" "$venv/bin/python" -m pip install "${arguments[@]}"
  for file in "${files[@]}"; do cp "$file" "$(stamp_of "$file")"; done
}

build_wheel() {
  local folder="$root/build/wheel"
  say "building the flarebridge wheel (about two minutes the first time)"
  if [ "$mode" = tests ]; then
    # The tests need a build of their own: the program is compiled once for both.
    folder="$root/build/release"
    logged "$logs/wheel-configure.log" "configuring the release build" cmake -S "$root" --preset release
  fi
  rm -f "$root"/build/dist/flarebridge-*.whl
  logged "$logs/wheel.log" "building the wheel" "$venv/bin/python" -m pip wheel "$root" --no-deps \
    --wheel-dir "$root/build/dist" --config-settings=build-dir="$folder"
}

wheel() {
  local stamp="$venv/.wheel" wanted=$sources file=$portable
  [ -z "$portable" ] || wanted=$(sha256sum <"$portable")
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] &&
    [ -x "$venv/bin/flarebridge" ] && compgen -G "$venv/lib/python3*/site-packages/flarebridge/bin/flarebridge-upload" \
    >/dev/null; then return 0; fi
  if [ -n "$portable" ]; then
    say "installing $portable: nothing is compiled"
  else
    build_wheel
    file=$(compgen -G "$root/build/dist/flarebridge-*.whl")
  fi
  logged "$logs/wheel-install.log" "installing the wheel" "$venv/bin/python" -m pip install --no-deps \
    --force-reinstall "$file"
  echo "$wanted" >"$stamp"
}

[ "$(uname -s)" = Linux ] || fail "flarebridge runs on Linux; this is $(uname -s)"
mkdir -p "$logs"
exec 9>"$root/build/setup.lock"
if ! flock -n 9; then
  say "waiting for another setup of this checkout"
  flock 9
fi
sources=$("$root/packaging/sources_hash.sh")
portable=""
choose_wheel
debian_packages
virtual_environment
wheel
