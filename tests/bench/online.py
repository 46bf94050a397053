"""One measurement of uploads to a server on this machine that takes lines and counts them; prints JSON.

usage: online.py sync|memory FOLDER
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS / part) for part in ("", "integration", "conformance", "../python_shim")]

from bridge_driver import Driver, children_of, processes_with, pss_kib, wait_for  # noqa: E402
from counting_server import CountingServer  # noqa: E402
from load import LoadedBridge, finish  # noqa: E402
from uploads import environment, start_sync  # noqa: E402

_ROWS = 500_000
_GIBIBYTE_ROWS = 3_800_000  # of 5 values
_SITES = 100
_SECONDS = 20
_RATE = 5_000  # rows a second of all sites together
_DEADLINE = 300  # seconds


def sync(folder: Path) -> dict:
    """`flarebridge sync` of a run that has ended; its memory, also with a log of more than a gibibyte."""
    figures = {}
    for rows, rate, most in ((_ROWS, "sync_rows_per_s", "sync_mib"), (_GIBIBYTE_ROWS, None, "sync_gib_mib")):
        runs = folder / str(rows)
        with LoadedBridge(folder) as bridge:
            finish(bridge.generate(runs.name, sites=1, values=5, events=rows), _DEADLINE)
            bridge.wait(_DEADLINE)
        with CountingServer() as server:
            begun = time.perf_counter()
            process = start_sync(runs, environment(folder, server, WANDB_HTTP_TIMEOUT="60"))
            peak = _Peak(process.pid)
            assert process.wait(_DEADLINE) == 0, process.communicate()
            took = time.perf_counter() - begun
            process.communicate()
            assert server.rows() == rows and not server.violations
        figures[most] = peak.end() / 1024
        if rate:
            figures[rate] = rows / took
    return figures


class _Peak:
    """A process's largest resident size in KiB, as the kernel keeps it."""

    def __init__(self, pid: int):
        self._status = Path(f"/proc/{pid}/status")
        self._kib = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.02):
            try:
                words = self._status.read_text().split()
            except OSError:
                return
            if "VmHWM:" in words:
                self._kib = int(words[words.index("VmHWM:") + 1])

    def end(self) -> int:
        self._done.set()
        self._thread.join()
        return self._kib


def memory(folder: Path) -> dict:
    """Of 100 sites that are uploaded while they log: workers and the uploader, per site."""
    most = 0
    with CountingServer() as server:
        os.environ.update(environment(folder, server))
        with Driver(folder, {"wandb": {"project": "bench", "entity": "tester", "mode": "online"}}) as driver:
            begun, logged = time.monotonic(), 0
            while (passed := time.monotonic() - begun) < _SECONDS:
                while logged < passed * _RATE:
                    values = {f"metric_{i}": 1 / (logged + i + 3) for i in range(5)}
                    driver.data(f"site-{logged % _SITES}", "METRICS", "metrics", values, logged // _SITES)
                    logged += 1
                time.sleep(0.5)  # between two looks
                bridge = driver.process.pid
                uploader = [pid for pid, line in processes_with(str(driver.state)).items() if " upload " in line]
                most = max(most, pss_kib([*children_of(bridge), *uploader]))
            wait_for(lambda: server.rows() > logged / 2, "rows on the server")
            driver.end(seconds=_DEADLINE)
        assert not server.violations
    return {"online_site_mib": most / _SITES / 1024}


def main() -> None:
    kind, folder = sys.argv[1:]
    print(json.dumps({"sync": sync, "memory": memory}[kind](Path(folder))), flush=True)


if __name__ == "__main__":
    main()
