"""Laws of the link, against a peer that speaks the bridge's protocol and misbehaves on request."""

import contextlib
import os
import threading
import time
from pathlib import Path

import msgpack
import pytest
import zmq
from flarebridge.link import Link

_DEADLINE = 20


def _wait_for(condition, what: str):
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)  # between two looks


class Peer:
    """A bridge as far as the link can see: keeps acknowledged events by session, as a journal does."""

    def __init__(self, endpoint: str, journal: dict):
        self.journal = journal  # session -> list of events
        self.credit = 1 << 20
        self.acknowledge = True
        self.drop_next = 0  # batches to lose
        self.refusal = None  # what hellos are answered with, if they are refused
        self.unwritten = None  # how many events are in no run yet; None: an older bridge, which does not say
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.bind(endpoint)
        self._sessions = {}
        self.said_bye = False
        self.hellos = 0

    def serve_until(self, condition, what: str = "the condition") -> None:
        deadline = time.monotonic() + _DEADLINE
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {what}"
            if self._router.poll(10):
                self._handle(*self._router.recv_multipart())

    def _handle(self, peer: bytes, header: bytes, body: bytes = b"") -> None:
        kind, *fields = msgpack.unpackb(header)
        if kind == 1:
            self.hellos += 1
            if self.refusal:
                self.send(peer, self.refusal)
                return
            session = self._sessions[peer] = fields[2]
            acked = len(self.journal.setdefault(session, []))
            self.send(peer, [1, 1, "peer", acked, self.credit, 100])
            return
        if peer not in self._sessions:
            self.send(peer, [4, 1, "say hello first"])
            return
        events = self.journal[self._sessions[peer]]
        if kind == 2 and self.drop_next:
            self.drop_next -= 1
        elif kind == 2:
            unpacker = msgpack.Unpacker()
            unpacker.feed(body)
            if fields[0] > len(events) + 1:
                self.send(peer, [4, 5, "a gap"])
                return
            events += list(unpacker)[len(events) + 1 - fields[0] :]
        elif kind == 4:
            self.said_bye = True
        if self.acknowledge and kind in (2, 3):
            more = [] if self.unwritten is None else [self.unwritten(len(events))]
            self.send(peer, [2, len(events), self.credit, 0, *more])

    def send(self, peer: bytes, message: list) -> None:
        self._router.send_multipart([peer, msgpack.packb(message)])

    def send_to_all(self, message: list) -> None:
        for peer in self._sessions:
            self.send(peer, message)

    def die(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/link"


@contextlib.contextmanager
def _linked(endpoint: str, buffer_bytes: int = 1 << 20):
    reports = []
    link = Link(endpoint, None, buffer_bytes, lambda level, text: reports.append((level, text)))
    link.reports = reports
    link.start()
    try:
        yield link
    finally:
        link.close(0.2)


def _event(number: int) -> bytes:
    return msgpack.packb(number)


def _only(journal: dict) -> list:
    (events,) = journal.values()
    return events


def test_every_event_arrives_once_and_in_order(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint) as link:
        for number in range(5000):
            assert link.put(_event(number))
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert _only(peer.journal) == list(range(5000))
        assert link.stats()["acknowledged"] == 5000
        link._closing.set()
        peer.serve_until(lambda: peer.said_bye)
    peer.die()


@pytest.mark.parametrize("what", ["an answer", "the time", "the end"])
def test_behind_a_batch_no_log_call_wakes_the_thread(endpoint, monkeypatch, what):
    """Waking costs the one who logs more than all the rest of the call. What has come is sent all the same."""
    monkeypatch.setattr("flarebridge.link._GATHER", 0.3 if what == "the time" else 1000.0)
    peer, wakes = Peer(endpoint, {}), []
    with _linked(endpoint) as link:
        peer.serve_until(lambda: link.connected)
        wake = link._wake_up.wake
        monkeypatch.setattr(link._wake_up, "wake", lambda: wakes.append(1) or wake())
        wake()  # behind hello, too, the thread has its time
        peer.acknowledge = False
        link.put(_event(0))
        peer.serve_until(lambda: _only(peer.journal) == [0])
        before = len(wakes)
        for number in range(1, 100):
            link.put(_event(number))
        assert len(wakes) - before <= (1 if what == "the time" else 0)
        if what == "an answer":
            peer.send_to_all([2, 1, peer.credit, 0])
        elif what == "the end":
            link._closing.set()
            link._close_deadline = time.monotonic() + _DEADLINE
            link._wake()
        peer.serve_until(lambda: _only(peer.journal) == list(range(100)))
    peer.die()


def test_what_a_dead_bridge_did_not_acknowledge_is_sent_to_the_next_one(endpoint):
    journal: dict = {}
    peer = Peer(endpoint, journal)
    with _linked(endpoint) as link:
        for number in range(100):
            link.put(_event(number))
        peer.serve_until(lambda: link.unacknowledged == 0)
        peer.acknowledge = False
        for number in range(100, 200):
            link.put(_event(number))
        peer.serve_until(lambda: len(_only(journal)) == 200)
        peer.die()
        del _only(journal)[150:]  # what it had not written
        for number in range(200, 300):
            link.put(_event(number))
        peer = Peer(endpoint, journal)
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert _only(journal) == list(range(300))
        assert link.stats()["connections"] == 2
        assert link.stats()["resent"] > 0
    peer.die()


def test_a_batch_that_was_lost_on_the_way_is_sent_again(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint) as link:
        peer.serve_until(lambda: peer.hellos == 1)
        peer.drop_next = 1
        link.put(_event(0))
        peer.serve_until(lambda: peer.drop_next == 0)
        link.put(_event(1))  # the gap shows it
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert _only(peer.journal) == [0, 1]
    peer.die()


def test_without_credit_nothing_is_sent_and_with_it_everything_is(endpoint):
    peer = Peer(endpoint, {})
    peer.credit = 0
    with _linked(endpoint) as link:
        for number in range(10):
            link.put(_event(number))
        pings = []
        handle = peer._handle
        peer._handle = lambda *frames: (pings.append(frames), handle(*frames))
        peer.serve_until(lambda: len(pings) >= 4)
        assert _only(peer.journal) == []
        peer.credit = 1000
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert _only(peer.journal) == list(range(10))
    peer.die()


def test_what_does_not_fit_the_buffer_is_counted_and_put_never_waits(endpoint):
    each = 10 + 48  # bytes, with what CPython adds
    with _linked(endpoint, buffer_bytes=100 * each) as link:  # nobody listens
        taken = sum(link.put(b"\xa9" + b"x" * 9) > 0 for _ in range(500))
        assert taken == 100
        stats = link.stats()
        assert stats["dropped"] == {"buffer full": 400}
        assert stats["accepted"] == 100
        assert not link.wait_acknowledged(0.01)


def test_the_thread_sleeps_while_a_dead_bridge_takes_nothing(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint) as link:
        link.put(_event(0))
        peer.serve_until(lambda: link.unacknowledged == 0)
        turns = []
        sleep = link._sleep
        link._sleep = lambda now: (turns.append(now), sleep(now))
        peer.die()
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            link.put(_event(1))
            time.sleep(0.1)  # between two events
        # One for each event, for each heartbeat, and for each attempt to connect.
        assert len(turns) < 100


def test_after_the_last_event_none_is_taken(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint, buffer_bytes=60) as link:
        assert link.put(_event(0))
        link.put_last(_event(1))  # is taken even where there is no room
        assert not link.put(_event(2))
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert _only(peer.journal) == [0, 1]
        assert link.stats()["dropped"] == {"after the run's end": 1}
    peer.die()


def test_room_in_the_buffer_comes_back_with_acknowledgements(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint, buffer_bytes=100) as link:
        for number in range(1000):
            while not link.put(_event(number % 100)):
                peer.serve_until(lambda: link.unacknowledged == 0)
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert len(_only(peer.journal)) == 1000
    peer.die()


def test_a_final_refusal_ends_the_tracking_with_one_error(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint) as link:
        link.put(_event(0))
        peer.serve_until(lambda: peer.hellos == 1)
        peer.send_to_all([4, 2, "another version"])
        _wait_for(lambda: link.reports, "the error")
        assert link.reports[0][0] == "error"
        assert "another version" in link.reports[0][1]
        assert not link.put(_event(1))
        assert link.wait_acknowledged(5) in (True, False)
        assert link.stats()["off"]
    peer.die()


def test_a_bridge_without_room_is_asked_again_and_gets_everything(endpoint, monkeypatch):
    monkeypatch.setattr("flarebridge.link._FULL_RETRY", 0.05)
    peer = Peer(endpoint, {})
    peer.refusal = [4, 6, "no more sessions for now"]
    with _linked(endpoint) as link:
        for number in range(3):
            link.put(_event(number))
        peer.serve_until(lambda: peer.hellos == 3)
        assert [level for level, _ in link.reports] == ["warning"]
        peer.refusal = None
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert len(_only(peer.journal)) == 3
    peer.die()


def test_notices_of_the_bridge_are_reported(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint) as link:
        peer.serve_until(lambda: peer.hellos == 1)
        peer.send_to_all([3, 3, "no space left"])
        _wait_for(lambda: ("error", "no space left") in link.reports, "the notice")
    peer.die()


def test_close_returns_within_its_time_when_nobody_listens(endpoint):
    with _linked(endpoint) as link:
        link.put(_event(0))
        link.close(0.1)
        assert not link._thread.is_alive()
        assert link.unacknowledged == 1


def test_in_a_forked_child_the_link_is_off_and_in_the_parent_it_goes_on(endpoint):
    peer = Peer(endpoint, {})
    with _linked(endpoint) as link:
        peer.serve_until(lambda: peer.hellos == 1)
        child = os.fork()
        if child == 0:
            os._exit(0 if not link.put(_event(1)) else 1)
        assert os.waitpid(child, 0)[1] == 0
        link.put(_event(2))
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert _only(peer.journal) == [2]
    peer.die()


def _serving(peer: Peer) -> threading.Thread:
    """The peer on a thread of its own, until stop_serving."""
    peer.stop = threading.Event()
    thread = threading.Thread(target=peer.serve_until, args=(peer.stop.is_set,))
    thread.start()
    return thread


def _stop(peer: Peer, thread: threading.Thread) -> None:
    peer.stop.set()
    thread.join()
    peer.die()


def test_the_end_waits_until_the_runs_are_written(endpoint):
    peer = Peer(endpoint, {})
    left = [40]

    def written_a_little_at_each_look(_events: int) -> int:
        left[0] = max(0, left[0] - 1)
        return left[0]

    peer.unwritten = written_a_little_at_each_look
    thread = _serving(peer)
    with _linked(endpoint) as link:
        link.put(_event(0))
        assert link.wait_acknowledged(_DEADLINE)
        assert link.unwritten > 0
        assert link.wait_written(_DEADLINE)
        assert link.unwritten == 0
    _stop(peer, thread)


def test_the_end_does_not_wait_for_longer_than_it_may(endpoint):
    peer = Peer(endpoint, {})
    looks = []

    def one_at_a_time(events: int) -> int:
        looks.append(events)
        return 10_000 - len(looks)

    peer.unwritten = one_at_a_time
    thread = _serving(peer)
    with _linked(endpoint) as link:
        link.put(_event(0))
        assert link.wait_acknowledged(_DEADLINE)
        began = time.monotonic()
        assert not link.wait_written(0.5)
        assert 0.4 < time.monotonic() - began < 2
        assert len(looks) < 60  # a few questions, no storm
        assert link.stats()["unwritten"] > 0
    _stop(peer, thread)


def test_the_end_does_not_wait_for_a_bridge_that_writes_nothing_more(endpoint, monkeypatch):
    from flarebridge import link as module

    monkeypatch.setattr(module, "_WRITTEN_STALL", 0.3)
    peer = Peer(endpoint, {})
    peer.unwritten = lambda events: 7
    thread = _serving(peer)
    with _linked(endpoint) as link:
        link.put(_event(0))
        assert link.wait_acknowledged(_DEADLINE)
        began = time.monotonic()
        assert not link.wait_written(_DEADLINE)
        assert time.monotonic() - began < 5
    _stop(peer, thread)


def test_an_older_bridge_that_does_not_say_what_is_written_is_not_waited_for(endpoint):
    peer = Peer(endpoint, {})
    thread = _serving(peer)
    with _linked(endpoint) as link:
        link.put(_event(0))
        assert link.wait_acknowledged(_DEADLINE)
        began = time.monotonic()
        assert link.unwritten is None
        link.wait_written(_DEADLINE)
        assert time.monotonic() - began < 1
    _stop(peer, thread)


def test_a_bridge_that_falls_silent_is_told_of_and_its_return_too(endpoint, monkeypatch):
    from flarebridge import reach

    monkeypatch.setattr(reach, "_SILENCE", 0.5)
    monkeypatch.setattr(reach, "_ANSWER", 0.3)
    peer = Peer(endpoint, {})
    with _linked(endpoint) as link:
        link.put(_event(0))
        peer.serve_until(lambda: link.unacknowledged == 0)
        _wait_for(lambda: link.reports, "a word about it")  # nobody serves
        assert link.reports[0][0] == "warning"
        assert "no bridge answers at" in link.reports[0][1]
        assert "events are kept" in link.reports[0][1]
        link.put(_event(1))
        peer.serve_until(lambda: link.unacknowledged == 0)
        assert ("info", "the bridge answers again") in link.reports
        assert _only(peer.journal) == [0, 1]
    peer.die()
