"""The training script of calls.py: logs 5 values a call and writes what each call took, in seconds.

usage: calls_client.py FOLDER COUNT PAUSE WRITER
"""

import sys
import time
from pathlib import Path

import numpy as np
import nvflare.client as flare


def main() -> None:
    folder, count, pause, kind = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    flare.init()
    log = _log_of(kind)
    clock = time.perf_counter
    while flare.is_running():
        if flare.receive() is None:
            break
        costs = []
        for step in range(count):
            metrics = {f"metric_{i}": 1 / (step + i + 3) for i in range(5)}
            begun = clock()
            log(metrics, step)
            costs.append(clock() - begun)
            if pause:
                time.sleep(pause)
        (folder / f"{flare.get_site_name()}.costs").write_text("".join(f"{cost:.9f}\n" for cost in costs))
        flare.send(flare.FLModel(params={"numpy_key": np.zeros(1, np.float32)}, metrics={"loss": 0.0}))


def _log_of(kind: str):
    if kind == "BridgeWriter":
        from flarebridge import BridgeWriter

        return BridgeWriter().log
    from nvflare.client.tracking import WandBWriter

    return WandBWriter().log


if __name__ == "__main__":
    main()
