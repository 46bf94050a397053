"""Drives a receiver as NVFlare's engine does: events through handle_event. The receivers are the real ones."""

import os
import time
from pathlib import Path
from typing import Any, Optional
from unittest.mock import MagicMock

from bridge_driver import wait_for
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import EventScope, FedEventHeader, FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.workspace import Workspace
from nvflare.app_common.widgets.streaming import create_analytic_dxo

try:
    from nvflare.apis.analytix import LogWriterName
except ImportError:  # NVFlare 2.5
    from nvflare.app_common.tracking.tracker_types import LogWriterName

OURS, NVFLARES = "flarebridge", "WandBReceiver"
DEADLINE = 120  # seconds
_ARGUMENTS = {"name": "bench", "project": "bench", "job_type": "train", "config": {}}


class Engine:
    """A server's, in its own folder, with so many sites."""

    def __init__(self, which: str, folder: Path, sites: int, **more: Any):
        """`more`: further arguments of our receiver."""
        (folder / "startup").mkdir()
        (folder / "local").mkdir()
        os.chdir(folder)
        self.folder = folder
        self.sites = [f"site-{number + 1}" for number in range(sites)]
        self.receiver = _make(which, more)
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
        self.context.set_prop(FLContextKey.EVENT_SCOPE, EventScope.FEDERATION, private=True, sticky=False)

    def start(self) -> float:
        """START_RUN. Gives its seconds."""
        begun = time.perf_counter()
        self.receiver.handle_event(EventType.START_RUN, self.context)
        return time.perf_counter() - begun

    def log(self, shareable: Shareable) -> None:
        self.context.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
        self.receiver.handle_event("fed.analytix_log_stats", self.context)

    def end(self) -> float:
        """END_RUN. Gives its seconds."""
        begun = time.perf_counter()
        self.receiver.handle_event(EventType.END_RUN, self.context)
        return time.perf_counter() - begun

    def wait_ready(self) -> None:
        """Until every site's run log is there."""
        wait_for(lambda: len(list(self.folder.rglob("run-*.wandb"))) >= len(self.sites), "the run logs", DEADLINE)

    def processes(self) -> set[int]:
        """This process's descendants, and the bridge below the folder with its workers."""
        parents = _processes()
        mine = {os.getpid()} | {pid for pid in parents if _works_in(pid, self.folder)}
        grown = True
        while grown:
            more = {pid for pid, parent in parents.items() if parent in mine} - mine
            grown = bool(more)
            mine |= more
        return mine - {os.getpid()}

    def bridge(self) -> int:
        """Of our receiver: the bridge's pid."""
        return wait_for(lambda: [pid for pid in self.processes() if _works_in(pid, self.folder)], "the bridge")[0]

    def wait_finished(self) -> None:
        """Until all processes of the runs are gone: everything is in the logs."""
        wait_for(lambda: not self.processes(), "the end of the runs' processes", DEADLINE)


def record(site: str, step: int, values: int) -> Shareable:
    """One record as it comes from a site over NVFlare's own channel: a number, or a dict of `values` numbers."""
    if values == 1:
        tag, value, kind = "loss", 1 / (step + 3), AnalyticsDataType.METRIC
    else:
        tag, kind = "metrics", AnalyticsDataType.METRICS
        value = {f"metric_{i}": 1 / (step + i + 3) for i in range(values)}
    shareable = create_analytic_dxo(tag, value, kind, writer=LogWriterName.WANDB, global_step=step).to_shareable()
    shareable.set_peer_props({ReservedKey.IDENTITY_NAME: site})
    shareable.set_header(FedEventHeader.TIMESTAMP, time.time())
    return shareable


def move_to_step(shareable: Shareable, step: int) -> None:
    """The same record, logged at another step."""
    data = shareable["DXO"]["data"]
    data["global_step"] = data["analytics_kwargs"]["global_step"] = step


def _make(which: str, more: dict) -> Any:
    if which == OURS:
        from flarebridge import BridgeReceiver

        return BridgeReceiver(**{"wandb_args": dict(_ARGUMENTS), "mode": "offline", "process_timeout": 60, **more})
    from nvflare.app_opt.tracking.wandb.wandb_receiver import WandBReceiver

    return WandBReceiver(wandb_args=dict(_ARGUMENTS), mode="offline", process_timeout=60)


def _processes() -> dict[int, int]:
    """Living processes: pid -> parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = _stat(int(entry.name))
            if stat and stat[0] != "Z":
                found[int(entry.name)] = int(stat[1])
    return found


def _stat(pid: int) -> Optional[list[str]]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return f"--state\0{folder}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
