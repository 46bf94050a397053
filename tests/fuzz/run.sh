#!/usr/bin/env bash
# Runs the fuzz targets with libFuzzer and the address and undefined-behaviour sanitizers.
set -euo pipefail

case "${1:-}" in -h | --help)
  echo "usage: tests/fuzz/run.sh [SECONDS] [TARGET...]   (60 s each of all targets; needs clang and libclang-rt-14-dev)"
  exit 0 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] ||
  mapfile -t targets < <(basename -s .cc -a tests/fuzz/*.cc | grep -vx replay)
clang=$(command -v clang++ clang++-14 | head -n 1 || true)
[ -n "$clang" ] || { echo "fuzz: clang is missing: apt-get install clang libclang-rt-14-dev" >&2; exit 1; }
mkdir -p build/logs
cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER="$clang" \
  -DFLAREBRIDGE_FUZZ=ON -DFLAREBRIDGE_WERROR=ON -DFLAREBRIDGE_SANITIZE=address,undefined >build/logs/fuzz.log
ninja -C build/fuzz $(printf 'fuzz_%s ' "${targets[@]}") >>build/logs/fuzz.log ||
  { tail -n 30 build/logs/fuzz.log >&2; exit 1; }
failed=0
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/$target"
  "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -print_final_stats=1 -rss_limit_mb=1024 \
    -artifact_prefix="build/fuzz/$target-" "build/fuzz/$target" "tests/fuzz/seeds/$target" >"build/logs/fuzz-$target.log" 2>&1 ||
    { failed=1; tail -n 40 "build/logs/fuzz-$target.log" >&2; }
  echo "fuzz: $target: $(sed -nE 's/^stat::number_of_executed_units: *//p' "build/logs/fuzz-$target.log") inputs in $seconds s"
done
exit "$failed"
