"""Where a run's events go: to a bridge of this process's own, into the run of an NVFlare site, or nowhere.

All three have the same methods. Nothing that logs waits or raises here.
"""

import os
import sys
import time
from enum import Enum
from typing import Any, NamedTuple, Optional, Union

from ..bridge_process import BridgeProcess
from ..buffer import Report
from ..cutting import Parts
from ..events import Encoder, EventRejected, Record, clean_name
from ..large import inline, with_large
from ..link import Link
from ..opening import open_session
from ..shared_bridge import SharedBridge
from ..spool import NotFrozen
from .claims import Claim
from .files import MOST
from .folders import state_folder
from .media import Room
from .terminal import say_once

_BUFFER = 64 << 20  # bytes
_ON_DISK = 60.0  # seconds that an end waits until the bridge has everything on disk
_SLOW_DISK = 20 << 20  # bytes a second of large values, for which it waits longer
_WRITTEN = 10.0  # seconds that it waits behind that until all is in the run's folder
_WRITTEN_BESIDE = 2.0  # the same, where others may go on writing into it
_FLUSH = 10.0  # seconds, where the run is a job's


# The encoder knows members of enumerations after their first use, and texts never.
_Type = Enum("_Type", ["METRICS", "PARAMETERS", "TEXT", "LOG_RECORD", "MEDIA", "OPERATION"])
_TYPES = dict(_Type.__members__)
_WANDB = Enum("_Writer", ["WANDB"])["WANDB"]


class Ended(NamedTuple):
    """What became of the events."""

    safe: int
    lost: int
    why: str  # words, where something is lost


class Nowhere:
    """Of a run that is disabled."""

    room = Room(takes_large=True)

    def frozen(self, value: dict) -> Optional[dict]:
        """What send() takes of a MEDIA's value or a saved file's: large parts are copied now. None: it is left out."""
        return value

    def send(
        self, data_type: str, tag: str, value: Any, step: Optional[int] = None, path: Optional[str] = None
    ) -> None:
        """Takes over one record. `data_type`: as events/README.md names it."""

    def end(self, exit_code: int, reason: str) -> Ended:
        """The run is over: returns when what was sent is safe, or can't be."""
        return Ended(0, 0, "")


class Standalone:
    """A session of this process with a bridge that it starts, or that several processes share."""

    room = Room(takes_large=True)

    def __init__(self, folder: str, run_id: str, project: str, arguments: dict, claim: Claim, report: Report):
        """`folder`: absolute, above the runs; `arguments`: of the receiver for W&B; `claim`: on the run.

        Raises EventRejected.
        """
        self._site, self._claim = clean_name(run_id), claim
        self._encoder, self._parts = Encoder(label=claim.label), Parts(report)
        # The same for the same run, so that a later process brings to its end what an earlier one has left there.
        state = state_folder(folder, run_id)
        self._process = SharedBridge(state) if claim.shared else BridgeProcess(state)
        self._link = Link(None, self._process, _BUFFER, report)
        # Writers that share a run may say its project or leave it out.
        job = self._site if claim.shared else clean_name(project)
        opened = (job, self._site, "client", folder)
        receivers = {"wandb": arguments}
        open_session(self._link, self._encoder, self._parts, opened, [self._site], receivers, claim.as_writer())
        self._opening = self._link.stats()["accepted"]
        self._link.start()

    def send(
        self, data_type: str, tag: str, value: Any, step: Optional[int] = None, path: Optional[str] = None
    ) -> None:
        """See Nowhere."""
        link, now = self._link, time.time()
        blobs = getattr(value, "blobs", ())
        extra = {"blobs": blobs} if blobs else None
        try:
            try:
                event = self._encoder.data(now, self._site, _TYPES[data_type], _WANDB, tag, value, step, path, extra)
            except EventRejected:
                record = Record(data_type, _WANDB, tag, value, step, path, extra)
                self._parts.put(link, self._encoder, now, self._site, record)
            else:
                if link.offer(event):
                    return
                link.count_refusal()
        except Exception as e:
            link.count_drop(f"not encodable ({type(e).__name__})")
        link.spool.remove(blobs)

    def frozen(self, value: dict) -> Optional[dict]:
        """See Nowhere."""
        try:
            return self._link.spool.freeze(value)
        except NotFrozen as e:
            self._link.count_drop(e.reason)
            say_once("warning", f"{e.reason} ({e}): it is left out, and the script goes on")
        except Exception as e:
            self._link.count_drop(f"not encodable ({type(e).__name__})")
        return None

    def end(self, exit_code: int, reason: str) -> Ended:
        """See Nowhere."""
        link = self._link
        link.put_last(self._encoder.session_ended(time.time(), exit_code, reason))
        on_disk = _ON_DISK + link.spool.bytes / _SLOW_DISK
        if link.wait_acknowledged(on_disk) and self._claim.is_primary:
            link.wait_written(_WRITTEN_BESIDE if self._claim.shared else _WRITTEN)
        link.close(1.0)
        self._claim.let_go()
        stats = link.stats()
        waiting = stats["accepted"] - stats["acknowledged"] if not stats["off"] else 0
        reasons = [f"{count} {why}" for why, count in sorted(stats["dropped"].items())]
        if waiting:
            reasons.append(f"{waiting} not confirmed by the bridge within {on_disk:.0f} s")
        if stats["rejected"]:
            reasons.append(f"{stats['rejected']} refused by the bridge")
        lost = sum(stats["dropped"].values()) + waiting + stats["rejected"]
        return Ended(max(0, stats["acknowledged"] - self._opening - 1), lost, "; ".join(reasons))


class OfASite:
    """The run of the NVFlare site whose script this is: it was begun by the job, and goes on behind the script."""

    @property
    def room(self) -> Room:
        """What goes to the server is small only; what is written on the site itself may be large."""
        large = self._writer.takes_large
        return Room(64 << 10 if self._writer.sends_away else MOST, large)

    def frozen(self, value: dict) -> Optional[dict]:
        """See Nowhere. What is large is copied behind the site's policy."""
        try:
            return with_large(value) if self._writer.takes_large else inline(value)
        except OSError as e:
            say_once("warning", f"a file can't be read ({e.strerror or e}): it is left out")
            return None

    def __init__(self) -> None:
        from ..writer import BridgeWriter

        self._writer = BridgeWriter()

    def send(
        self, data_type: str, tag: str, value: Any, step: Optional[int] = None, path: Optional[str] = None
    ) -> None:
        """See Nowhere."""
        self._writer.send(data_type, tag, value, step, path)

    def end(self, exit_code: int, reason: str) -> Ended:
        """See Nowhere. How the run ended is the job's to say."""
        self._writer.flush(_FLUSH)
        return Ended(0, 0, "")


Sink = Union[Nowhere, Standalone, OfASite]


def is_in_a_job() -> bool:
    """True in an NVFlare client's script, in its process or in one of its own."""
    from ..trainer_names import ENDPOINT, ENDPOINT_OF

    if os.environ.get(ENDPOINT) and os.environ.get(ENDPOINT_OF) != str(os.getpid()):
        return True
    if "nvflare.client.api" in sys.modules:
        from ..nvflare_way import current_api

        if current_api() is not None:
            return True
    sites = sys.modules.get("flarebridge.local_site")
    return sites is not None and sites.find(None) is not None
