"""NVFlare's own event for records of BridgeWriter that its components have taken already: for others that listen to it.

NVFlare's TensorBoard and MLflow receivers on a client are such, and with BridgeForwarder's pass_events those on the
server. One event takes NVFlare half a millisecond, so a thread of its own fires them. NVFlare's rules hold for them:
of a dict of metrics the numbers go, and what it refuses is counted and told.
"""

import threading
from queue import SimpleQueue
from typing import Any, Optional

from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.fl_constant import EventScope, FLContextKey

from .buffer import Report
from .events import OUR_TYPES, TYPE_NAMES, plain_number

try:  # NVFlare 2.6 and later
    from nvflare.apis.analytix import LogWriterName
except ImportError:
    from nvflare.app_common.tracking.tracker_types import LogWriterName
from nvflare.app_common.widgets.streaming import create_analytic_dxo

EVENT = "analytix_log_stats"
_MOST = 10000  # records that wait
_WRITERS = {1: LogWriterName.TORCH_TB, 2: LogWriterName.MLFLOW, 3: LogWriterName.WANDB}  # by their codes in events
_METRICS = (AnalyticsDataType.METRICS, AnalyticsDataType.SCALARS)


class EventCopies:
    """`put` is for any thread, and waits for nothing."""

    def __init__(self, engine: Any, report: Report):
        self._engine, self._report = engine, report
        self.marks: tuple[str, ...] = ()  # headers by which components know that they have the record
        self._queue: SimpleQueue = SimpleQueue()  # its put() may interrupt itself
        self._left_out: dict[str, int] = {}  # why -> records
        self._thread = threading.Thread(target=self._run, name="flarebridge-events", daemon=True)
        self._thread.start()

    def put(
        self, data_type: Any, writer: Any, tag: Any, value: Any, step: Any, path: Optional[str], extra: Optional[dict]
    ) -> None:
        """A record as Encoder.data has it. The value is copied: it is the script's, which may change it."""
        if data_type in OUR_TYPES:
            return  # nobody else knows them
        if self._queue.qsize() >= _MOST:
            self._count("they are slower than the training")
            return
        try:
            value = _copy(value)
        except Exception as e:
            self._count(f"{type(e).__name__}: {e}")
            return
        further = dict(extra or {})
        if path:
            further["path"] = path
        if step is not None:
            further["global_step"] = plain_number(step)
        self._queue.put((tag, value, data_type, writer, further))

    def put_decoded(self, event: list) -> None:
        """The same of a training process of its own, decoded; fields that make no sense are left out and counted."""
        try:
            _kind, _time, _site, code, writer, tag, value, step, path, receivers, extra = (event + [None] * 3)[:11]
            if TYPE_NAMES[code] in OUR_TYPES:
                return
            data_type = AnalyticsDataType[TYPE_NAMES[code]]
            if data_type is AnalyticsDataType.IMAGE and isinstance(value, dict):
                import numpy as np  # as the encoder does

                shape = (value["height"], value["width"], value["channels"])
                value = np.frombuffer(value["data"], np.uint8).reshape(shape)
            further = {**(extra or {}), **({"receivers": receivers} if receivers else {})}
            self.put(data_type, _WRITERS[writer], tag, value, step, path, further)
        except Exception as e:
            self._count(f"{type(e).__name__}: {e}")

    def settle(self, seconds: float) -> None:
        """Waits until what was put before is fired, for so many seconds at most."""
        done = threading.Event()
        self._queue.put(done)
        done.wait(max(0.0, seconds))

    def close(self, seconds: float) -> None:
        """Fires what waits, within the seconds, and ends."""
        self._queue.put(None)
        self._thread.join(max(0.0, seconds))
        if self._left_out:
            why, _ = max(self._left_out.items(), key=lambda item: item[1])
            total = sum(self._left_out.values())
            self._report("warning", f"{total} records of BridgeWriter did not reach NVFlare's own receivers: {why}")

    # --- the thread ---

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, threading.Event):
                item.set()
                continue
            try:
                self._fire(*item)
            except Exception as e:
                self._count(f"{type(e).__name__}: {e}")

    def _fire(self, tag: Any, value: Any, data_type: Any, writer: Any, further: dict) -> None:
        if data_type in _METRICS and type(value) is dict:
            value = {key: item for key, item in value.items() if isinstance(item, (int, float))}
            if not value:
                return
        if data_type is AnalyticsDataType.METRICS:
            # The one combination that NVFlare's receivers for TensorBoard, MLflow and W&B all take, from 2.5 on
            # (AnalyticsData.convert_data_type); which receivers of ours take it is decided already.
            writer = LogWriterName.MLFLOW
        shareable = create_analytic_dxo(tag, value, data_type, writer=writer, **further).to_shareable()
        for mark in self.marks:
            shareable.set_header(mark, True)
        with self._engine.new_context() as fl_ctx:
            fl_ctx.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
            fl_ctx.set_prop(FLContextKey.EVENT_SCOPE, EventScope.LOCAL, private=True, sticky=False)
            self._engine.fire_event(EVENT, fl_ctx)

    def _count(self, why: str) -> None:
        self._left_out[why] = self._left_out.get(why, 0) + 1


def _copy(value: Any) -> Any:
    """Numbers of numpy's and torch's become Python's own; arrays and tensors get memory of their own."""
    value = plain_number(value)
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in value]
    if hasattr(value, "shape"):
        value = value.detach() if hasattr(value, "detach") else value
        return value.clone() if hasattr(value, "clone") else value.copy()
    return value
