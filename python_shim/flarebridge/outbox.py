"""The way of events from a client to the server: ordered, in batches, acknowledged, sent again.

`put` may be called from any thread, never waits and never raises. One background thread exchanges
requests and replies with the server's inbox (inbox.py) by a function that it is given: NVFlare's own
channel in a job. An event is let go when the server's bridge has it on disk.
"""

import secrets
import threading
import time
from collections import deque
from typing import Callable, NamedTuple, Optional

from .link import EVENT_OVERHEAD, Report

_BATCH_EVENTS = 512
_BATCH_BYTES = 256 << 10
_RETRY = 0.1  # seconds, doubled up to
_RETRY_MOST = 2.0
_POLL = 0.05  # seconds between questions for what is durable by now, or whether there is room again
_NO_RECEIVER = 10.0  # seconds after which a server that knows no inbox is believed
_TELL = 0.5  # seconds after which the server is told of counts that have changed
_TELL_LATE = 10.0  # seconds without an answer after which a person is told

DISABLED = "tracking is disabled on the server"  # as Outbox.off has it

# A request as a dict of plain values (inbox.py); the reply likewise, or None if there was none.
Exchange = Callable[[dict], Optional[dict]]


class _Batch(NamedTuple):
    first: int
    count: int
    body: bytes

    @property
    def last(self) -> int:
        return self.first + self.count - 1


class Outbox:
    """See the module. Making one starts nothing; start() does."""

    def __init__(self, exchange: Exchange, buffer_bytes: int, report: Report):
        """`exchange`: sends a request and waits for its reply, some seconds at most; called from the thread.

        `buffer_bytes`: memory that events take at most; beyond it events are counted and dropped.
        """
        self._exchange = exchange
        self._limit = buffer_bytes
        self._report = report
        self._session = secrets.token_hex(16)
        self._lock = threading.Lock()  # taken by itself for each event, which is faster
        self._changed = threading.Condition(self._lock)
        self._queue: deque = deque()  # events, oldest first
        self._buffered = 0  # bytes of events that are not durable, with their overhead
        self._accepted = 0
        self._durable = 0
        self._dropped: dict[str, int] = {}
        self._told: dict[str, int] = {}  # counts that the server knows
        self._waiters = 0  # threads in wait_acknowledged()
        self._off: Optional[str] = None
        self._close_at: Optional[float] = None  # time.monotonic() at which the thread leaves in any case
        # The thread's own.
        self._sealed: deque = deque()  # batches that are not durable, oldest first
        self._received = 0  # the last event that the server holds
        self._next_seq = 1
        self._resent = 0
        self._answered = False
        self._thread = threading.Thread(target=self._run, name="flarebridge-outbox", daemon=True)

    # --- for any thread ---

    def start(self) -> None:
        self._thread.start()

    def put(self, event: bytes) -> int:
        """Takes over one event. Gives its number, or 0 if it was dropped and counted."""
        number = self.offer(event)
        if not number:
            self.count_refusal()
        return number

    def offer(self, event: bytes) -> int:
        """As put, but what can't be taken now is not counted: the caller keeps it."""
        with self._lock:
            if self._off is not None or self._buffered + len(event) + EVENT_OVERHEAD > self._limit:
                return 0
            if not self._queue:
                self._changed.notify_all()
            self._queue.append(event)
            self._buffered += len(event) + EVENT_OVERHEAD
            self._accepted += 1
            return self._accepted

    def count_refusal(self) -> None:
        """Counts an event that offer() did not take and that is not kept."""
        self.count_drop("buffer full" if self._off is None else "server not available")

    def count_drop(self, reason: str) -> None:
        with self._changed:
            self._dropped[reason] = self._dropped.get(reason, 0) + 1

    @property
    def off(self) -> Optional[str]:
        """Why nothing is taken any more, or None."""
        return self._off

    @property
    def acknowledged(self) -> int:
        """The number of the last event that is durable, with all before it."""
        return self._durable

    @property
    def unacknowledged(self) -> int:
        """Events that put() took and the server has not confirmed as durable."""
        return 0 if self._off is not None else self._accepted - self._durable

    def wait_acknowledged(self, seconds: float) -> bool:
        """Waits until every event is durable, and the server knows the counts of those that are not to be.

        False: the time is over, or there is no server to wait for.
        """

        def settled() -> bool:
            told = self._off is not None or self._dropped == self._told
            return (told and not self.unacknowledged) or not self._thread.is_alive()

        with self._changed:
            self._waiters += 1
            self._changed.notify_all()
            self._changed.wait_for(settled, max(0.0, seconds))
            self._waiters -= 1
            return self._accepted == self._durable

    def wait_for_number(self, number: int, seconds: float) -> None:
        """Waits until the event of that number is durable, for so many seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._durable >= number or self._off is not None, seconds)

    def close(self, seconds: float) -> None:
        """Sends what is left, says goodbye and ends the thread, within the seconds in all."""
        with self._changed:
            self._close_at = time.monotonic() + seconds
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds + 0.5)

    def stats(self) -> dict:
        """Counts: accepted, acknowledged, resent events, drops by reason; `off`: why it ended, or None."""
        with self._changed:
            return {
                "accepted": self._accepted,
                "acknowledged": self._durable,
                "resent": self._resent,
                "dropped": dict(self._dropped),
                "off": self._off,
            }

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as e:  # a defect of ours must not end silently, nor end the training
            self._turn_off(f"internal error in the forwarder: {type(e).__name__}: {e}")
        with self._changed:
            self._changed.notify_all()

    def _turn_off(self, why: str, told: bool = False) -> None:
        with self._changed:
            self._off = why
            lost = self._accepted - self._durable
            if lost:
                self._dropped["server not available"] = self._dropped.get("server not available", 0) + lost
            self._queue.clear()
            self._sealed.clear()
            self._buffered = 0
            self._changed.notify_all()
        if not told:
            self._report("error", f"{why}. Training goes on; this site's metrics are not forwarded.")

    def _loop(self) -> None:
        started = time.monotonic()
        wait = _RETRY
        told = False
        greeted = False
        while self._off is None:
            request = self._next_request(greeted)
            if request is None:
                return
            reply = self._exchange(request)
            now = time.monotonic()
            state = reply.get("state") if reply else None
            if state in ("taken", "full"):
                greeted = self._answered = True
                wait = _RETRY
                with self._changed:
                    self._told = request["dropped"]
                    self._changed.notify_all()
                self._resent += self._on_reply(reply)
                if request["bye"] and not self.unacknowledged:
                    return
                if state == "full":
                    self._pause(_POLL)
                continue
            if state == "refused":
                self._turn_off("the server does not understand this site's flarebridge: their versions differ")
            elif state == "ended":
                self._turn_off("the server's receiver has ended its run", told=not self.unacknowledged)
            elif state == "disabled":
                self._turn_off(DISABLED, told=True)
            elif state == "off":
                self._turn_off("the server's bridge can't take events (the server's log says why)")
            elif state == "unknown" and now - started > _NO_RECEIVER:
                self._turn_off("the server has no BridgeReceiver that takes forwarded events; add one to the job")
            elif self._close_at is not None and now >= self._close_at:
                return
            else:
                if not told and not self._answered and now - started > _TELL_LATE:
                    told = True
                    self._report("warning", "the server does not answer yet; events are kept and sent again")
                self._pause(wait)
                wait = min(2 * wait, _RETRY_MOST)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if self._close_at is not None:
                seconds = min(seconds, max(0.01, self._close_at - time.monotonic()))
                self._changed.wait(min(seconds, _POLL))
            else:
                self._changed.wait_for(lambda: self._close_at is not None, seconds)

    def _next_request(self, greeted: bool) -> Optional[dict]:
        """Waits until there is something to say. None: it is time to leave without a word."""
        batch = None
        with self._changed:
            while True:
                closing = self._close_at is not None
                batch = self._unreceived()
                if batch is not None or not greeted or closing:
                    break
                # Nothing to send; what is on its way to the disk is asked for a little later.
                untold = self._dropped != self._told
                if untold and self._waiters:
                    break
                wait = _POLL if self._accepted > self._durable else _TELL if untold else None
                if not self._changed.wait(wait) and wait is not None:
                    break
            if closing and time.monotonic() >= self._close_at:
                return None
            first = batch.first if batch else self._received + 1
            return {
                "session": self._session,
                "first": first,
                "count": batch.count if batch else 0,
                "durable": self._durable,
                "events": batch.body if batch else b"",
                "bye": closing and batch is None,
                "dropped": dict(self._dropped),
            }

    def _unreceived(self) -> Optional[_Batch]:
        """The first batch that the server does not hold whole; a new one from the queue if there is none."""
        for batch in self._sealed:
            if batch.last > self._received:
                return batch
        events = []
        size = 0
        while self._queue and len(events) < _BATCH_EVENTS and size < _BATCH_BYTES:
            events.append(self._queue.popleft())
            size += len(events[-1])
        if not events:
            return None
        batch = _Batch(self._next_seq, len(events), b"".join(events))
        self._next_seq += len(events)
        self._sealed.append(batch)
        return batch

    def _on_reply(self, reply: dict) -> int:
        """Takes in what the server holds. Gives the number of events that must be sent again."""
        received, durable = int(reply["received"]), int(reply["durable"])
        with self._changed:
            again = max(0, self._received - received)
            # A server whose job process was started anew knows less than it did.
            self._received = max(received, self._durable)
            if self._durable < durable <= self._accepted:
                self._durable = durable
                while self._sealed and self._sealed[0].last <= durable:
                    batch = self._sealed.popleft()
                    self._buffered -= len(batch.body) + batch.count * EVENT_OVERHEAD
                self._changed.notify_all()
            return again
