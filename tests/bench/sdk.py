"""W&B's own SDK, offline, used as its documents say; prints JSON. usage: sdk.py rows FOLDER"""

import json
import os
import resource
import sys
import time
from pathlib import Path

_ROWS = 50_000


def _cpu() -> float:
    """Seconds of processor time of this process, and of its children that have ended."""
    total = 0.0
    for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(whose)
        total += used.ru_utime + used.ru_stime
    return total


def rows(folder: Path) -> dict:
    """From the first row of 5 values until finish() has returned; the start is not counted."""
    import wandb

    os.chdir(folder)
    run = wandb.init(project="bench", mode="offline", settings=wandb.Settings(console="off"))
    values = [{f"metric_{i}": 1 / (step + i + 3) for i in range(5)} for step in range(_ROWS)]
    cpu, begun = _cpu(), time.perf_counter()
    for row in values:
        run.log(row)
    run.finish()
    took = time.perf_counter() - begun
    wandb.teardown()  # the service ends, and its processor time is told
    size = sum(log.stat().st_size for log in folder.rglob("*.wandb"))
    return {
        "native_rows_per_s": _ROWS / took,
        "cpu_s_per_100k": (_cpu() - cpu) / _ROWS * 1e5,
        "row_bytes": size / _ROWS,
    }


def main() -> None:
    kind, folder = sys.argv[1:]
    print(json.dumps({"rows": rows}[kind](Path(folder))), flush=True)


if __name__ == "__main__":
    main()
