"""The hot path's parts on one core, by google-benchmark (micro/), and the wheel's size; prints JSON.

usage: parts.py FOLDER
"""

import json
import os
import subprocess
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_BUILT = _ROOT / "build" / "release" / "tests" / "bench" / "micro" / "flarebridge_micro"
_MICRO = os.environ.get("FLAREBRIDGE_MICRO", str(_BUILT))


def main() -> None:
    done = subprocess.run([_MICRO, "--benchmark_format=json"], check=True, capture_output=True, text=True)
    benchmarks = json.loads(done.stdout)["benchmarks"]
    per_second = {found["name"].split("/iterations")[0]: found["items_per_second"] for found in benchmarks}
    row = per_second["WriteRunLog/values:5"]
    wheels = list((_ROOT / "build" / "dist").glob("flarebridge-*.whl"))
    figures = {
        "route_per_s": per_second["DecodeFilterRoute/sites:20"],
        "writer_rows_per_s": row,
        "numbers_share": row / per_second["NumbersOfARow"] * 100,
        "checksum_share": row / per_second["ChecksumOfARow"] * 100,
        "write_share": row / per_second["WriteOfARow"] * 100,
        "limit_copy_per_s": per_second["CopyOfABatch"],
    }
    if wheels:
        figures["wheel_mib"] = wheels[0].stat().st_size / (1 << 20)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
