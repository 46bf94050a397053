"""What holds for the buffers of the link and of the forwarder alike: signals, forks, memory, what is left open."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import msgpack
import pytest
from flarebridge.audit import Audit
from flarebridge.channel import Channel
from flarebridge.cutting import Parts
from flarebridge.events import Encoder, Record
from flarebridge.gate import Gate
from flarebridge.inbox import Inbox
from flarebridge.link import Link
from flarebridge.outbox import Outbox
from flarebridge.policy import Policy
from flarebridge.rules import Rule
from flarebridge.taker import Taker

_EVENT = msgpack.packb("event")


def _link(tmp_path, buffer_bytes: int = 1 << 30) -> Link:
    return Link(f"ipc://{tmp_path}/nowhere", None, buffer_bytes, lambda level, text: None)


def _outbox(_tmp_path, buffer_bytes: int = 1 << 30) -> Outbox:
    return Outbox(lambda request: None, buffer_bytes, lambda level, text: None)


both = pytest.mark.parametrize("make", [_link, _outbox], ids=["link", "outbox"])


def _interrupted(work, handle, seconds: float = 1.5) -> int:
    """Does the work again and again while a signal comes every 50 us. Gives the number of signals; fails if it hangs.
    """
    came = 0

    def on_signal(_number, _frame) -> None:
        nonlocal came
        came += 1
        handle()

    def on_hang(_number, _frame) -> None:
        raise TimeoutError("it waits for itself")

    before = [signal.signal(signal.SIGALRM, on_signal), signal.signal(signal.SIGUSR1, on_hang)]
    watch = threading.Timer(20.0, os.kill, (os.getpid(), signal.SIGUSR1))
    watch.daemon = True
    watch.start()
    signal.setitimer(signal.ITIMER_REAL, 5e-5, 5e-5)
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watch.cancel()
        signal.signal(signal.SIGALRM, before[0])
        signal.signal(signal.SIGUSR1, before[1])
    return came


def _counted(number: int, short: int = 0):
    """A number that the test has counted in handlers, which interrupt each other, and so may be short by a few.

    Before Python 3.10 a handler comes between any two instructions, and not at calls and turns of loops alone.
    """
    return pytest.approx(number, abs=short if sys.version_info >= (3, 10) else number / 100)


@both
def test_a_signal_handler_may_log_in_the_middle_of_a_log_call(make, tmp_path):
    buffer = make(tmp_path)
    logged = 0

    def log() -> None:
        nonlocal logged
        logged += 1
        assert buffer.put(_EVENT)

    def log_many() -> None:
        for _ in range(100):
            buffer.put(_EVENT)

    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 100
        log_many()

    assert _interrupted(work, log) > 50
    assert buffer.stats()["accepted"] == _counted(calls + logged)


@both
def test_what_a_handler_drops_is_counted(make, tmp_path):
    buffer = make(tmp_path)
    dropped = 0

    def drop() -> None:
        nonlocal dropped
        dropped += 1
        buffer.count_drop("why")

    assert _interrupted(drop, drop, 0.5) > 10
    assert buffer.stats()["dropped"] == {"why": _counted(dropped, 3)}


def test_the_channels_counts_are_reentrant():
    channel = Channel()
    number = 0

    def note() -> None:
        nonlocal number
        number += 1
        channel.note("site-1", 1.0, ["writer", number])

    assert _interrupted(note, note, 0.5) > 10


def test_a_signal_handler_may_log_while_a_record_is_asked_for_by_the_policy(tmp_path):
    gate = Gate(Policy([Rule.of({"exclude": "secret*", "digits": 3})]), Audit(f"{tmp_path}/book", "way", {}, print))
    kept = 0

    def judge() -> None:
        nonlocal kept
        record = Record("METRICS", "WANDB", "metrics", {"a": 1.23456, "secret": 1}, 1, None, None)
        assert gate.judge(record, lambda reason: None).value == {"a": 1.23}
        kept += 1

    depth = 0

    def handle() -> None:
        nonlocal depth
        depth += 1
        if depth < 5:  # it takes longer than the next signal
            judge()
        depth -= 1

    assert _interrupted(judge, handle) > 10
    (told,) = gate.told()
    assert int(told.split()[1]) == pytest.approx(kept, abs=3)  # the test's own counter is no better
    gate.close()


def _in_child(check) -> None:
    """Runs the check in a forked child; it must not hang there, nor fail."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            check()
            os._exit(0)
        except BaseException as e:
            os.write(2, repr(e).encode())
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


class _Holding:
    """Another thread that holds locks while this one forks."""

    def __init__(self, *locks):
        self._locks = locks

    def __enter__(self):
        self._held, self._free = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        self._held.wait()

    def _hold(self) -> None:
        for lock in self._locks:
            lock.acquire()
        self._held.set()
        self._free.wait()
        for lock in self._locks:
            lock.release()

    def __exit__(self, *_exc):
        self._free.set()
        self._thread.join()


def _locks(owner) -> list:
    """Every lock and condition of an object."""
    own = {*getattr(owner, "__dict__", ()), "_lock", "_progress"}
    values = [getattr(owner, name) for name in dir(owner) if name in own]
    return [value for value in values if hasattr(value, "acquire") and hasattr(value, "release")]


@both
def test_a_child_that_was_forked_while_locks_were_held_does_not_hang(make, tmp_path):
    buffer = make(tmp_path)
    buffer.put(_EVENT)

    def check() -> None:
        assert not buffer.put(_EVENT)
        buffer.count_drop("why")
        buffer.wait_acknowledged(5.0)
        buffer.wait_for_number(1, 5.0)
        buffer.close(0.1)
        assert buffer.stats()["off"] == "forked"

    with _Holding(*_locks(buffer)):
        _in_child(check)


def test_no_other_part_hangs_in_a_forked_child(tmp_path, monkeypatch):
    from flarebridge.forwarder import BridgeForwarder
    from flarebridge.trainer_names import ENDPOINT, ENDPOINT_OF
    from flarebridge.writer import BridgeWriter

    monkeypatch.setenv(ENDPOINT, f"ipc://{tmp_path}/nowhere")
    monkeypatch.setenv(ENDPOINT_OF, "1")
    writer, forwarder, channel = BridgeWriter(), BridgeForwarder(), Channel()
    inbox = Inbox(_link(tmp_path))
    gate = Gate(Policy([]), Audit(None, "", {}, lambda level, text: None))
    taker = Taker(writer._direct._link, gate, Encoder(), Parts(lambda level, text: None), "site-1")
    parts = (writer, writer._direct, forwarder, taker, channel, inbox)

    def check() -> None:
        writer.log({"loss": 1.0})
        writer._direct._finish()
        channel.note("site", 1.0, ["writer", 1])
        request = {"session": "a", "first": 1, "count": 0, "events": b"", "durable": 0}
        assert inbox.take("site", request)["state"] in ("off", "ended")
        inbox.dropped()
        taker.take("METRIC", "WANDB", "loss", 1.0, 1, None, None)

    with _Holding(*(lock for part in parts for lock in _locks(part))):
        _in_child(check)
    writer._direct._link.close(0.1)


@both
def test_memory_is_given_back_when_tracking_turns_off(make, tmp_path):
    buffer = make(tmp_path)
    events = [bytes(1000) for _ in range(1000)]
    for event in events:
        assert buffer.put(event)
    buffer._next_batch(10, 1 << 20)  # the thread has all of them now
    buffer._turn_off("a reason")
    assert buffer.stats()["dropped"] != {}
    assert sum(buffer.stats()["dropped"].values()) == 1000
    held = sys.getrefcount(events[500])
    assert held == 2  # the list here, and the call
    assert not buffer.put(_EVENT)


@both
def test_nothing_is_left_open(make, tmp_path):
    gc.collect()  # what other tests left
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        never_started = make(tmp_path)
        never_started.close(0.1)
        started = make(tmp_path)
        started.start()
        started.put(_EVENT)
        started.close(0.2)
        assert not started._thread.is_alive()
        del never_started, started
        gc.collect()
    assert [str(warning.message) for warning in said] == []


def test_a_process_that_only_ends_leaves_no_warning(tmp_path):
    script = (
        "import sys\n"
        "from flarebridge.bridge_process import BridgeProcess\n"
        "from flarebridge.link import Link\n"
        "from flarebridge.events import Encoder\n"
        "link = Link(None, BridgeProcess(sys.argv[1]), 1 << 20, print)\n"
        "link.put(Encoder().session_opened(1.0, 'job', 'run', 'server', sys.argv[1], {'wandb': {}}))\n"
        "link.start()\n"
        "link.close(0.01)\n"  # while the bridge is being started
        "import gc, time; time.sleep(1); del link; gc.collect()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", script, str(tmp_path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert "ResourceWarning" not in done.stderr
    assert done.stdout == ""


@both
def test_a_refused_large_event_does_not_keep_memory(make, tmp_path):
    encoder = Encoder()
    tracked = encoder._pack_fields
    wide = {f"key{i}": "x" * 1000 for i in range(5000)}
    with pytest.raises(ValueError, match="bytes"):
        encoder.data(1.0, "s", "METRICS", "WANDB", "m", wide)
    assert encoder._pack_fields is not tracked  # msgpack's packer keeps its room for its life
