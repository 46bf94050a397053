"""Records of this process on their way into a buffer: asked for at the gate, encoded, cut where they are too large.

Used by BridgeForwarder, and by a client's BridgeReceiver for BridgeWriter in its own process (local_site.py). Any
thread, a signal handler in the middle of another call too. Nothing here waits or raises: what can't be taken is counted
in the buffer, which tells it at the run's end.
"""

import threading
import time
from typing import Any, Optional

import msgpack

from .buffer import EventBuffer
from .cutting import Parts
from .events import OUR_TYPES, Encoder, EventRejected, Record, numbers_of, record_of
from .forks import forget_in_child
from .gate import Gate
from .large import NO_WAY, has_large
from .sampling import NoSampling, begin
from .spool import NotFrozen


class Taker:
    """One way out of a site."""

    __slots__ = ("buffer", "_gate", "_policy", "_encoder", "_parts", "_site", "_lock", "__weakref__")

    def __init__(self, buffer: EventBuffer, gate: Gate, encoder: Encoder, parts: Parts, site: str):
        """`site`: the checked name under which the records go."""
        self.buffer = buffer
        self._gate, self._policy = gate, gate.policy
        self._encoder, self._parts, self._site = encoder, parts, site
        self._lock = threading.RLock()
        forget_in_child(self)

    def take(
        self, data_type: Any, writer: Any, tag: Any, value: Any, step: Any, path: Optional[str], extra: Optional[dict]
    ) -> None:
        """A record of BridgeWriter: its fields as Encoder.data has them."""
        try:
            if data_type is not self._policy.last_free and not self._policy.is_free(data_type):
                record = Record(data_type, writer, tag, numbers_of(value), step, path, extra)
                record = self._gate.judge(record, self.buffer.count_drop)
                if record is None:
                    return
                data_type, writer, tag, value, step, path, extra = record
            blobs: tuple = ()
            if data_type in OUR_TYPES and has_large(value):
                value, blobs = self._frozen(value)
                if not blobs:
                    return
                extra = {**(extra or {}), "blobs": blobs}
            with self._lock:  # so that times and numbers rise together
                now = time.time()
                try:
                    event = self._encoder.data(now, self._site, data_type, writer, tag, value, step, path, extra)
                except EventRejected:
                    record = Record(data_type, writer, tag, value, step, path, extra)
                    self._parts.put(self.buffer, self._encoder, now, self._site, record)
                else:
                    if self.buffer.offer(event):
                        return
                    self.buffer.count_refusal()
            if blobs:
                self.buffer.spool.remove(blobs)
        except Exception as e:
            self._count(e)

    @property
    def takes_large(self) -> bool:
        """True if values that are larger than an event go beside it (large.py): to a bridge on this machine."""
        return getattr(self.buffer, "spool", None) is not None

    def _frozen(self, value: dict) -> tuple:
        """The value with references, and what they name; nothing of it if it is left out, which is counted."""
        if not self.takes_large:
            self.buffer.count_drop(NO_WAY)
            return value, ()
        try:
            frozen = self.buffer.spool.freeze(value)
            return frozen, getattr(frozen, "blobs", ())
        except NotFrozen as e:
            self.buffer.count_drop(e.reason)
            return value, ()

    def take_event(self, shareable: dict) -> None:
        """A record as NVFlare's event brings it."""
        try:
            record = None
            if not self._gate.is_free(shareable):
                record = self._gate.judge(record_of(shareable)[0], self.buffer.count_drop)
                if record is None:
                    return
            with self._lock:
                now = time.time()
                try:
                    if record is None:
                        event, _ = self._encoder.record(now, self._site, shareable)
                    else:
                        event = self._encoder.data(now, self._site, *record)
                except EventRejected:
                    record = record or record_of(shareable)[0]
                    self._parts.put(self.buffer, self._encoder, now, self._site, record)
                else:
                    self.buffer.offer(event) or self.buffer.count_refusal()
        except Exception as e:
            self._count(e)

    def take_decoded(self, event: list) -> None:
        """A record of a training process of its own, decoded, which another component has taken over."""
        left = self._gate.judge_event(event, self.buffer.count_drop)
        if left is None:
            return
        try:
            left[2] = self._site
            self.buffer.put(msgpack.packb(left))
        except Exception as e:
            self._count(e)

    def take_sample(self, values: dict) -> bool:
        """How busy this machine is, as the component has measured it: of the kind system, and asked for no name.

        False: it is not taken. What a script passes off as such an operation is judged as all that is not known.
        """
        try:
            if "system" not in self._policy.kinds or self._policy.too_large("system", 8 * len(values)):
                return False
            items = {name: self._policy.rounded(value) for name, value in values.items()}
            value = {"op": "stats", "items": items}
            with self._lock:
                event = self._encoder.data(time.time(), self._site, "OPERATION", "WANDB", "system", value)
                return bool(self.buffer.put(event))
        except Exception as e:
            self._count(e)
            return False

    def sample_each(self, interval: float) -> NoSampling:
        """Begins to take samples, each so many seconds, if any may leave."""
        return begin(self.take_sample, interval if "system" in self._policy.kinds else 0.0)

    def forget_in_child(self) -> None:
        self._lock = threading.RLock()

    def _count(self, e: Exception) -> None:
        self.buffer.count_drop(f"not encodable ({type(e).__name__})")
