#!/usr/bin/env bash
# Fails if clang-format would change a C++ file. To mend: clang-format -i FILE
set -euo pipefail
find events receivers bridge tests -name '*.cc' -o -name '*.h' | xargs clang-format --dry-run -Werror
