"""Outbox and Inbox over a channel that loses, repeats and delays: every event once, in order."""

import random
import threading
import time

import msgpack
import pytest
from flarebridge.events import Encoder
from flarebridge.inbox import BadRequest, Inbox
from flarebridge.outbox import Outbox

_DEADLINE = 30.0


class _FakeLink:
    """Takes events within a limit, and has them on disk when it is told to."""

    def __init__(self, limit: int = 1 << 30, durable_at_once: bool = True):
        self.events: list[bytes] = []
        self.limit, self.acknowledged, self.off = limit, 0, None
        self._at_once = durable_at_once

    def offer(self, event: bytes) -> int:
        if len(self.events) - self.acknowledged >= self.limit:
            return 0
        self.events.append(event)
        if self._at_once:
            self.acknowledged = len(self.events)
        return len(self.events)

    def wait_for_number(self, number: int, seconds: float) -> None:
        pass

    def values(self) -> list:
        return [msgpack.unpackb(event)[6] for event in self.events]


def _event(value: int, site: str = "site-1") -> bytes:
    return Encoder().data(1.0, site, "METRIC", "WANDB", "m", value, value)


def _outbox(exchange, buffer_bytes: int = 1 << 20) -> tuple[Outbox, list]:
    said: list = []
    return Outbox(exchange, buffer_bytes, lambda level, text: said.append((level, text))), said


def _wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {_DEADLINE} s: {what}"
        time.sleep(0.005)


def test_events_arrive_once_and_in_order():
    link = _FakeLink()
    inbox = Inbox(link)
    outbox, said = _outbox(lambda request: inbox.take("site-1", request))
    outbox.start()
    numbers = [outbox.put(_event(i)) for i in range(5000)]
    assert numbers == list(range(1, 5001))
    assert outbox.wait_acknowledged(_DEADLINE)
    outbox.close(5.0)
    assert link.values() == list(range(5000))
    assert not said
    assert not inbox.expecting


@pytest.mark.parametrize("seed", range(30))
def test_a_channel_that_loses_repeats_and_fills_up_changes_nothing(seed):
    chance = random.Random(seed)
    link = _FakeLink(limit=chance.choice([1, 7, 600]), durable_at_once=False)
    inbox = Inbox(link)
    earlier: list[dict] = []

    def exchange(request: dict):
        link.acknowledged += chance.randint(0, len(link.events) - link.acknowledged)
        if chance.random() < 0.2:
            return None  # the request is lost
        if earlier and chance.random() < 0.2:
            inbox.take("site-1", chance.choice(earlier))  # an old one comes late
        earlier.append(request)
        reply = inbox.take("site-1", request)
        return None if chance.random() < 0.2 else reply  # the reply is lost

    outbox, _ = _outbox(exchange)
    outbox._pause = lambda seconds: time.sleep(0)  # time is not what is tested here
    outbox.start()
    for i in range(1500):
        outbox.put(_event(i))
    assert outbox.wait_acknowledged(_DEADLINE)
    outbox.close(5.0)
    assert link.values() == list(range(1500))


def test_a_server_process_that_begins_anew_gets_what_was_not_durable():
    links = [_FakeLink(durable_at_once=False), _FakeLink()]
    inboxes = [Inbox(link) for link in links]
    gone = threading.Event()
    outbox, _ = _outbox(lambda request: inboxes[gone.is_set()].take("site-1", request))
    outbox.start()
    for i in range(100):
        outbox.put(_event(i))
    _wait_for(lambda: len(links[0].events) == 100, "all events at the first server")
    links[0].acknowledged = 40
    _wait_for(lambda: outbox.acknowledged == 40, "forty durable events")
    gone.set()
    assert outbox.wait_acknowledged(_DEADLINE)
    outbox.close(5.0)
    assert links[1].values() == list(range(40, 100))


def test_what_does_not_fit_is_counted_and_the_server_is_told():
    link = _FakeLink()
    inbox = Inbox(link)
    closed = threading.Event()
    outbox, _ = _outbox(lambda request: inbox.take("site-1", request) if closed.is_set() else None, 1000)
    outbox.start()
    taken = [outbox.put(_event(i)) for i in range(100)]
    assert 0 in taken
    closed.set()
    assert outbox.wait_acknowledged(_DEADLINE)
    outbox.close(5.0)
    assert outbox.stats()["dropped"] == {"buffer full": taken.count(0)}
    assert inbox.dropped() == {"buffer full at site-1": taken.count(0)}


def test_without_a_receiver_it_gives_up_and_says_so(monkeypatch):
    monkeypatch.setattr("flarebridge.outbox._NO_RECEIVER", 0.0)
    outbox, said = _outbox(lambda _request: {"state": "unknown"})
    outbox.start()
    outbox.put(_event(1))
    _wait_for(lambda: outbox.off is not None, "the outbox to give up")
    outbox.put(_event(2))
    assert [level for level, _ in said] == ["error"]
    assert "BridgeReceiver" in said[0][1]
    assert outbox.stats()["dropped"] == {"server not available": 2}
    assert outbox.unacknowledged == 0


def test_a_run_that_ended_at_the_server_is_an_error_only_if_something_is_lost():
    for events, errors in ((0, 0), (3, 1)):
        link = _FakeLink()
        inbox = Inbox(link)
        inbox.end()
        started = threading.Event()
        outbox, said = _outbox(lambda request, i=inbox, s=started: s.wait(_DEADLINE) and i.take("site-1", request))
        outbox.start()
        for i in range(events):
            outbox.put(_event(i))
        started.set()
        _wait_for(lambda o=outbox: o.off is not None, "the outbox to see the end")
        assert len(said) == errors


@pytest.mark.parametrize(("state", "errors"), [("off", 1), ("disabled", 0), ("refused", 1)])
def test_a_server_that_takes_nothing_is_told_of_once_or_not_at_all(state, errors):
    outbox, said = _outbox(lambda _request: {"state": state, "received": 0, "durable": 0})
    outbox.start()
    _wait_for(lambda: outbox.off is not None, "the outbox to give up")
    outbox.put(_event(1))
    outbox.close(1.0)
    assert len(said) == errors


def test_closing_never_takes_longer_than_it_may():
    outbox, _ = _outbox(lambda _request: None)
    outbox.start()
    outbox.put(_event(1))
    began = time.monotonic()
    outbox.close(0.5)
    assert time.monotonic() - began < 5.0
    assert not outbox._thread.is_alive()


def test_after_the_end_nothing_comes_behind_it():
    """A request that is at work when the run ends is in before end() returns, or not at all."""
    for _ in range(50):
        link = _FakeLink()
        inbox = Inbox(link)
        body = b"".join(_event(i) for i in range(200))
        request = {"session": "a1", "first": 1, "count": 200, "durable": 0, "events": body}
        inbox.take("site-1", {**request, "count": 0, "events": b""})
        taker = threading.Thread(target=inbox.take, args=("site-1", request))
        taker.start()
        inbox.end()
        held = len(link.events)
        taker.join()
        assert len(link.events) == held


def test_a_site_can_write_as_itself_only():
    link = _FakeLink()
    inbox = Inbox(link)
    body = _event(1, site="somebody-else")
    inbox.take("site-1", {"session": "a1", "first": 1, "count": 1, "durable": 0, "events": body})
    assert msgpack.unpackb(link.events[0])[2] == "site-1"


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"session": "../x", "first": 1, "count": 0, "durable": 0, "events": b""},
        {"session": "a1", "first": 0, "count": 0, "durable": 0, "events": b""},
        {"session": "a1", "first": True, "count": 0, "durable": 0, "events": b""},
        {"session": "a1", "first": 1, "count": 10**9, "durable": 0, "events": b""},
        {"session": "a1", "first": 1, "count": 0, "durable": -1, "events": b""},
        {"session": "a1", "first": 1, "count": 2, "durable": 0, "events": _event(1)},
        {"session": "a1", "first": 1, "count": 1, "durable": 0, "events": "text"},
        {"session": "a1", "first": 1, "count": 1, "durable": 0, "events": b"\xc1"},
        {"session": "a1", "first": 1, "count": 1, "durable": 0, "events": b"\x91" * 5000},
        {"session": "a1", "first": 1, "count": 0, "durable": 0, "events": b"x" * (5 << 20)},
    ],
)
def test_requests_that_make_no_sense_are_refused(request_):
    link = _FakeLink()
    with pytest.raises(BadRequest):
        Inbox(link).take("site-1", request_)
    assert not link.events


def test_events_that_are_no_records_are_counted_and_the_others_taken():
    link = _FakeLink()
    inbox = Inbox(link)
    body = msgpack.packb([0, 1.0, "job"]) + _event(5) + msgpack.packb("text") + msgpack.packb([4, 1.0, 0, ""])
    reply = inbox.take("site-1", {"session": "a1", "first": 1, "count": 4, "durable": 0, "events": body})
    assert reply == {"state": "taken", "received": 4, "durable": 4}
    assert link.values() == [5]
    assert inbox.dropped() == {"malformed from site-1": 3}


def test_a_silent_forwarder_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("flarebridge.inbox._QUIET", 0.2)
    inbox = Inbox(_FakeLink())
    inbox.take("site-1", {"session": "a1", "first": 1, "count": 0, "durable": 0, "events": b""})
    assert inbox.expecting
    _wait_for(lambda: not inbox.expecting, "silence to be noticed")


def _request(session: str, first: int, values: list, **more) -> dict:
    body = b"".join(map(_event, values))
    return {"session": session, "first": first, "count": len(values), "events": body, "durable": 0, **more}


def test_many_live_processes_of_a_site_bring_each_record_once():
    link = _FakeLink(durable_at_once=False)
    inbox = Inbox(link)
    names = [f"session{i}" for i in range(300)]
    for _ in range(3):  # each asks again, for nothing is durable
        for i, name in enumerate(names):
            assert inbox.take("site-1", _request(name, 1, [i]))["received"] == 1
    assert sorted(link.values()) == list(range(300))


def test_whoever_has_been_unheard_the_longest_is_forgotten_first_and_its_counts_stay(monkeypatch):
    monkeypatch.setattr("flarebridge.inbox._SESSIONS", 3)
    monkeypatch.setattr("flarebridge.inbox._MOST_SESSIONS", 4)
    link = _FakeLink()
    inbox = Inbox(link)

    def held() -> str:
        return "".join(sorted(inbox._sites["site-1"].sessions))

    for i, name in enumerate("abc"):
        inbox.take("site-1", _request(name, 1, [i], dropped={"buffer full": 1 + i}))
    inbox.take("site-1", _request("b", 2, [], bye=True, dropped={"buffer full": 2}))
    inbox.take("site-1", _request("a", 2, [], dropped={"buffer full": 1}))
    inbox.take("site-1", _request("d", 1, [3]))
    assert held() == "acd"  # not the oldest one: who said goodbye
    inbox.take("site-1", _request("e", 1, [4]))
    assert held() == "acde"  # all may have more to say
    inbox.take("site-1", {**_request("f", 1, [5]), "events": msgpack.packb("nonsense")})
    assert held() == "adef"  # as many as there may be
    for name in "ghij":
        inbox.take("site-1", _request(name, 1, []))
    assert inbox.dropped() == {"buffer full at site-1": 1 + 2 + 3, "malformed from site-1": 1}
    assert inbox.rejected("site-1") == 1


class _StuckLink(_FakeLink):
    """Its bridge confirms nothing; knows how many wait for it at a time."""

    def __init__(self):
        super().__init__(durable_at_once=False)
        self._lock = threading.Lock()
        self.waiting = self.most = 0

    def wait_for_number(self, number: int, seconds: float) -> None:
        with self._lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        threading.Event().wait(seconds)
        with self._lock:
            self.waiting -= 1


def test_two_hundred_sites_hold_eight_of_the_servers_threads_while_nothing_gets_durable():
    link = _StuckLink()
    inbox = Inbox(link)
    asked = [0] * 200

    def exchange_of(number: int):
        def exchange(request: dict) -> dict:
            asked[number] += 1
            return inbox.take(f"site-{number}", request)

        return exchange

    outboxes = [_outbox(exchange_of(number))[0] for number in range(len(asked))]
    for number, outbox in enumerate(outboxes):
        outbox.put(_event(number))
        outbox.start()
    _wait_for(lambda: min(asked) >= 4, "four questions of each site")
    assert link.most <= 8
    link.acknowledged = len(link.events)
    _wait_for(lambda: not any(outbox.unacknowledged for outbox in outboxes), "everything to be durable")
    for outbox in outboxes:
        outbox.close(5)
    assert sorted(link.values()) == list(range(len(asked)))


@pytest.mark.parametrize("state", ["taken", "full"])
def test_questions_get_rare_while_nothing_gets_durable_and_are_quick_again_behind_it(state):
    times: list[float] = []
    durable = [0]

    def exchange(request: dict) -> dict:
        times.append(time.monotonic())
        received = request["first"] + request["count"] - 1
        return {"state": state, "received": received, "durable": durable[0]}

    outbox, _ = _outbox(exchange)
    outbox.start()
    outbox.put(_event(1))
    _wait_for(lambda: len(times) > 1 and times[-1] - times[-2] > 1.5, "questions nearly two seconds apart")
    assert len(times) < 12
    outbox.put(_event(2))  # what is logged meanwhile waits for its turn
    durable[0] = 2
    _wait_for(lambda: not outbox.unacknowledged, "all to be durable")
    assert outbox._still == 0
    outbox.close(5)


def test_a_server_without_a_receiver_is_asked_three_times():
    """NVFlare's server logs an error for each question about what it does not know."""
    times: list[float] = []
    outbox, said = _outbox(lambda _request: times.append(time.monotonic()) or {"state": "unknown"})
    outbox.start()
    outbox.put(_event(1))
    _wait_for(lambda: outbox.off is not None, "the outbox to give up")
    assert len(times) == 3
    assert [level for level, _ in said] == ["error"]
