"""One measurement of one receiver, in this process; prints the figures as JSON on the last line.

usage: receivers.py flarebridge|WandBReceiver KIND FOLDER      (kinds: _KINDS below)
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / "integration")]

from bridge_driver import children_of, pss_kib, wait_for  # noqa: E402
from engine import DEADLINE, OURS, Engine, move_to_step, record  # noqa: E402
from flarebridge.inbox import FORWARDED  # noqa: E402
from load import LoadedBridge  # noqa: E402
from nvflare.apis.fl_constant import EventScope, FedEventHeader, FLContextKey, ReturnCode  # noqa: E402
from nvflare.apis.shareable import ReservedHeaderKey  # noqa: E402

_MARKS = (FORWARDED, FedEventHeader.DIRECTION)  # what a forwarder leaves on a record that it has taken
_SAVES = {OURS: 1_000_000}  # calls
_SAVES_OTHERS = 50_000  # their queue has no bound
_PREPARED = 20_000  # records
_ROWS = 100_000
_EVENTS = 300_000
_HALF = 75_000  # events a second: half of what is aimed at end to end
_HALF_SECONDS = 4
_FULL = 64 << 20  # bytes: the receiver's buffer by default


def _running(which: str, folder: Path, sites: int, **more: Any) -> Engine:
    """Behind START_RUN, with all run logs there."""
    engine = Engine(which, folder, sites, **more)
    engine.start()
    engine.wait_ready()
    return engine


def _costs(engine: Engine, calls: int, event: str = "fed.analytix_log_stats") -> dict[str, float]:
    """Seconds that handle_event takes with a record of 5 values, in microseconds by share of the calls."""
    records = [record("site-1", step, 5) for step in range(_PREPARED)]
    handle, context, clock = engine.receiver.handle_event, engine.context, time.perf_counter
    costs = []
    for number in range(calls):
        shareable = records[number % _PREPARED]
        move_to_step(shareable, number)
        for mark in _MARKS:
            shareable[ReservedHeaderKey.HEADERS].pop(mark, None)
        context.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
        begun = clock()
        handle(event, context)
        costs.append(clock() - begun)
    costs.sort()
    shares = {"p50": 0.5, "p999": 0.999, "p9999": 0.9999}
    return {name: costs[int(calls * share)] * 1e6 for name, share in shares.items()}


def save(which: str, folder: Path) -> dict:
    engine = _running(which, folder, 1)
    costs = _costs(engine, _SAVES.get(which, _SAVES_OTHERS))
    engine.end()
    engine.wait_finished()
    return {f"save_{name}_us": cost for name, cost in costs.items()}


def save_stopped(which: str, folder: Path) -> dict:
    """The bridge stands still: the buffer fills, then events are counted and dropped."""
    engine = _running(which, folder, 1)
    bridge = engine.bridge()
    os.kill(bridge, signal.SIGSTOP)
    costs = _costs(engine, _SAVES[which])
    os.kill(bridge, signal.SIGCONT)
    engine.end()
    engine.wait_finished()
    return {f"save_stopped_{name}_us": cost for name, cost in costs.items()}


def save_dead(which: str, folder: Path) -> dict:
    """The bridge was killed, and nobody starts another."""
    with LoadedBridge(folder / "bridge") as bridge:
        engine = _running(which, folder, 1, endpoint=bridge.endpoint, process_timeout=1)
        bridge.process.kill()
        bridge.process.wait()
        costs = _costs(engine, _SAVES[which])
        engine.end()
    return {f"save_dead_{name}_us": cost for name, cost in costs.items()}


def forward(which: str, folder: Path) -> dict:
    """A client's BridgeForwarder, whose server confirms everything within milliseconds."""
    from flarebridge import BridgeForwarder
    from nvflare.apis.shareable import make_reply

    def confirm(request, **_more):  # in place of NVFlare's connection to the server
        time.sleep(0.002)
        last = request["first"] + request["count"] - 1
        reply = make_reply(ReturnCode.OK)
        reply.update({"state": "taken", "received": last, "durable": last})
        return {"server": reply}

    engine = Engine(which, folder, 1)
    engine.receiver = BridgeForwarder(trainer_link=False, process_timeout=60)
    engine.context.get_engine().send_aux_request.side_effect = confirm
    engine.context.set_prop(FLContextKey.EVENT_SCOPE, EventScope.LOCAL, private=True, sticky=False)
    engine.start()
    costs = _costs(engine, _SAVES[which], "analytix_log_stats")
    assert engine.receiver._outbox.acknowledged
    engine.end()
    return {f"forward_{name}_us": cost for name, cost in costs.items()}


def start(which: str, folder: Path, sites: int) -> dict:
    engine = Engine(which, folder, sites)
    begun = time.perf_counter()
    took = engine.start()
    engine.wait_ready()
    ready = time.perf_counter() - begun
    engine.end()
    engine.wait_finished()
    return {f"start_{sites}_ms": took * 1e3, f"start_{sites}_logs_ms": ready * 1e3}


def end(which: str, folder: Path, sites: int) -> dict:
    """END_RUN with all that was just logged still on its way."""
    engine = Engine(which, folder, sites)
    engine.start()
    records = [record(site, step, 5) for step in range(_ROWS // sites) for site in engine.sites]
    engine.wait_ready()
    for shareable in records:
        engine.log(shareable)
    took = engine.end()
    engine.wait_finished()
    return {f"end_{sites}_ms": took * 1e3}


def end_full(which: str, folder: Path) -> dict:
    """END_RUN with the buffer full to its last byte, because the bridge stood still until now."""
    engine = _running(which, folder, 100)
    bridge = engine.bridge()
    os.kill(bridge, signal.SIGSTOP)
    records = [record(site, step, 5) for step in range(_PREPARED // 100) for site in engine.sites]
    link = engine.receiver._link
    while not link.stats()["dropped"]:
        for shareable in records:
            engine.log(shareable)
    os.kill(bridge, signal.SIGCONT)
    took = engine.end()
    left = link.unacknowledged
    engine.wait_finished()
    assert not left, f"{left} events were not handed over"
    return {"end_full_ms": took * 1e3}


def memory(which: str, folder: Path) -> dict:
    """The memory of one more site: of all processes, per site, without the bridge that they share."""
    engine = Engine(which, folder, 8)
    engine.start()
    for site in engine.sites:
        for step in range(200):
            engine.log(record(site, step, 5))
    engine.wait_ready()
    wait_for(lambda: len(engine.processes()) >= len(engine.sites), "a process per site", DEADLINE)
    processes = engine.processes()
    if which == OURS:
        processes.remove(engine.bridge())
    size = pss_kib(list(processes))
    engine.end()
    engine.wait_finished()
    return {"memory_mib": size / len(engine.sites) / 1024}


def shim_memory(which: str, folder: Path) -> dict:
    """What this process grows by, from before START_RUN until the buffer is full, beyond the buffer."""
    engine = Engine(which, folder, 4)
    records = [record(site, step, 5) for step in range(_PREPARED // 4) for site in engine.sites]
    import msgpack  # noqa: F401
    import zmq  # noqa: F401

    before = pss_kib([os.getpid()])
    engine.start()
    engine.wait_ready()
    bridge = engine.bridge()
    os.kill(bridge, signal.SIGSTOP)
    link = engine.receiver._link
    while not link.stats()["dropped"]:
        for shareable in records:
            engine.log(shareable)
    grown = pss_kib([os.getpid()]) - before
    os.kill(bridge, signal.SIGCONT)
    # And while it empties and is filled again.
    most = grown
    for _round in range(20):
        for shareable in records:
            engine.log(shareable)
        most = max(most, pss_kib([os.getpid()]) - before)
    engine.end()
    engine.wait_finished()
    return {"shim_mib": (most - _FULL / 1024) / 1024}


def rows(which: str, folder: Path) -> dict:
    """From the first record until the last one is in its run log and all processes have left."""
    engine = Engine(which, folder, 4)
    engine.start()
    records = [record(site, step, 5) for step in range(_ROWS // 4) for site in engine.sites]
    engine.wait_ready()
    begun = time.perf_counter()
    for shareable in records:
        engine.log(shareable)
    engine.end()
    engine.wait_finished()
    return {"rows_per_s": _ROWS / (time.perf_counter() - begun)}


def events(which: str, folder: Path) -> dict:
    """From the first handle_event until the last one's durable acknowledgement; what one takes at half that load."""
    engine = Engine(which, folder, 4)
    engine.start()
    records = [record(engine.sites[step % 4], step // 4, 1) for step in range(_EVENTS)]
    engine.wait_ready()
    link = engine.receiver._link
    begun = time.perf_counter()
    for shareable in records:
        engine.log(shareable)
    assert link.wait_acknowledged(DEADLINE)
    took = time.perf_counter() - begun
    latencies = _latencies(engine, link, records)
    engine.end()
    engine.wait_finished()
    return {"events_per_s": _EVENTS / took, "half_ack_ms": latencies[len(latencies) // 2] * 1e3}


def _latencies(engine: Engine, link, records: list) -> list[float]:
    """Seconds from a record's handle_event to its acknowledgement, one for each turn of a millisecond."""
    waiting, latencies, made = [], [], 0
    begun = time.perf_counter()
    while (now := time.perf_counter()) - begun < _HALF_SECONDS:
        while made < (now - begun) * _HALF:
            engine.log(records[made % len(records)])
            made += 1
        waiting.append((link.acknowledged + link.unacknowledged, now))
        time.sleep(0.001)
        acknowledged, now = link.acknowledged, time.perf_counter()
        while waiting and waiting[0][0] <= acknowledged:
            latencies.append(now - waiting.pop(0)[1])
    return sorted(latencies)


_KINDS = {
    "save": save, "save_stopped": save_stopped, "save_dead": save_dead, "forward": forward, "memory": memory,
    "shim_memory": shim_memory, "rows": rows, "events": events, "end_full": end_full,
}  # fmt: skip


def main() -> None:
    which, kind, folder = sys.argv[1:4]
    if kind in _KINDS:
        figures = _KINDS[kind](which, Path(folder))
    else:  # start_20, end_100
        name, sites = kind.split("_")
        figures = {"start": start, "end": end}[name](which, Path(folder), int(sites))
    assert not children_of(os.getpid())
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
