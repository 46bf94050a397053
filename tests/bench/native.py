"""One measurement of the bridge alone, with producers that are faster than Python; prints JSON.

usage: native.py KIND FOLDER      (kinds: _KINDS below)
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / "integration"), str(_TESTS.parent / "python_shim")]

from bridge_driver import Driver, wait_for  # noqa: E402
from flarebridge.bridge_process import find_binary  # noqa: E402
from load import LoadedBridge, Sampler, finish  # noqa: E402

_EVENTS = 1_000_000
_LONG = 10_000_000
_STEADY = 200_000  # events a second
_SECONDS = 5
_IDLE = 10.0  # seconds
_SITES = 100
_TRIES = 50
_DEADLINE = 300  # seconds
_TICK = os.sysconf("SC_CLK_TCK")


def _cpu() -> float:
    """Seconds of processor time of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows(folder: Path) -> dict:
    """Into the run logs of 20 sites until all processes have left; and the processor's time, with the generator's."""
    cpu = _cpu()
    with LoadedBridge(folder) as bridge:
        begun = time.perf_counter()
        told = finish(bridge.generate("runs", sites=20, values=5, events=_EVENTS), _DEADLINE)
        bridge.wait()
        took = time.perf_counter() - begun
    assert told["events"] == _EVENTS
    size = sum(log.stat().st_size for log in folder.rglob("*.wandb"))
    return {
        "native_rows_per_s": _EVENTS / took,
        "cpu_s_per_100k": (_cpu() - cpu) / _EVENTS * 1e5,
        "row_bytes": size / _EVENTS,
    }


def events(folder: Path) -> dict:
    """Events of one value until they are acknowledged as durable; and the acknowledgement at a load that lasts."""
    with LoadedBridge(folder / "full") as bridge:
        full = finish(bridge.generate("runs", sites=4, events=_EVENTS), _DEADLINE)["events_per_second"]
        bridge.wait()
    with LoadedBridge(folder / "steady") as bridge:
        steady = finish(bridge.generate("runs", sites=4, rate=_STEADY, seconds=_SECONDS), _DEADLINE)["ack_ms"]
        bridge.wait()
    return {"native_events_per_s": full, "steady_ack_ms": steady["p50"], "steady_ack_p99_ms": steady["p99"]}


def growth(folder: Path) -> dict:
    """What an event more costs beside one of a short run with one name at one site, as ratios: the cost of many sites,
    of many names, and of events far behind the run's beginning."""

    def seconds(events: int, **options: int) -> float:
        with LoadedBridge(folder / "runs") as bridge:
            begun = time.perf_counter()
            told = finish(bridge.generate("logs", **{"sites": 1, "events": events, **options}), _DEADLINE)
            bridge.wait(_DEADLINE)
            took = time.perf_counter() - begun
        assert told["events"] == events
        shutil.rmtree(folder / "runs")
        return took

    def cost(least: int, most: int, **options: int) -> float:
        # The difference leaves out the start: 500 processes take a second.
        return (seconds(most, **options) - seconds(least, **options)) / (most - least)

    base = cost(_EVENTS, 3 * _EVENTS)
    return {
        "growth_sites": cost(_EVENTS, 3 * _EVENTS, sites=500) / base,
        "growth_names": cost(_EVENTS, 3 * _EVENTS, names=100_000) / base,
        "growth_length": cost(_LONG - 2 * _EVENTS, _LONG) / base,
    }


def memory(folder: Path) -> dict:
    """Of 100 sites at 1,000 events/s each, and when they have become silent; wake-ups and processor while they are."""
    with LoadedBridge(folder) as bridge:
        with Sampler(bridge) as sampler:
            finish(bridge.generate("runs", sites=_SITES, rate=_SITES * 1000, seconds=_SECONDS, keep="true"), _DEADLINE)
        pids = [bridge.process.pid, *bridge.workers()]
        assert len(pids) == 1 + _SITES
        wait_for(lambda: _quiet(pids), "the end of what was logged", _DEADLINE)
        switches, cpu = sum(map(_switches, pids)), sum(map(_ticks, pids))
        time.sleep(_IDLE)
        return {
            "bridge_mib": sampler.most("bridge_kib") / 1024,
            "site_mib": sampler.most("workers_kib") / _SITES / 1024,
            "idle_wakeups_per_s": (sum(map(_switches, pids)) - switches) / _IDLE,
            "idle_cpu_percent": (sum(map(_ticks, pids)) - cpu) / _TICK / _IDLE * 100,
        }


def _quiet(pids: list[int]) -> bool:
    """Nothing has woken up within a second."""
    before = sum(map(_switches, pids))
    time.sleep(1)
    return sum(map(_switches, pids)) == before


def _switches(pid: int) -> int:
    """Voluntary context switches until now: each is a wake-up."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        words = (task / "status").read_text().split()
        total += int(words[words.index("voluntary_ctxt_switches:") + 1])
    return total


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def quiet(folder: Path) -> dict:
    """One event now and then: until it is acknowledged, and until its row is in the run log."""
    acknowledged, readable = [], []
    with Driver(folder, {"wandb": {}}) as driver:
        driver.start_run("site-1")
        log = wait_for(lambda: next(folder.rglob("run-*.wandb"), None), "the run log")
        for number in range(_TRIES):
            time.sleep(0.2)  # quiet between two events
            mark = f"quiet_{number}".encode()
            begun = time.perf_counter()
            driver.data("site-1", "METRIC", mark.decode(), 0.5, number)
            assert driver.link.wait_acknowledged(10)
            acknowledged.append(time.perf_counter() - begun)
            if number % 10 == 0:
                wait_for(lambda mark=mark: mark in log.read_bytes(), "the row")
                readable.append(time.perf_counter() - begun)
        driver.end()
    return {
        "quiet_ack_ms": sorted(acknowledged)[_TRIES // 2] * 1e3,
        "quiet_readable_ms": max(readable) * 1e3,
    }


def starting(folder: Path) -> dict:
    """The program's first line, and a bridge that answers."""
    versions, ready = [], []
    for number in range(_TRIES):
        begun = time.perf_counter()
        subprocess.run([find_binary(), "--version"], check=True, stdout=subprocess.DEVNULL)
        versions.append(time.perf_counter() - begun)
        if number % 10 == 0:
            begun = time.perf_counter()
            with LoadedBridge(folder / str(number)) as bridge:
                told = finish(bridge.generate("runs", events=1, receiver="none"), _DEADLINE)
                ready.append(time.perf_counter() - begun)
                assert told["events"] == 1
    return {"version_ms": sorted(versions)[_TRIES // 2] * 1e3, "ready_ms": sorted(ready)[len(ready) // 2] * 1e3}


_KINDS = {
    "rows": rows, "events": events, "growth": growth, "memory": memory, "quiet": quiet, "starting": starting,
}  # fmt: skip


def main() -> None:
    kind, folder = sys.argv[1:]
    print(json.dumps(_KINDS[kind](Path(folder))), flush=True)


if __name__ == "__main__":
    main()
