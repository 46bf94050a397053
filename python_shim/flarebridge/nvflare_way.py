"""NVFlare's own channel, for a training process that can't reach the forwarder: in another container, as another user.

What went so far into the link's buffer, and what comes, is brought record by record to the API that `flare.init()` has
made, as NVFlare's own SummaryWriter does. Nobody confirms it: it is slower, and may lose records on the way.
"""

import contextlib
import secrets
import threading
from queue import Empty, SimpleQueue
from typing import Any

import msgpack
from nvflare.client import api
from nvflare.client.api import log as nvflare_log

from .buffer import EventBuffer
from .events import NUMBER_KEY, OUR_TYPES, TYPE_KEY, TYPE_NAMES

try:  # NVFlare 2.6 and later
    from nvflare.apis.analytix import AnalyticsDataType, LogWriterName
except ImportError:
    from nvflare.apis.analytix import AnalyticsDataType
    from nvflare.app_common.tracking.tracker_types import LogWriterName

_BATCH_EVENTS, _BATCH_BYTES = 64, 256 << 10
_WRITERS = {1: "TORCH_TB", 2: "MLFLOW", 3: "WANDB"}  # events/README.md
_LOOK = 1.0  # seconds between looks whether it is time to end

REFUSED = "not taken by NVFlare's own channel"  # why records are dropped


def current_api() -> Any:
    """NVFlare's object behind `flare.log()`; None: `flare.init()` was not called."""
    # In a context from NVFlare 2.6 on, by itself in 2.5.
    context = getattr(api, "default_context", None)
    return getattr(context, "api", None) or getattr(api, "client_api", None)


def nvflares_type(name: str, further: dict) -> AnalyticsDataType:
    """NVFlare's type for one of ours by its name; the keywords tell what it is, where NVFlare has none."""
    if name in OUR_TYPES:
        further[TYPE_KEY] = name
        return AnalyticsDataType.MODEL
    return AnalyticsDataType[name]


class NvflareWay(EventBuffer):
    """A buffer of events, and the thread that brings them away."""

    def __init__(self, buffer_bytes: int, events: list):
        """`events`: that are brought first, in whatever number."""
        super().__init__(max(buffer_bytes, sum(map(len, events))))
        self._id = secrets.token_hex(4)
        self._wakes: SimpleQueue = SimpleQueue()
        self._closing = False
        for event in events:
            self.put(event)
        self._thread = threading.Thread(target=self._run, name="flarebridge-nvflare", daemon=True)
        self._thread.start()

    def wait_handed_over(self, seconds: float) -> bool:
        """Waits until NVFlare has all that was put here so far. False: the time is over."""
        number = self.accepted
        self.wait_for_number(number, seconds)
        return self._acked >= number

    def close(self, seconds: float) -> None:
        """Ends the thread, when it has brought away what it can within the seconds."""
        self.wait_handed_over(seconds)
        self._closing = True
        self._wake()
        self._thread.join(_LOOK)

    def stats(self) -> dict:
        """Counts: accepted, acknowledged (handed over to NVFlare), drops by reason."""
        with self._lock:
            return {"accepted": self.accepted, "acknowledged": self._acked, "dropped": dict(self._dropped)}

    def forget_in_child(self) -> None:
        super().forget_in_child()
        self._wakes = SimpleQueue()
        self._closing = True

    # --- parts of the above ---

    def _refusal(self) -> str:
        return "buffer full"

    def _wake(self) -> None:
        self._sleeping = False
        self._wakes.put(None)

    def _run(self) -> None:
        while not self._closing:
            batch = self._next_batch(_BATCH_EVENTS, _BATCH_BYTES)
            if batch is None:
                self._sleeping = True
                # What was put before the flag was up is seen here; what comes after it wakes us.
                if not self._has_unbatched():
                    with contextlib.suppress(Empty):
                        self._wakes.get(timeout=_LOOK)
                self._sleeping = False
                continue
            events = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=0)
            events.feed(batch.body)
            for number, event in enumerate(events, batch.first):
                if self._closing:
                    return
                try:
                    _log(event, [self._id, number])
                except Exception:  # NVFlare's: it takes numbers only, or is in the middle of its end
                    self.count_drop(REFUSED)
                self._acked = number
            self._give_back(batch.buffered)
            self._tell_progress()


def _log(event: list, number: list) -> None:
    _kind, _time, _site, code, writer, tag, value, step, path, receivers, extra = (event + [None] * 3)[:11]
    further: dict[str, Any] = dict(extra or {})
    further.pop("analytics_data_type", None)
    for name, given in (("global_step", step), ("path", path), ("receivers", receivers)):
        if given is not None:
            further[name] = given
    further[NUMBER_KEY] = number
    nvflare_log(
        key=tag,
        value=value,
        data_type=nvflares_type(TYPE_NAMES[code], further),
        writer=LogWriterName[_WRITERS.get(writer, "TORCH_TB")],
        **further,
    )
