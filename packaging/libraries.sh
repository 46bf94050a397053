#!/usr/bin/env bash
# Builds what the programs link in, as static libraries; used by build.sh. A library that is there, from
# the same source by the same commands, is not built again.
#   libraries.sh SOURCES HEADERS PORTABLE JOBS
# PORTABLE: a folder named as the machine, with bin/ (the compilers); filled are prefix/ and licenses/.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$1 headers=$2 portable=$3 jobs=$4
machine=$(basename "$portable")
prefix="$portable/prefix" builds="$portable/builds" stamps="$portable/stamps"
# The same bytes whenever and wherever it is built: OpenSSL has its time and its compiler's path in it otherwise.
export ZERO_AR_DATE=1 SOURCE_DATE_EPOCH=1 LC_ALL=C PATH="$portable/bin:$PATH"

fail() {
  echo "libraries: error: $*" >&2
  exit 1
}

# with_cmake NAME SOURCE [OPTION...]: configures, builds and installs by the library's own CMake files; for size, unless
# an option says something else.
with_cmake() {
  local name=$1 source=$2
  shift 2
  cmake -S "$source" -B "$builds/$name" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$here/toolchain.cmake" \
    -DPORTABLE="$portable" -DCMAKE_BUILD_TYPE=MinSizeRel -DBUILD_SHARED_LIBS=OFF \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib "$@"
  cmake --build "$builds/$name" -j "$jobs"
  cmake --install "$builds/$name"
}

build_headers() {
  mkdir -p "$prefix"
  cp -r "$headers/." "$prefix/"
}

# Its one file of source is put together by its own scripts, with tools that run here.
build_sqlite3_source() {
  rm -rf "$builds/sqlite3"
  mkdir -p "$builds/sqlite3"
  (cd "$builds/sqlite3" && CC="$portable/bin/build-cc" "$sources/sqlite3/configure" --disable-tcl --disable-readline &&
    make sqlite3.c sqlite3.h)
}

build_plain() {
  with_cmake plain "$here/libraries" -DSOURCES="$sources" -DGENERATED="$builds/sqlite3" -DCMAKE_BUILD_TYPE=Release
}

build_fmtlib() {
  with_cmake fmtlib "$sources/fmtlib" -DFMT_DOC=OFF -DFMT_TEST=OFF
}

build_spdlog() {
  with_cmake spdlog "$sources/spdlog" -DSPDLOG_FMT_EXTERNAL=ON -DSPDLOG_BUILD_EXAMPLE=OFF -DSPDLOG_BUILD_TESTS=OFF
}

build_zeromq3() {
  # What its configuration would find by running programs.
  local found=() name
  for name in SOCK_CLOEXEC EVENTFD_CLOEXEC O_CLOEXEC SO_BINDTODEVICE SO_KEEPALIVE SO_PRIORITY TCP_KEEPCNT TCP_KEEPIDLE \
    TCP_KEEPINTVL PTHREAD_SETNAME_2 PTHREAD_SET_AFFINITY GETRANDOM; do found+=("-DZMQ_HAVE_$name=1"); done
  with_cmake zeromq3 "$sources/zeromq3" -DBUILD_SHARED=OFF -DBUILD_STATIC=ON -DBUILD_TESTS=OFF -DWITH_PERF_TOOL=OFF \
    -DWITH_DOCS=OFF -DENABLE_DRAFTS=OFF -DENABLE_CPACK=OFF -DENABLE_CLANG=OFF -DWITH_LIBBSD=OFF -DWITH_TLS=OFF \
    -DWITH_LIBSODIUM=ON -DENABLE_CURVE=ON -DPOLLER=epoll "${found[@]}"
}

# TLS 1.2 and 1.3 as servers of today speak them, and nothing that loads modules or reads the machine's openssl.cnf:
# that may name modules of another OpenSSL. Nor are there any, but it has to be told a folder.
build_openssl() {
  local without=(shared dso module engine legacy tests autoload-config comp filenames ssl3 tls1 tls1_1 dtls srp psk srtp cms
    ts ct cmp ocsp gost idea md4 mdc2 rc2 rc4 rc5 rmd160 seed camellia aria bf cast blake2 whirlpool sm2 sm3 sm4 scrypt
    ec2m dsa ktls nextprotoneg afalgeng uplink ui-console async cmac des dgram multiblock ocb rfc3779 siphash siv)
  rm -rf "$builds/openssl"
  mkdir -p "$builds/openssl"
  # For P-256 the implementation in C: the one for vectors has a table of 150 KB, which no zip makes smaller, to save a
  # part of a millisecond in each connection.
  (cd "$builds/openssl" && CC=cc AR=ar RANLIB=ranlib perl "$sources/openssl/Configure" "linux-$machine" -Os \
    --prefix="$prefix" --libdir=lib --openssldir=/etc/ssl enable-ec_nistp_64_gcc_128 "${without[@]/#/no-}" &&
    sed -i 's/ -DECP_NISTZ256_ASM//' Makefile &&
    make -j "$jobs" build_libs ENGINESDIR=/none MODULESDIR=/none && make install_dev)
}

# HTTP and HTTPS alone. Where certificates are it is told (receivers/upload/system_certificates.h).
build_curl() {
  with_cmake curl "$sources/curl" -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF -DHTTP_ONLY=ON \
    -DCURL_USE_OPENSSL=ON -DCURL_DISABLE_OPENSSL_AUTO_LOAD_CONFIG=ON -DUSE_NGHTTP2=ON -DCURL_CA_BUNDLE=none \
    -DCURL_CA_PATH=none -DCURL_CA_FALLBACK=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF -DCURL_ZLIB=OFF \
    -DUSE_LIBIDN2=OFF -DCURL_DISABLE_NTLM=ON -DCURL_DISABLE_ALTSVC=ON -DCURL_DISABLE_HSTS=ON \
    -DCURL_DISABLE_GETOPTIONS=ON -DHAVE_POSIX_STRERROR_R=1 -DHAVE_GLIBC_STRERROR_R=0 -DHAVE_FSETXATTR_5=1 \
    -DHAVE_POLL_FINE=1 -DPICKY_COMPILER=OFF
}

# step NAME PART...: builds NAME unless that was done with the same parts: names of sources.txt, or files.
step() {
  local name=$1 part key
  shift
  key=$({
    declare -f "build_$name" with_cmake
    cat "$here/toolchain.cmake"
    sed "s|$(dirname "$here")|.|g" "$portable/compilers"  # the same in every checkout
    for part in "$@"; do if [ -f "$part" ]; then cat "$part"; else grep -w -- "$part" "$here/sources.txt"; fi; done
  } | sha256sum)
  [ "$(cat "$stamps/$name" 2>/dev/null)" = "$key" ] && return
  echo "libraries: building $name"
  # Not as a condition: that would turn off errexit inside.
  (set -e; "build_$name") >"$portable/logs/$name.log" 2>&1 &
  wait $! || { tail -n 30 "$portable/logs/$name.log" >&2; fail "$name was not built; see $portable/logs/$name.log"; }
  echo "$key" >"$stamps/$name"
}

# Of each library its licence, as Debian tells it, and its version in the file's name.
collect_licenses() {
  local kind name version file
  rm -rf "$portable/licenses"
  mkdir -p "$portable/licenses"
  while read -r kind name version _; do
    file="$sources/$name/debian/copyright"
    [ "$kind" = source ] || file="$headers/licenses/$name"
    cp "$file" "$portable/licenses/$name-${version#*:}.txt"
  done < <(grep -v '^#' "$here/sources.txt")
}

mkdir -p "$builds" "$stamps" "$portable/logs"
step headers headers
step sqlite3_source sqlite3
step plain zlib libpng1.6 libdeflate sqlite3 libsodium libseccomp nghttp2 "$here/libraries/CMakeLists.txt"
step fmtlib fmtlib
step spdlog spdlog fmtlib
step zeromq3 zeromq3 libsodium
step openssl openssl
step curl curl openssl nghttp2
collect_licenses
