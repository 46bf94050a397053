"""One measurement of one receiver, in this process; prints the figures as JSON on the last line.

usage: subject.py flarebridge|WandBReceiver save|start_1|start_20|start_100|memory|rows|end_20|native|idle FOLDER

The receiver is the real one, driven as NVFlare's engine drives it: events through handle_event.
"""

import json
import os
import sys
import time
from pathlib import Path
from unittest.mock import MagicMock

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / "integration")]

from bridge_driver import wait_for  # noqa: E402
from load import LoadedBridge, finish  # noqa: E402
from nvflare.apis.analytix import AnalyticsDataType  # noqa: E402
from nvflare.apis.event_type import EventType  # noqa: E402
from nvflare.apis.fl_constant import EventScope, FLContextKey, ReservedKey  # noqa: E402
from nvflare.apis.fl_context import FLContext  # noqa: E402
from nvflare.apis.workspace import Workspace  # noqa: E402
from nvflare.app_common.tracking.tracker_types import LogWriterName  # noqa: E402
from nvflare.app_common.widgets.streaming import create_analytic_dxo  # noqa: E402

_ARGUMENTS = {"name": "bench", "project": "bench", "job_type": "train", "config": {}}
_SAVES = 20000
_ROWS = 40000
_NATIVE = 1_000_000  # events
_IDLE = 10.0  # seconds
_DEADLINE = 120  # seconds


class Engine:
    """Drives a receiver as a server's engine does."""

    def __init__(self, which: str, folder: Path, sites: int):
        (folder / "startup").mkdir()
        (folder / "local").mkdir()
        os.chdir(folder)
        self.folder = folder
        self.sites = [f"site-{number + 1}" for number in range(sites)]
        self.receiver = self._make(which)
        engine = MagicMock()
        engine.get_workspace.return_value = Workspace(str(folder), site_name="server")
        clients = []
        for name in self.sites:
            client = MagicMock()
            client.name = name
            clients.append(client)
        engine.get_clients.return_value = clients
        self.context = FLContext()
        self.context.get_engine = lambda *_a, **_k: engine
        self.context.get_job_id = lambda *_a, **_k: "bench-job"
        self.context.get_identity_name = lambda *_a, **_k: "server"
        self.context.get_process_type = lambda *_a, **_k: "SJ"

    @staticmethod
    def _make(which: str):
        if which == "flarebridge":
            from flarebridge import BridgeReceiver

            return BridgeReceiver(wandb_args=dict(_ARGUMENTS), mode="offline", process_timeout=60)
        from nvflare.app_opt.tracking.wandb.wandb_receiver import WandBReceiver

        return WandBReceiver(wandb_args=dict(_ARGUMENTS), mode="offline", process_timeout=60)

    def start(self) -> float:
        """START_RUN. Gives its seconds."""
        begun = time.perf_counter()
        self.receiver.handle_event(EventType.START_RUN, self.context)
        return time.perf_counter() - begun

    def records(self, site: str, count: int) -> list:
        """Ready-made records of 5 values at steps 0, 1, ..., as they come from a site."""
        made = []
        for step in range(count):
            metrics = {f"metric_{i}": step * 0.001 + i for i in range(5)}
            dxo = create_analytic_dxo(
                "metrics", metrics, AnalyticsDataType.METRICS, writer=LogWriterName.WANDB, global_step=step
            )
            shareable = dxo.to_shareable()
            shareable.set_peer_props({ReservedKey.IDENTITY_NAME: site})
            made.append(shareable)
        return made

    def log(self, shareable) -> None:
        self.context.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
        self.receiver.handle_event("fed.analytix_log_stats", self.context)

    def end(self) -> None:
        self.receiver.handle_event(EventType.END_RUN, self.context)

    def wait_ready(self) -> None:
        """Waits until every site's run log is there."""
        wait_for(lambda: len(list(self.folder.rglob("run-*.wandb"))) >= len(self.sites), "the run logs", _DEADLINE)

    def wait_finished(self) -> None:
        """Waits until all processes of the runs are gone: everything is in the logs."""
        wait_for(lambda: not pss_of_children(self.folder), "the end of the runs' processes", _DEADLINE)


def _processes() -> dict[int, int]:
    """Living processes: pid -> parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            except OSError:
                continue
            if state != "Z":
                found[int(entry.name)] = int(parent)
    return found


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return f"--state\0{folder}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def pss_of_children(folder: Path) -> dict[int, int]:
    """Memory (PSS, KiB) of this process's descendants, and of the bridge below the folder and its workers."""
    parents = _processes()
    mine = {os.getpid()} | {pid for pid in parents if _works_in(pid, folder)}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in mine} - mine
        grown = bool(more)
        mine |= more
    sizes = {}
    for pid in mine - {os.getpid()}:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("Pss:"):
                sizes[pid] = int(line.split()[1])
    return sizes


def measure_save(engine: Engine) -> dict:
    engine.start()
    records = engine.records("site-1", _SAVES)
    engine.wait_ready()
    costs = []
    scope = EventScope.FEDERATION
    engine.context.set_prop(FLContextKey.EVENT_SCOPE, scope, private=True, sticky=False)
    clock = time.perf_counter
    for shareable in records:
        engine.context.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
        begun = clock()
        engine.receiver.handle_event("fed.analytix_log_stats", engine.context)
        costs.append(clock() - begun)
    engine.end()
    costs.sort()
    return {"save_p50_us": costs[len(costs) // 2] * 1e6, "save_p999_us": costs[int(len(costs) * 0.999)] * 1e6}


def measure_start(engine: Engine, sites: int) -> dict:
    took = engine.start()
    engine.wait_ready()
    engine.end()
    return {f"start_{sites}_ms": took * 1e3}


def measure_memory(engine: Engine) -> dict:
    """The memory of one more site: of all processes, per site, without the bridge that they share."""
    engine.start()
    engine.context.set_prop(FLContextKey.EVENT_SCOPE, EventScope.FEDERATION, private=True, sticky=False)
    for site in engine.sites:
        for shareable in engine.records(site, 200):
            engine.log(shareable)
    engine.wait_ready()
    wait_for(lambda: len(pss_of_children(engine.folder)) >= len(engine.sites), "a process per site", _DEADLINE)
    sizes = pss_of_children(engine.folder)
    shared = []
    for pid in sizes:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"\0serve\0" in command:
            shared.append(sizes[pid])
    engine.end()
    return {"memory_mib": (sum(sizes.values()) - sum(shared)) / len(engine.sites) / 1024}


def measure_rows(engine: Engine) -> dict:
    """From the first record until the last one is in its run log and all processes have left."""
    engine.start()
    engine.context.set_prop(FLContextKey.EVENT_SCOPE, EventScope.FEDERATION, private=True, sticky=False)
    by_site = [engine.records(site, _ROWS // len(engine.sites)) for site in engine.sites]
    engine.wait_ready()
    begun = time.perf_counter()
    for rows in zip(*by_site):
        for shareable in rows:
            engine.log(shareable)
    engine.end()
    engine.wait_finished()
    return {"rows_per_s": _ROWS / (time.perf_counter() - begun)}


def measure_end(engine: Engine) -> dict:
    """END_RUN with all that was just logged still on its way."""
    engine.start()
    engine.context.set_prop(FLContextKey.EVENT_SCOPE, EventScope.FEDERATION, private=True, sticky=False)
    by_site = [engine.records(site, _ROWS // len(engine.sites)) for site in engine.sites]
    engine.wait_ready()
    for rows in zip(*by_site):
        for shareable in rows:
            engine.log(shareable)
    begun = time.perf_counter()
    engine.end()
    return {"end_20_ms": (time.perf_counter() - begun) * 1e3}


def measure_native(folder: Path) -> dict:
    """What the bridge takes from a producer that is faster than Python."""
    figures = {}
    with LoadedBridge(folder / "rows") as bridge:
        begun = time.perf_counter()
        told = finish(bridge.generate("runs", sites=20, values=5, events=_NATIVE), _DEADLINE)
        bridge.wait()
        figures["native_rows_per_s"] = told["events"] / (time.perf_counter() - begun)
    with LoadedBridge(folder / "events") as bridge:
        told = finish(bridge.generate("runs", sites=4, events=_NATIVE), _DEADLINE)
        bridge.wait()
        figures["native_events_per_s"] = told["events_per_second"]
    with LoadedBridge(folder / "half") as bridge:
        rate = figures["native_events_per_s"] / 2
        told = finish(bridge.generate("runs", sites=4, rate=rate, seconds=5), _DEADLINE)
        bridge.wait()
        figures["native_half_ack_ms"] = told["ack_ms"]["p50"]
    return figures


def measure_idle(folder: Path) -> dict:
    """Voluntary context switches while 20 sites say nothing: each is a wake-up."""
    with LoadedBridge(folder) as bridge:
        finish(bridge.generate("runs", sites=20, events=2000, keep="true"), _DEADLINE)
        pids = [bridge.process.pid, *bridge.workers()]
        wait_for(lambda: _quiet(pids), "the end of what was logged", _DEADLINE)
        before = sum(map(_switches, pids))
        time.sleep(_IDLE)
        return {"idle_wakeups_per_s": (sum(map(_switches, pids)) - before) / _IDLE}


def _quiet(pids: list[int]) -> bool:
    """Nothing has woken up within a second."""
    before = sum(map(_switches, pids))
    time.sleep(1)
    return sum(map(_switches, pids)) == before


def _switches(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        words = (task / "status").read_text().split()
        total += int(words[words.index("voluntary_ctxt_switches:") + 1])
    return total


def main() -> None:
    which, kind, folder = sys.argv[1:4]
    if kind in ("native", "idle"):
        print(json.dumps({"native": measure_native, "idle": measure_idle}[kind](Path(folder))), flush=True)
        return
    sites = {"save": 1, "memory": 8, "rows": 4}.get(kind) or int(kind.split("_")[1])
    engine = Engine(which, Path(folder), sites)
    if kind.startswith("start_"):
        figures = measure_start(engine, sites)
    else:
        measures = {"save": measure_save, "memory": measure_memory, "rows": measure_rows, "end_20": measure_end}
        figures = measures[kind](engine)
    engine.wait_finished()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
