"""Measures what one call costs: a log call in the trainer of a simulator job, and a record in BridgeReceiver.

The trainer is a thread of the process that has NVFlare's client and BridgeForwarder, as NVFlare makes it by default;
two sites log 5 values a call, back to back and with pauses. A record reaches BridgeReceiver as NVFlare's engine brings
it, with a context and a Shareable of its own, and Python's garbage collector is on. Prints a table.

usage: calls.py [--rounds N] [--count N] [--only job|receiver]
"""

import argparse
import gc
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_TESTS = _HERE.parent
sys.path[:0] = [str(_HERE), str(_TESTS), str(_TESTS / "integration"), str(_TESTS / "integration" / "burst")]

from tables import spread  # noqa: E402

_SITES = ("site-1", "site-2")
_SHARES = {"median": 0.5, "99.9 %": 0.999, "99.99 %": 0.9999}
_PAUSE = 0.001  # seconds, in which a training step would let other threads run
_RECORDS = 300_000
_WAYS = {
    "a log call, back to back": ("BridgeWriter", 0.0, 1),
    "a log call every millisecond": ("BridgeWriter", _PAUSE, 4),
    "NVFlare's WandBWriter, back to back": ("WandBWriter", 0.0, 10),
}  # writer, pause, by what the number of calls is divided


def job(folder: Path, writer: str, pause: float, count: int) -> None:
    """Runs a job in the simulator, in this process."""
    from flarebridge import add_tracking
    from job import simulate
    from nvflare.app_common.np.np_model_persistor import NPModelPersistor
    from nvflare.app_common.workflows.fedavg import FedAvg
    from nvflare.job_config.api import FedJob
    from nvflare.job_config.script_runner import FrameworkType, ScriptRunner

    os.chdir(_HERE)  # NVFlare finds calls_client.py here
    made = FedJob(name="calls")
    made.to(FedAvg(num_clients=len(_SITES), num_rounds=1), "server")
    made.to(NPModelPersistor(), "server", id="persistor")
    arguments = shlex.join([str(folder), str(count), str(pause), writer])
    for site in _SITES:
        made.to(ScriptRunner("calls_client.py", script_args=arguments, framework=FrameworkType.NUMPY), site)
    add_tracking(made, wandb_args={"name": "calls", "project": "bench"})
    made.export_job(str(folder / "jobs"))
    sys.exit(simulate(folder / "jobs" / "calls", folder / "workspace", list(_SITES), len(_SITES)))


def receiver(folder: Path) -> None:
    """Prints the costs of records in a running BridgeReceiver, as JSON."""
    from engine import OURS, Engine, record
    from nvflare.apis.fl_constant import EventScope, FLContextKey
    from nvflare.apis.fl_context import FLContextManager

    engine = Engine(OURS, folder, 1)
    engine.start()
    engine.wait_ready()
    contexts = FLContextManager(engine=engine.context.get_engine(), identity_name="server", job_id="bench-job")
    handle, clock, costs = engine.receiver.handle_event, time.perf_counter, []
    assert gc.isenabled()
    for step in range(_RECORDS):
        shareable = record("site-1", step, 5)
        with contexts.new_context() as context:
            context.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
            context.set_prop(FLContextKey.EVENT_SCOPE, EventScope.FEDERATION, private=True, sticky=False)
            begun = clock()
            handle("fed.analytix_log_stats", context)
            costs.append(clock() - begun)
    engine.end()
    engine.wait_finished()
    print(json.dumps(_figures(costs)))


def _figures(costs: list[float]) -> dict[str, float]:
    """Microseconds by share of the calls."""
    costs.sort()
    return {name: costs[int(len(costs) * share)] * 1e6 for name, share in _SHARES.items()}


def _run(arguments: list[str], folder: Path) -> str:
    command = [sys.executable, str(Path(__file__).resolve()), *arguments, "--folder", str(folder)]
    return subprocess.run(command, check=True, timeout=600, capture_output=True, text=True, cwd=folder).stdout


def _measured(way: str, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if way == "a record in BridgeReceiver":
            return json.loads(_run(["--receiver"], folder).splitlines()[-1])
        writer, pause, part = _WAYS[way]
        _run(["--job", writer, "--pause", str(pause), "--count", str(count // part)], folder)
        costs: list[float] = []
        for site in _SITES:
            costs += [float(line) for line in (folder / f"{site}.costs").read_text().split()]
        return _figures(costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=20_000, help="log calls of a site")
    parser.add_argument("--only", choices=["job", "receiver"])
    for internal in ("--job", "--pause", "--folder"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    parser.add_argument("--receiver", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job(Path(arguments.folder), arguments.job, float(arguments.pause), arguments.count)
    if arguments.receiver:
        receiver(Path(arguments.folder))
        return
    ways = [] if arguments.only == "receiver" else list(_WAYS)
    ways += [] if arguments.only == "job" else ["a record in BridgeReceiver"]
    found: dict = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way in ways:
            found[way].append(_measured(way, arguments.count))
            print(f"{way}: {found[way][-1]}", file=sys.stderr, flush=True)
    print("| | " + " | ".join(_SHARES) + " |\n" + "|---" * (len(_SHARES) + 1) + "|")
    for way, rounds in found.items():
        figures = [spread([one[share] for one in rounds], 1, "µs") for share in _SHARES]
        print(f"| {way} | " + " | ".join(figures) + " |")


if __name__ == "__main__":
    main()
