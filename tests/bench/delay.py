"""One measurement of how far the server is behind a run of mode online: from the log call to the row's arrival.

Rows of 5 values at one step each are logged at a steady rate, with all settings at their defaults. Counted are the rows
from the 10th second on, when the first requests after the quiet beginning are over; with --outage those from the moment
on at which the server answers again. Prints JSON.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS / part) for part in ("", "integration", "conformance", "../python_shim")]

from bridge_driver import Driver, processes_with, wait_for  # noqa: E402
from counting_server import Arrival, CountingServer  # noqa: E402
from wandb_command import isolated_environment  # noqa: E402

_SETTLED = 10.0  # seconds until the pace of requests is that of a run that goes on
_WAITING = 10_000  # rows a second of an outage
_DEADLINE = 120  # seconds


class OnlineRun:
    """A run of mode online that is logged to at a steady rate. `with` ends it; the environment is changed for good."""

    def __init__(self, folder: Path, server: CountingServer):
        home = Path(tempfile.mkdtemp(dir=folder))
        settings = isolated_environment(home, WANDB_BASE_URL=server.url, WANDB_API_KEY=server.key)
        del settings["TMPDIR"]  # a socket's path may have 107 bytes only
        os.environ.update(settings)
        self.server = server
        self.driver = Driver(folder, {"wandb": {"project": "bench", "entity": "tester", "mode": "online"}})
        self.logged: list[float] = []  # when each row was, by time.monotonic()
        self.driver.start_run("site-1")

    def log(self, rate: float, until: float) -> None:
        """So many rows a second, until that time.monotonic()."""
        begun, first = time.monotonic(), len(self.logged)
        while (now := time.monotonic()) < until:
            while len(self.logged) - first < (now - begun) * rate:
                self._log_row()
            time.sleep(max(0.001, begun + (len(self.logged) - first) / rate - time.monotonic()))

    def _log_row(self) -> None:
        step = len(self.logged)
        self.logged.append(time.monotonic())
        values = {f"metric_{i}": 1 / (step + i + 3) for i in range(5)}
        assert self.driver.data("site-1", "METRICS", "metrics", values, step)

    def delays(self, begin: float, end: float) -> list[float]:
        """Seconds until each row that was logged within that time had arrived, in ascending order."""
        arrived = _times(self.server.arrivals)
        return sorted(at - logged for logged, at in zip(self.logged, arrived) if begin <= logged < end)

    def wait_arrived(self) -> None:
        """All rows but the last, which stays open for values of the same step."""
        wait_for(lambda: self.server.rows() >= len(self.logged) - 1, "the rows on the server", _DEADLINE)

    def __enter__(self) -> "OnlineRun":
        return self

    def __exit__(self, kind: object, *_exc: object) -> None:
        try:
            if kind is None:
                self.driver.end(seconds=_DEADLINE)
                assert self.server.rows() == len(self.logged) and not self.server.violations, self.server.violations
        finally:
            self.driver.link.close(1)
            for pid in processes_with(str(self.driver.state)):  # none, unless something has failed
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _times(arrivals: list[Arrival]) -> list[float]:
    """When each row came, in the order of rows."""
    return [arrival.at for arrival in arrivals for _ in range(arrival.count)]


def shares(delays: list[float], name: str) -> dict[str, float]:
    """Median, 95 % and the longest."""
    return {
        f"{name}_p50_s": delays[len(delays) // 2],
        f"{name}_p95_s": delays[int(len(delays) * 0.95)],
        f"{name}_max_s": delays[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rate", type=int, help="rows a second")
    parser.add_argument("folder", type=Path, help="for the run; an existing one")
    parser.add_argument("--seconds", type=float, default=20, help="that count (%(default)s)")
    parser.add_argument(
        "--outage", type=float, help=f"seconds for which the server does not answer first, of {_WAITING:,} rows each"
    )
    told = parser.parse_args()
    with CountingServer() as server:
        if told.outage:
            server.ready.clear()
        with OnlineRun(told.folder, server) as run:
            if told.outage:
                run.log(_WAITING, time.monotonic() + told.outage)
                server.ready.set()
            else:
                run.log(told.rate, time.monotonic() + _SETTLED)
            begin = time.monotonic()
            run.log(told.rate, begin + told.seconds)
            run.wait_arrived()
            name = f"{'outage' if told.outage else 'delay'}_{told.rate}"
            print(json.dumps(shares(run.delays(begin, begin + told.seconds), name)), flush=True)


if __name__ == "__main__":
    main()
