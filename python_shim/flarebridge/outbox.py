"""The way of events from a client to the server: ordered, in batches, acknowledged, sent again.

`put` is EventBuffer's (buffer.py). One background thread exchanges requests and replies with the server's
inbox (inbox.py) by a function that it is given: NVFlare's own channel in a job. An event is let go when the
server's bridge has it on disk.
"""

import secrets
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Callable, Optional

from .buffer import Batch, EventBuffer, Report

_BATCH_EVENTS = 512
_BATCH_BYTES = 256 << 10
_RETRY = 0.1  # seconds, doubled up to
_RETRY_MOST = 2.0
# Seconds between questions for what is durable by now, or whether there is room again; doubled while nothing gets on,
# up to _RETRY_MOST: each takes a thread of the server's, which the training needs (100 in NVFlare 2.5 to 2.9).
_POLL = 0.05
_STILL = 3  # questions by which nothing got on, after which events wait for their turn, too
_NO_RECEIVER = 10.0  # seconds after which a server that knows no inbox is believed
# Seconds between questions to a server that knows no inbox: it logs an error for each.
_UNKNOWN_FIRST, _UNKNOWN_NEXT = 2.0, 8.0
_TELL = 0.5  # seconds after which the server is told of counts that have changed
_TELL_LATE = 10.0  # seconds without an answer after which a person is told

DISABLED = "tracking is disabled on the server"  # as Outbox.off has it
_NO_SERVER = "server not available"  # why an event was dropped

# A request as a dict of plain values (inbox.py); the reply likewise, or None if there was none.
Exchange = Callable[[dict], Optional[dict]]


class Outbox(EventBuffer):
    """See the module. Making one starts nothing; start() does."""

    def __init__(self, exchange: Exchange, buffer_bytes: int, report: Report):
        """`exchange`: sends a request and waits for its reply, some seconds at most; called from the thread.

        `buffer_bytes`: memory that events take at most; beyond it events are counted and dropped.
        """
        super().__init__(buffer_bytes)
        self._exchange = exchange
        self._report = report
        self._session = secrets.token_hex(16)
        self._wakes: SimpleQueue = SimpleQueue()  # its put() may interrupt itself
        self._told: dict[str, int] = {}  # counts that the server knows
        self._waiters = 0  # threads in wait_acknowledged()
        self._close_at: Optional[float] = None  # time.monotonic() at which the thread leaves in any case
        # The thread's own.
        self._sealed: deque = deque()  # batches that are not durable, oldest first
        self._received = 0  # the last event that the server holds
        self._resent = 0
        self._still = 0  # replies in a row by which nothing got on
        self._answered = False
        self._thread = threading.Thread(target=self._run, name="flarebridge-outbox", daemon=True)

    # --- for any thread ---

    def start(self) -> None:
        self._thread.start()

    @property
    def unacknowledged(self) -> int:
        """Events that put() took and the server has not confirmed as durable."""
        return 0 if self._off is not None else self.accepted - self._acked

    def wait_acknowledged(self, seconds: float) -> bool:
        """Waits until every event is durable, and the server knows the counts of those that are not to be.

        False: the time is over, or there is no server to wait for.
        """

        def settled() -> bool:
            told = self._off is not None or self._dropped == self._told
            return (told and not self.unacknowledged) or not self._thread.is_alive()

        with self._progress:
            self._waiters += 1
            self._wake()
            self._progress.wait_for(settled, max(0.0, seconds))
            self._waiters -= 1
        return self.accepted == self._acked

    def close(self, seconds: float) -> None:
        """Sends what is left, says goodbye and ends the thread, within the seconds in all."""
        self._close_at = time.monotonic() + seconds
        self._wake()
        if self._thread.is_alive():
            self._thread.join(seconds + 0.5)

    def stats(self) -> dict:
        """Counts: accepted, acknowledged, resent events, drops by reason; `off`: why it ended, or None."""
        with self._lock:
            return {
                "accepted": self.accepted,
                "acknowledged": self._acked,
                "resent": self._resent,
                "dropped": dict(self._dropped),
                "off": self._off,
            }

    def forget_in_child(self) -> None:
        super().forget_in_child()
        self._wakes = SimpleQueue()
        self._sealed = deque()
        self._waiters = 0

    # --- parts of the above ---

    def _refusal(self) -> str:
        return "buffer full" if self._off is None else _NO_SERVER

    def _wake(self) -> None:
        self._sleeping = False
        self._wakes.put(None)

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as e:  # a defect of ours must not end silently, nor end the training
            self._turn_off(f"internal error in the forwarder: {type(e).__name__}: {e}")
        self._tell_progress()

    def _turn_off(self, why: str, told: bool = False) -> None:
        self._stop_taking(why, _NO_SERVER)
        self._sealed.clear()
        if not told:
            self._report("error", f"{why}. Training goes on; this site's metrics are not forwarded.")

    def _loop(self) -> None:
        started = time.monotonic()
        wait = _RETRY
        told = False
        greeted = asked_unknown = False
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
                self._told = request["dropped"]
                self._resent += self._on_reply(reply)
                if request["bye"] and not self.unacknowledged:
                    return
                if state == "full" or self._still > _STILL:
                    self._pause(self._patience())
                continue
            if state == "refused":
                self._turn_off("the server does not understand this site's flarebridge: their versions differ")
            elif state == "ended":
                self._turn_off("the server's receiver has ended its run", told=not self.unacknowledged)
            elif state == "disabled":
                self._turn_off(DISABLED, told=True)
            elif state == "off":
                self._turn_off("the server's bridge can't take events (the server's log says why)")
            elif state == "unknown" and now - started >= _NO_RECEIVER:
                self._turn_off("the server has no BridgeReceiver that takes forwarded events; add one to the job")
            elif self._close_at is not None and now >= self._close_at:
                return
            elif state == "unknown":
                self._pause(_UNKNOWN_NEXT if asked_unknown else _UNKNOWN_FIRST)
                asked_unknown = True
            else:
                if not told and not self._answered and now - started > _TELL_LATE:
                    told = True
                    self._report("warning", "the server does not answer yet; events are kept and sent again")
                self._pause(wait)
                wait = min(2 * wait, _RETRY_MOST)

    def _patience(self) -> float:
        """Seconds until the next question, after replies by which nothing got on."""
        return min(_POLL * 2 ** max(0, min(self._still, 10) - 1), _RETRY_MOST)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._close_at is None:
            if not self._woken_within(until - time.monotonic()):
                return
        self._woken_within(min(seconds, _POLL, max(0.01, self._close_at - time.monotonic())))

    def _woken_within(self, seconds: Optional[float]) -> bool:
        """Waits for a call of _wake(); None: for as long as it takes."""
        try:
            self._wakes.get(timeout=None if seconds is None else max(0.0, seconds))
        except Empty:
            return False
        return True

    def _next_request(self, greeted: bool) -> Optional[dict]:
        """Waits until there is something to say. None: it is time to leave without a word."""
        while True:
            closing = self._close_at is not None
            batch = self._unreceived()
            if batch is not None or not greeted or closing:
                break
            # Nothing to send; what is on its way to the disk is asked for a little later.
            untold = self._dropped != self._told
            if untold and self._waiters:
                break
            wait = self._patience() if self.unacknowledged else _TELL if untold else None
            self._sleeping = True
            # What was put before the flag was up is seen here; what comes after it wakes us.
            woken = self._has_unbatched() or self._close_at is not None or self._woken_within(wait)
            self._sleeping = False
            if not woken and wait is not None:
                break
        if closing and time.monotonic() >= self._close_at:
            return None
        with self._lock:
            dropped = dict(self._dropped)
        return {
            "session": self._session,
            "first": batch.first if batch else self._received + 1,
            "count": batch.count if batch else 0,
            "durable": self._acked,
            "events": batch.body if batch else b"",
            "bye": closing and batch is None,
            "dropped": dropped,
        }

    def _unreceived(self) -> Optional[Batch]:
        """The first batch that the server does not hold whole; a new one from the queue if there is none."""
        for batch in self._sealed:
            if batch.last > self._received:
                return batch
        batch = self._next_batch(_BATCH_EVENTS, _BATCH_BYTES)
        if batch is not None:
            self._sealed.append(batch)
        return batch

    def _on_reply(self, reply: dict) -> int:
        """Takes in what the server holds. Gives the number of events that must be sent again."""
        received, durable = int(reply["received"]), int(reply["durable"])
        again = max(0, self._received - received)
        self._still = 0 if durable > self._acked or not self.unacknowledged else self._still + 1
        # A server whose job process was started anew knows less than it did.
        self._received = max(received, self._acked)
        if self._acked < durable <= self.accepted:
            freed = 0
            while self._sealed and self._sealed[0].last <= durable:
                freed += self._sealed.popleft().buffered
            self._give_back(freed)
            self._acked = durable
        self._tell_progress()
        return again
