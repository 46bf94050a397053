"""Figures of a long load, for docs/proven.md.

usage: python tests/integration/load_report.py [SECONDS [SITES [RATE]]]     (600 100 1000)

Two parts: growth under a constant load, and what an event's acknowledgement takes while one of the workers hangs
beside what it takes undisturbed, measured in turns. Works with what tests/run.sh has built, or with
FLAREBRIDGE_BINARY and FLAREBRIDGE_LOAD.
"""

import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "python_shim")]

from bridge_driver import wait_for  # noqa: E402
from load import LoadedBridge, Sampler, finish  # noqa: E402


def sustained(folder: Path, seconds: float, sites: int, rate: float) -> None:
    with LoadedBridge(folder) as bridge, Sampler(bridge, interval=1.0) as sampler:
        told = finish(bridge.generate("runs", sites=sites, rate=sites * rate, seconds=seconds), seconds + 300)
        bridge.wait(600)
    ack = told["ack_ms"]
    print(f"{sites} sites x {rate:.0f} events/s for {seconds:.0f} s: {told['events']} events, "
          f"{told['events_per_second']} a second")  # fmt: skip
    print(f"acknowledgement: p50 {ack['p50']:.1f} ms, p99 {ack['p99']:.1f} ms, p99.9 {ack['p99.9']:.1f} ms")
    for what, name, unit, scale in (
        ("bridge_kib", "bridge's memory", "MiB", 1024), ("workers_kib", "workers' memory", "MiB", 1024),
        ("descriptors", "descriptors", "", 1), ("journal_bytes", "journal", "MiB", 1 << 20),
    ):  # fmt: skip
        most, slope = sampler.most(what) / scale, sampler.slope(what) / scale * 60
        print(f"{name}: at most {most:.1f} {unit}, grows by {slope:+.2f} {unit} a minute in the second half")


def one_hangs(folder: Path, rounds: int) -> None:
    """p99 of the acknowledgement of others' events with one worker stopped, and without."""
    figures: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * rounds):
        stopped = number % 2 == 1
        with LoadedBridge(folder / str(number)) as bridge:
            session = bridge.generate("runs", sites=20, rate=20_000, seconds=6)
            workers = wait_for(lambda bridge=bridge: len(bridge.workers()) == 20 and bridge.workers(), "the workers")
            if stopped:
                os.kill(workers[0], signal.SIGSTOP)
            figures[stopped].append(finish(session, 60)["ack_ms"]["p99"])
            if stopped:
                os.kill(workers[0], signal.SIGCONT)
            bridge.wait()
    free, hung = statistics.median(figures[False]), statistics.median(figures[True])
    print(f"20 sites x 1000 events/s, p99 of the acknowledgement: {free:.1f} ms, with one worker stopped {hung:.1f} ms "
          f"(ratio {hung / free:.2f}; single rounds {figures})")  # fmt: skip


def main() -> None:
    seconds, sites, rate = [float(word) for word in sys.argv[1:4]] + [600, 100, 1000][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory(prefix="flarebridge-load-") as folder:
        one_hangs(Path(folder) / "hangs", rounds=3)
        sustained(Path(folder) / "sustained", seconds, int(sites), rate)


if __name__ == "__main__":
    main()
