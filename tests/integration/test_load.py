"""Many events for a long time, and sites that hang: memory, descriptors and the journal stay within bounds.

FLAREBRIDGE_LOAD_SECONDS, _SITES and _RATE (of each site) make it longer and harder: 600, 100 and 1000 is the long mode.
`python tests/integration/load_report.py` makes a table of it.
"""

import os
import signal
import time
from contextlib import suppress

import msgpack
import zmq
from bridge_driver import pss_kib, wait_for
from load import LoadedBridge, Sampler, finish
from wandb_tools import logs_below, rows

_SECONDS = float(os.environ.get("FLAREBRIDGE_LOAD_SECONDS", "10"))
_SITES = int(os.environ.get("FLAREBRIDGE_LOAD_SITES", "20"))
_RATE = float(os.environ.get("FLAREBRIDGE_LOAD_RATE", "500"))
_BRIDGE_KIB = 48 * 1024  # credit of all sessions 32 MiB at most, the rest is the program
_JOURNAL_BYTES = 256 << 20  # what workers have not confirmed yet, and the WAL


def test_memory_descriptors_and_the_journal_stay_bounded_under_load(tmp_path):
    with LoadedBridge(tmp_path) as bridge, Sampler(bridge) as sampler:
        session = bridge.generate("runs", sites=_SITES, rate=_SITES * _RATE, seconds=_SECONDS, values=5)
        told = finish(session, _SECONDS + 120)
        bridge.wait()
    assert told["rejected"] == 0
    assert told["events"] > 0.9 * _SITES * _RATE * _SECONDS
    assert sampler.most("bridge_kib") < _BRIDGE_KIB
    assert sampler.most("workers_kib") < _SITES * 4 * 1024
    assert sampler.most("descriptors") < 30 + 3 * _SITES
    assert sampler.most("journal_bytes") < _JOURNAL_BYTES
    logs = logs_below(tmp_path)
    assert len(logs) == _SITES
    if _SITES * _RATE * _SECONDS > 1_000_000:
        return  # as `flarebridge show` counts; the strict reader would take an hour
    for name, log in logs.items():
        site = int(name.split("-")[1])
        count = told["events"] // _SITES + (site < told["events"] % _SITES)
        assert [row["_step"] for row in rows(log)] == list(range(count))


def test_a_worker_that_never_reads_and_then_reads_slowly_holds_up_nobody(tmp_path):
    sites, events = 5, 600_000
    with LoadedBridge(tmp_path) as bridge:
        session = bridge.generate("runs", sites=sites, events=events, rate=200_000)
        workers = wait_for(lambda: len(bridge.workers()) == sites and bridge.workers(), "the workers")
        stopped = workers[0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            told = finish(session, 120)
            assert told["events"] == events
            # All others are written to their end, while one has not read a word.
            wait_for(lambda: len(bridge.workers()) == 1, "the other workers' leaving")
            assert pss_kib([bridge.process.pid]) < _BRIDGE_KIB
            # It may come to its end in between: how much it gets done in its time is the machine's affair.
            with suppress(ProcessLookupError):
                for _ in range(5):
                    os.kill(stopped, signal.SIGCONT)
                    time.sleep(0.005)  # of each 0.3 s it works so long
                    os.kill(stopped, signal.SIGSTOP)
                    time.sleep(0.3)
            assert pss_kib([bridge.process.pid]) < _BRIDGE_KIB
        finally:
            with suppress(ProcessLookupError):
                os.kill(stopped, signal.SIGCONT)
        bridge.wait()
    for log in logs_below(tmp_path).values():
        assert [row["_step"] for row in rows(log)] == list(range(events // sites))


def test_a_shim_that_never_takes_acknowledgements_costs_bounded_memory(tmp_path):
    with LoadedBridge(tmp_path) as bridge, zmq.Context() as context:
        deaf = context.socket(zmq.DEALER)
        deaf.setsockopt(zmq.LINGER, 0)
        deaf.setsockopt(zmq.RCVHWM, 1)
        deaf.setsockopt(zmq.SNDTIMEO, 5000)
        deaf.connect(bridge.endpoint)
        deaf.send(msgpack.packb([1, "flarebridge", 1, "d" * 32, "deaf"]))
        for _ in range(20_000):
            deaf.send(msgpack.packb([3]))
        told = finish(bridge.generate("runs", sites=2, events=2000), 60)
        assert told["events"] == 2000
        assert pss_kib([bridge.process.pid]) < _BRIDGE_KIB
        deaf.close()
