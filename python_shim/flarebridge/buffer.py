"""The bounded buffer between those who log and a background thread: what Link and Outbox have in common.

`put` may be called from any thread, from a signal handler in the middle of another `put`, and from a
forked child. It never waits for anything but another thread's turn with the lock, and never raises.
"""

import threading
from collections import defaultdict
from typing import Callable, NamedTuple, Optional

from .forks import forget_in_child

EVENT_OVERHEAD = 48  # bytes that CPython adds to an event in the queue: the object's head and its place in the list
FORKED = "forked"  # as EventBuffer.off has it in a child

# "info", "warning" or "error", and the text.
Report = Callable[[str, str], None]


class Batch(NamedTuple):
    """Events as one piece; `first` is the number of the first."""

    first: int
    count: int
    body: bytes

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    @property
    def buffered(self) -> int:
        """Bytes that it takes of the buffer."""
        return len(self.body) + self.count * EVENT_OVERHEAD


class EventBuffer:
    """See the module. Who inherits from it has the thread, and says how it is woken and how refusals are called."""

    # Looked up faster than in a dict, by each log call.
    __slots__ = (
        "_limit", "_lock", "_queue", "_handed_on", "_buffered", "_dropped", "_off", "_acked", "_progress", "_sleeping",
        "_taken", "_used", "_next_seq", "__weakref__",
    )  # fmt: skip

    def __init__(self, buffer_bytes: int):
        """`buffer_bytes`: memory that events take at most, sent or not; beyond it events are counted and dropped."""
        self._limit = buffer_bytes  # below 0: nothing is taken any more
        # Reentrant: a signal handler that logs may interrupt a log call. What stands under it is written so that it
        # holds whatever such a call does in between: no value is read, kept over a call, and written back. (Before
        # Python 3.10 it may come between any two instructions, and a count may then be short by a few; no event is.)
        self._lock = threading.RLock()
        self._queue: list = []  # events, oldest first; the thread takes all of them at once
        self._handed_on = 0  # events that the thread has taken from the queue
        self._buffered = 0  # bytes of all events that are not acknowledged, with their overhead
        self._dropped: dict[str, int] = defaultdict(int)  # reason -> events
        self._off: Optional[str] = None  # why nothing is taken any more
        self._acked = 0  # the last event that is safe, with all before it
        self._progress = threading.Condition()
        self._sleeping = False  # the thread waits to be woken
        # The thread's own.
        self._taken: list = []  # events, of which the first `_used` are in batches
        self._used = 0
        self._next_seq = 1
        forget_in_child(self)

    # --- for any thread ---

    def put(self, event: bytes) -> int:
        """Takes over one event. Gives its number, or 0 if it was dropped and counted. Costs about a microsecond."""
        number = self.offer(event)
        if not number:
            self.count_refusal()
        return number

    def offer(self, event: bytes) -> int:
        """As put, but what can't be taken now is not counted: the caller keeps it."""
        size = len(event) + EVENT_OVERHEAD
        with self._lock:
            buffered = self._buffered + size
            if buffered > self._limit:
                return 0
            self._buffered = buffered
            queue = self._queue
            queue.append(event)
            number = self._handed_on + len(queue)
        # The thread is woken only when it has said that it sleeps: no system call per event.
        if self._sleeping:
            self._wake()
        return number

    def put_last(self, event: bytes) -> None:
        """Takes over the event whatever room there is; every later one is refused."""
        with self._lock:
            if self._off is None:
                self._queue.append(event)
                self._buffered += len(event) + EVENT_OVERHEAD
                self._limit = -1
        self._wake()

    def count_refusal(self) -> None:
        """Counts an event that offer() did not take and that is not kept."""
        self.count_drop(self._refusal())

    def count_drop(self, reason: str, events: int = 1) -> None:
        """Counts events that are not kept. There are to be few reasons."""
        with self._lock:
            self._dropped[reason] += events

    def take_back(self, why: str) -> list:
        """Nothing is taken any more. Gives the events that no thread will send: those that were in no batch yet.

        Only behind the end of the thread.
        """
        with self._lock:
            events = self._taken[self._used :] + self._queue
            self._off = why
            self._limit = -1
            self._handed_on += len(self._queue)
            self._forget_events()
        self._tell_progress()
        return events

    @property
    def off(self) -> Optional[str]:
        """Why nothing is taken any more, or None."""
        return self._off

    @property
    def acknowledged(self) -> int:
        """The number of the last event that is safe, with all before it."""
        return self._acked

    @property
    def accepted(self) -> int:
        """Events that were taken over so far."""
        with self._lock:
            return self._handed_on + len(self._queue)

    def wait_for_number(self, number: int, seconds: float) -> None:
        """Waits until the event of that number is safe, for so many seconds at most."""
        with self._progress:
            self._progress.wait_for(lambda: self._acked >= number or self._off is not None, seconds)

    def forget_in_child(self) -> None:
        """In a forked child the thread and what it holds are not ours: nothing is taken, nothing was."""
        self._lock = threading.RLock()
        self._progress = threading.Condition()
        self._off = FORKED
        self._limit = -1
        self._forget_events()
        self._handed_on = self._acked = 0
        self._dropped = defaultdict(int)

    # --- for who inherits from it ---

    def _refusal(self) -> str:
        """Why an event is refused now."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Wakes the thread; called from any thread and from signal handlers."""
        raise NotImplementedError

    def _forget_events(self) -> None:
        """Lets go of all events, in memory at once."""
        self._queue = []
        self._taken = []
        self._used = 0
        self._buffered = 0

    def _stop_taking(self, why: str, lost: str) -> None:
        """Nothing is taken any more; what is not acknowledged is counted as `lost` and forgotten."""
        with self._lock:
            self._off = why
            self._limit = -1
            open_events = self._handed_on + len(self._queue) - self._acked
            if open_events:
                self._dropped[lost] += open_events
            # The numbers stay what they were.
            self._handed_on += len(self._queue)
            self._forget_events()
        self._tell_progress()

    def _has_unbatched(self) -> bool:
        return bool(self._queue) or self._used < len(self._taken)

    def _next_batch(self, most_events: int, most_bytes: int) -> Optional[Batch]:
        """The next events as a batch, one of them at least; None: there are none. The thread's."""
        if self._used == len(self._taken):
            with self._lock:
                taken = self._queue
                self._queue = []
                self._handed_on += len(taken)
            self._taken = taken
            self._used = 0
        # Nothing is done for each event: whoever logs waits for this thread's turn with the interpreter.
        events = self._taken[self._used : self._used + most_events]
        body = b"".join(events)
        while len(body) > most_bytes and len(events) > 1:
            events = events[: len(events) // 2]
            body = b"".join(events)
        if not events:
            return None
        until = self._used + len(events)
        self._taken[self._used : until] = [None] * len(events)  # the batch alone holds them from here on
        self._used = until
        batch = Batch(self._next_seq, len(events), body)
        self._next_seq += len(events)
        return batch

    def _give_back(self, freed: int) -> None:
        with self._lock:
            self._buffered -= freed

    def _tell_progress(self) -> None:
        with self._progress:
            self._progress.notify_all()
