#!/usr/bin/env bash
# Prints a hash of all that a wheel of this checkout is made of. build.sh leaves it beside the wheel, so that
# jobs/setup.sh knows whether the wheel is these sources'.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
shopt -s nullglob
find CMakeLists.txt README* ./*.toml events receivers bridge python_shim -type f \
  \( -name '*.cc' -o -name '*.h' -o -name '*.py' -o -name '*.txt' -o -name '*.toml' -o -name '*.md' \
  -o -name '*.cmake' -o -name '*.html' -o -name '*.css' -o -name '*.js' \) \
  -not -path '*/tests/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
