#!/usr/bin/env bash
# Runs clang-tidy on every source file of the project. A file is looked at again only when it, any
# header or the list of checks has changed.
# usage: clang_tidy.sh BUILD_FOLDER   (with its compile_commands.json)
set -euo pipefail
build=$1
stamps="$build/tidy"
mkdir -p "$stamps"
common=$( (cat .clang-tidy; find events receivers bridge -name '*.h' | sort | xargs cat) | sha256sum | cut -c1-64)

check() {
  local file=$1 stamp wanted
  stamp="$2/$(echo "$file" | tr / _)"
  wanted="$3 $(sha256sum <"$file")"
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
  # The compilation's flags are GCC's; clang need not know them all.
  clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p "$4" "$file" 2>/dev/null || { echo "clang-tidy: $file"; return 1; }
  echo "$wanted" >"$stamp"
}
export -f check
find events receivers bridge -name '*.cc' | sort |
  xargs -P "$(nproc)" -I FILE bash -c 'check "$@"' _ FILE "$stamps" "$common" "$build"
