"""One training process as the forwarder knows it, and what it left behind if it ended. TrainerLink's thread alone."""

from collections import deque
from typing import Optional

from .last_records import look, records_of

_BATCH_EVENTS, _BATCH_BYTES = 512, 256 << 10


class Peer:
    """A training process's session: what came of it, and what is durable."""

    def __init__(self, session: str, now: float):
        """`now`: time.monotonic()."""
        self.session = session
        self.received = self.durable = self.acknowledged = 0  # numbers of records
        self.waiting: deque = deque()  # (first, count, body) of batches for which there was no room
        self.heard = self.got = now  # it said something; a new record came
        self.over: Optional[bool] = None  # its process has ended; None: that can't be told
        self.known = 0  # the last record that was read of its file
        self.recovered = 0  # records that were read of its file
        self.missing = 0  # records that are lost

    def request(self, first: int, count: int, body: bytes, bye: bool = False) -> dict:
        """As Inbox.take() has it."""
        durable = self.acknowledged
        return {
            "session": self.session, "first": first, "count": count, "durable": durable, "events": body, "bye": bye
        }  # fmt: skip

    def forget_waiting(self) -> None:
        """What waits can't be taken."""
        self.waiting.clear()
        self.known = self.received


def recover(peer: Peer, file: str) -> None:
    """Puts what a training process could not send behind what came of it, as far as its file has it."""
    left = look(file)
    if left is None or peer.waiting or left.last <= max(peer.received, peer.known):
        return
    events: list = []
    size = 0
    number = peer.received
    for following, event in records_of(file, peer.received):
        joins = following == number + 1
        if not joins and not peer.over:
            break  # what is between is still in the process
        if events and (not joins or len(events) == _BATCH_EVENTS or size + len(event) > _BATCH_BYTES):
            _append(peer, number, events)
            events, size = [], 0
        events.append(event)
        size += len(event)
        number = following
    if events:
        _append(peer, number, events)


def _append(peer: Peer, last: int, events: list) -> None:
    peer.waiting.append((last + 1 - len(events), len(events), b"".join(events)))
    peer.recovered += len(events)
    peer.known = last
