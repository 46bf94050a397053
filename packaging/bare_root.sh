# Sourced by the check.sh scripts: bare roots of Debian, made by debootstrap below $roots and removed at the end.
# Debian's packages come from where this machine has them from (its sources lists), pip's as its environment says.
# What runs in a root has process numbers of its own, as in a container: the first process takes all others with it.

# begin_check NAME: what is said begins with it. Refuses where no root can be made.
begin_check() {
  check_name=$1
  [ "$(id -u)" = 0 ] || { echo "$check_name: error: a bare root can be made by root only" >&2; exit 77; }
  command -v debootstrap >/dev/null || { echo "$check_name: error: debootstrap is not installed" >&2; exit 77; }
  roots=$(mktemp -d "${TMPDIR:-/tmp}/flarebridge-roots-XXXXXX")
  chmod 755 "$roots"
  trap remove_roots EXIT
  trap 'exit 130' INT TERM
}

say() { echo "$check_name: $*"; }
fail() {
  echo "$check_name: error: $*" >&2
  exit 1
}

remove_roots() { rm -rf --one-file-system "$roots"; }

# make_root SUITE [PACKAGE,...]: sets `root`. Packages that were fetched before are not fetched again.
make_root() {
  local suite=$1 include=${2:-} mirror cache
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n '1p')
  cache=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/packaging/bare-roots
  root="$roots/$suite"
  mkdir -p "$cache"
  debootstrap --variant=minbase --cache-dir="$cache" ${include:+"--include=$include"} "$suite" "$root" "$mirror" \
    >"$root.log" 2>&1 || { tail -n 5 "$root.log" >&2; fail "there is no root of $suite"; }
  cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
  echo 'APT::Sandbox::User "root"; Dpkg::Use-Pty "0";' >"$root/etc/apt/apt.conf.d/99check"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  echo '127.0.0.1 localhost' >"$root/etc/hosts"
  chmod 1777 "$root/dev/shm"
  # Authorities that this machine trusts beside Debian's: of a proxy, of an index of packages.
  mkdir -p "$root/usr/local/share/ca-certificates"
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp -t "$root/usr/local/share/ca-certificates" {} +
  [ ! -x "$root/usr/sbin/update-ca-certificates" ] || inside update-ca-certificates >/dev/null 2>&1
}

# inside [NAME=VALUE...] COMMAND...: in $root, with nothing of this machine's environment but how to reach a network,
# and with the folder of $volume (FOLDER:PATH), if there is one, at its path.
inside() {
  local name passed=()
  for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || passed+=("$name=${!name}")
  done
  # shellcheck disable=SC2016 # for the shell that is started
  unshare --mount --pid --fork --kill-child sh -c '
    root=$1 volume=$2
    shift 2
    mount -t proc proc "$root/proc" || exit
    [ -z "$volume" ] || mount --bind "${volume%%:*}" "$root${volume#*:}" || exit
    exec chroot "$root" "$@"' sh "$root" "${volume:-}" \
    env -i PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore \
    PIP_DISABLE_PIP_VERSION_CHECK=1 "${passed[@]}" "$@"
}
