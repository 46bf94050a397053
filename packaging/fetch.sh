#!/usr/bin/env bash
# Fetches what sources.txt names and unpacks it; used by build.sh. What is there and right is not fetched again.
#   fetch.sh CACHE SOURCES HEADERS
# CACHE: downloads; SOURCES: a folder for each library; HEADERS: a prefix, its include/ and share/.
set -euo pipefail

pins=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/sources.txt
cache=$1 sources=$2 headers=$3

fail() {
  echo "fetch: error: $*" >&2
  exit 1
}

# apt with lists of its own: the machine may know no sources, and stays as it is. The release comes before its updates
# (by name): a version that is in both is asked for there, for mirrors of updates drop what a point release took over.
private_apt() {
  local state="$cache/apt" lines
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  lines=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
    awk '$2 ~ /^bookworm/ && $3 == "main" && $4 == "Debian"' | sort -u -k 2,2)
  [ -n "$lines" ] || fail "apt knows no Debian 12 (bookworm) here; the build is made on that system"
  echo "$lines" | while read -r uri release component _; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $release $component"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $release $component"
  done >"$state/sources.list"
  : >"$state/status"
  cat >"$state/apt.conf" <<CONF
Dir::State "$state";
Dir::State::status "$state/status";
Dir::Cache "$state";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Sandbox::User "$(id -un)";
CONF
  export APT_CONFIG="$state/apt.conf"
  apt-get update -qq
}

is_right() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# The file that a line of sources.txt is about, by its name in the archive.
file_of() {
  local kind=$1 name=$2 version=${3#*:}
  case "$kind" in
    source) echo "$cache/${name}_$version.dsc" ;;
    headers) compgen -G "$cache/${name}_${version}_*.deb" || echo "$cache/${name}_${version}_missing.deb" ;;
    *) fail "sources.txt: unknown kind '$kind'" ;;
  esac
}

# A .dsc may be there without its tarballs, where a fetch was interrupted: dpkg-source looks at them.
is_whole() {
  is_right "$2" "$3" || return 1
  [ "$1" = headers ] || sed -n '/^Checksums-Sha256:/,/^[^ ]/s/^ //p' "$2" |
    (cd "$cache" && awk 'NF == 3 {print $1 "  " $3}' | sha256sum --check --status)
}

download() {
  local kind=$1 name=$2 version=$3
  [ -n "${APT_CONFIG:-}" ] || private_apt
  echo "fetch: $name $version"
  if [ "$kind" = source ]; then
    (cd "$cache" && apt-get source --only-source --download-only -qq "$name=$version") ||
      fail "Debian's archive has $name $version no more; see \"Newer versions\" in packaging/README.md"
  else
    (cd "$cache" && apt-get download -qq "$name=$version") ||
      fail "Debian's archive has $name $version no more; see \"Newer versions\" in packaging/README.md"
  fi
}

unpack() {
  local kind=$1 name=$2 file=$3 sum=$4
  if [ "$kind" = headers ]; then
    local folder="$cache/unpacked/$name"
    rm -rf "$folder"
    mkdir -p "$folder" "$headers"
    dpkg-deb -x "$file" "$folder"
    for part in include share/cmake; do
      [ ! -d "$folder/usr/$part" ] || { mkdir -p "$headers/$part" && cp -r "$folder/usr/$part/." "$headers/$part/"; }
    done
    mkdir -p "$headers/licenses"
    cp "$folder/usr/share/doc/$name/copyright" "$headers/licenses/$name"
    return
  fi
  # Anew if it is another version; an interrupted unpacking has no stamp.
  [ "$(cat "$sources/$name/.unpacked" 2>/dev/null)" = "$sum" ] && return
  rm -rf "${sources:?}/$name"
  mkdir -p "$sources"
  # Debian's keyring need not know the uploader: the checksum above is what counts.
  (cd "$sources" && dpkg-source --no-copy --require-strong-checksums -q -x "$file" "$name") 2>/dev/null ||
    fail "$file can't be unpacked"
  echo "$sum" >"$sources/$name/.unpacked"
}

mkdir -p "$cache"
while read -r kind name version sum; do
  file=$(file_of "$kind" "$name" "$version")
  if ! is_whole "$kind" "$file" "$sum"; then
    download "$kind" "$name" "$version"
    file=$(file_of "$kind" "$name" "$version")
    is_whole "$kind" "$file" "$sum" || fail "$file does not have the checksum that sources.txt tells"
  fi
  unpack "$kind" "$name" "$file" "$sum"
done < <(grep -v '^#' "$pins")
