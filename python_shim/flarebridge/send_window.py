"""The batches that the bridge has not confirmed, and how much may be on its way to it. Link's thread's own."""

from collections import deque
from typing import Callable, Optional

from .buffer import Batch


class SendWindow:
    """Batches in their order: those under way, then those that were under way on a connection before."""

    def __init__(self):
        self.credit = 0  # bytes that may be under way; the bridge says it
        self.resent = 0  # events that were sent a second time
        self._sent: deque[Batch] = deque()
        self._unsent: deque[Batch] = deque()
        self._in_flight = 0  # bytes

    @property
    def open(self) -> bool:
        """Whether one more batch may be sent."""
        return self._in_flight < self.credit

    def send_next(self, new_batch: Callable[[], Optional[Batch]], send: Callable[[Batch], bool]) -> Optional[bool]:
        """Sends the next batch, one from before first. None: there is none. False: it could not be sent, and waits."""
        batch = self._unsent.popleft() if self._unsent else new_batch()
        if batch is None:
            return None
        if not send(batch):
            self._unsent.appendleft(batch)
            return False
        self._sent.append(batch)
        self._in_flight += len(batch.body)
        return True

    def confirm(self, acked: int) -> int:
        """Forgets the batches up to that event; gives the bytes of the buffer that are free by it."""
        freed = 0
        for batches, in_flight in ((self._sent, True), (self._unsent, False)):
            while batches and batches[0].last <= acked:
                batch = batches.popleft()
                freed += batch.buffered
                self._in_flight -= len(batch.body) if in_flight else 0
        return freed

    def begin_again(self) -> None:
        """A new connection: what was under way is to be sent again."""
        self.resent += sum(batch.count for batch in self._sent)
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self._in_flight = 0

    def clear(self) -> None:
        self._sent.clear()
        self._unsent.clear()
        self._in_flight = 0
