"""BridgeWriter's way out of a training process of its own: a link to the forwarder of its site.

Each record is in the link's buffer when the log call returns, and in a file that the forwarder reads should the process
end without a goodbye (last_records.py). Where the forwarder can't be reached, records go in NVFlare's own way
(nvflare_way.py), if there is one.
"""

import atexit
import contextlib
import os
import socket
import threading
import time
from typing import Any, Optional

from .bridge_process import BridgeUnavailable
from .buffer import FORKED, EventBuffer, Report
from .cutting import Parts
from .events import MAX_NAME_BYTES, Encoder, EventRejected, Record
from .forks import forget_in_child
from .last_records import LastRecords
from .link import Link
from .nvflare_way import NvflareWay, current_api

_BUFFER = 32 << 20  # bytes
_EXIT_SECONDS = 10.0  # that a process waits at its end until its last records are safe
_HANDED_ON_SECONDS = 1.0  # the same where the forwarder has them in the file
_TURN, _LATER_TURN = 0.2, 1.0  # seconds between looks for the forwarder
_GONE = 1.5  # seconds; a forwarder whose socket was cleaned away makes it again within 1
_NOT_LISTENING = 15.0  # seconds after which a forwarder counts as out of reach whose component may be starting
_GIVE_UP = 1.0  # seconds that the link's thread may take to see that it is given up


class TrainerWriter:
    """See the module. Any thread; a signal handler too."""

    def __init__(self, endpoint: str, report: Report):
        """`endpoint`: of the forwarder's socket."""
        self._report = report
        self._lock = threading.RLock()
        self._encoder = Encoder(spare=MAX_NAME_BYTES)  # the forwarder puts its site's name into the event
        self._parts = Parts(report)
        self._path = endpoint[len("ipc://") :]
        self._link = _Link(endpoint, None, _BUFFER, report)
        self._buffer: EventBuffer = self._link  # where records go now
        self._kept: Optional[LastRecords] = None
        with contextlib.suppress(OSError):  # the forwarder tells what may be lost for want of it
            self._kept = LastRecords(os.path.dirname(self._path), self._link.session)
        self._dropped = 0  # records that were dropped before the last flush
        self._ending = threading.Event()
        self._link.start()
        if not self._listens():
            if not self._folder_there():  # nor will it be: it was made before this process was started
                self._go_nvflares_way()
            threading.Thread(target=self._look_for_forwarder, name="flarebridge-reach", daemon=True).start()
        atexit.register(self._finish)
        forget_in_child(self)

    def forget_in_child(self) -> None:
        """A forked child logs nothing: the link is its parent's."""
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._buffer, self._kept = self._link, None

    def send(self, record: Record) -> None:
        """Takes over one record. Microseconds; it never raises."""
        try:
            with self._lock:
                if self._link.off is not None and self._buffer is self._link:
                    self._go_nvflares_way()
                now = time.time()
                try:
                    self.put(self._encoder.data(now, "trainer", *record))
                except EventRejected:
                    self._parts.put(self, self._encoder, now, "trainer", record)
        except Exception as e:
            self.count_drop(f"not encodable ({type(e).__name__})")

    def put(self, event: bytes) -> int:
        """As EventBuffer.put()."""
        number = self._buffer.put(event)
        kept = self._kept
        if kept is not None:
            if number:
                kept.note(number, event)
            else:
                kept.count_lost(self._all_dropped())
        return number

    def count_drop(self, reason: str) -> None:
        """As EventBuffer.count_drop()."""
        with self._lock:
            self._buffer.count_drop(reason)
            if self._kept is not None:
                self._kept.count_lost(self._all_dropped())

    def flush(self, timeout: float) -> bool:
        """Waits until all that was logged so far is on the server's disk. False: the time is over, or it never will be.
        """
        dropped, self._dropped = self._dropped, self._all_dropped()
        buffer = self._buffer
        if isinstance(buffer, NvflareWay):
            buffer.wait_handed_over(timeout)
            return False  # NVFlare does not say what arrives
        number = buffer.accepted
        buffer.wait_for_number(number, max(0.0, timeout))
        return buffer.off is None and buffer.acknowledged >= number and self._dropped == dropped

    # --- parts of the above ---

    def _all_dropped(self) -> int:
        buffers = {id(buffer): buffer for buffer in (self._link, self._buffer)}.values()
        return sum(sum(buffer.stats()["dropped"].values()) for buffer in buffers)

    def _listens(self) -> bool:
        """True if somebody takes connections at the forwarder's socket."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(1.0)
                probe.connect(self._path)
            return True
        except OSError:
            return False

    def _look_for_forwarder(self) -> None:
        began = time.monotonic()
        turn = _TURN
        while not self._ending.wait(turn) and not self._link.connected and self._link.off is None:
            if not self._folder_there() or time.monotonic() - began > _NOT_LISTENING:
                turn = _LATER_TURN
                with self._lock:
                    self._go_nvflares_way()

    def _folder_there(self) -> bool:
        """True if the folder of the forwarder's socket can be entered here."""
        return os.access(os.path.dirname(self._path), os.W_OK | os.X_OK)

    def _go_nvflares_way(self) -> None:
        """From now on records go by NVFlare's own channel, those first that wait here. Under the lock."""
        if self._buffer is not self._link or self._link.off == FORKED or current_api() is None:
            return
        why = "takes no more" if self._link.off is not None else f"can't be reached at {self._path}"
        events = self._link.give_up()
        if events is None:
            return  # it has been reached in this moment
        self._buffer = NvflareWay(_BUFFER, events)
        if self._kept is not None:
            self._kept.close(remove=True)
            self._kept = None
        self._report(
            "warning", f"the forwarder {why}: records go by NVFlare's own channel, which is slower and may lose some"
        )

    def _finish(self) -> None:
        """At the process's end."""
        if self._link.off == FORKED:
            return  # the parent tells
        self._ending.set()
        deadline = time.monotonic() + _EXIT_SECONDS
        handed_on = self._buffer is self._link and self._wait_at_the_end(deadline)
        with self._lock:
            if self._link.unacknowledged and not handed_on and not self._link.reached:
                self._go_nvflares_way()
        if isinstance(self._buffer, NvflareWay):
            self._buffer.close(max(0.0, deadline - time.monotonic()))
        else:
            self._link.close(1.0 if self._link.connected and not self._link.unacknowledged else 0.1)
        self._tell_losses(handed_on)

    def _wait_at_the_end(self, deadline: float) -> bool:
        """Waits until the forwarder has everything, if it is there. True: it has the rest in the file."""
        began = there_at = time.monotonic()
        link, kept = self._link, self._kept
        while link.unacknowledged and link.off is None:
            now = time.monotonic()
            # One that was never reached may be starting, and finds the file then.
            there = self._listens() if link.reached else kept is not None and self._folder_there()
            there_at = now if there else there_at
            in_file = there and kept is not None and kept.oldest <= link.acknowledged + 1
            handed_on = in_file and link.connected and now - began > _HANDED_ON_SECONDS
            if handed_on or now >= deadline or now - there_at > _GONE:
                return in_file
            link.wait_for_number(link.accepted, min(_TURN, deadline - now))
        return False

    def _tell_losses(self, handed_on: bool) -> None:
        counts = [self._link.stats()]
        if self._buffer is not self._link:
            counts.append(self._buffer.stats())
        lost, reasons = 0, []
        for stats in counts:
            lost += sum(stats["dropped"].values()) + stats.get("rejected", 0)
            reasons += [f"{count} {reason}" for reason, count in stats["dropped"].items()]
            waiting = stats["accepted"] - stats["acknowledged"]
            if waiting and not stats.get("off") and not handed_on:
                lost += waiting
                reasons.append(f"{waiting} not confirmed")
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.close(remove=not handed_on and not self._all_dropped())  # the forwarder counts what was dropped
        if lost:
            self._report("warning", f"{lost} records of this training process are lost: {'; '.join(reasons)}")


class _Link(Link):
    """A link that can be given up, as long as the forwarder has not been reached."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._giving_up = False
        self._left: list = []

    @property
    def reached(self) -> bool:
        """The forwarder has answered at least once."""
        return self._connections > 0

    def give_up(self) -> Optional[list]:
        """Ends the thread. Gives the events that are left, or None if the forwarder has been reached."""
        self._giving_up = True
        self._wake()
        self._thread.join(_GIVE_UP)
        return None if self._thread.is_alive() else self._left

    # --- the thread ---

    def _mend_connection(self, now: float) -> None:
        if self._giving_up and not self._connections:
            raise BridgeUnavailable("another way was taken")
        super()._mend_connection(now)

    def _turn_off(self, why: str) -> None:
        if self._giving_up and not self._connections:
            self._left = self.take_back(why)
        else:
            super()._turn_off(why)
