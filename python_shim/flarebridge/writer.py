"""BridgeWriter: what a training script calls to log, whichever tracking system it was written for.

A superset of NVFlare's SummaryWriter, WandBWriter and MLflowWriter. Use it after `flare.init()`, on rank 0, as those.
Records go straight to the site's components: by a call where they are in this process (local_site.py), by a socket
where the script has a process of its own (trainer_link.py); else in NVFlare's own way from a script to its events.
"""

import os
import secrets
import threading
from typing import Any, Optional, Union

from nvflare.client import api as client_api

from .events import NUMBER_KEY, Record, plain_number
from .forks import forget_in_child
from .large import NO_WAY, has_large
from .local_site import find
from .nvflare_way import current_api, nvflares_type
from .trainer_names import ENDPOINT, ENDPOINT_OF

try:  # NVFlare 2.6 and later
    from nvflare.apis.analytix import AnalyticsDataType, LogWriterName
except ImportError:
    from nvflare.apis.analytix import AnalyticsDataType
    from nvflare.app_common.tracking.tracker_types import LogWriterName

Names = Optional[Union[str, list[str]]]
# Looked up here once: a record is to cost a few microseconds.
_Type = AnalyticsDataType
_METRICS, _METRIC, _SCALARS, _SCALAR = _Type.METRICS, _Type.METRIC, _Type.SCALARS, _Type.SCALAR
_TENSORBOARD, _MLFLOW, _WANDB = LogWriterName.TORCH_TB, LogWriterName.MLFLOW, LogWriterName.WANDB
_WARNINGS = 20  # different ones


class BridgeWriter:
    """Logs metrics, parameters, texts, images and tags of this site.

    `receivers` of every call: the name or names of the receivers that get the record; None: all of them.
    `step`, `global_step`: 0 or above; None: a row of its own. Numbers may be numpy's or torch's.
    Calls may come from any thread and never wait for the network.
    """

    def __init__(self):
        """In a training process of its own (launch_external_process) it reaches BridgeForwarder directly."""
        self._lock = threading.RLock()  # a signal handler may log in the middle of a log call
        self._number = 0
        self._id = secrets.token_hex(4)
        self._site = None  # of this process, since the first record
        self._direct = None
        # The component's own process has the variable, too, for those that it starts.
        endpoint = os.environ.get(ENDPOINT)
        if endpoint and os.environ.get(ENDPOINT_OF) != str(os.getpid()):
            from .trainer_writer import TrainerWriter

            self._direct = TrainerWriter(endpoint, _say)
        forget_in_child(self)

    def forget_in_child(self) -> None:
        """A forked child's records are numbered for themselves."""
        self._lock = threading.RLock()
        self._number = 0
        self._id = secrets.token_hex(4)

    def __reduce__(self) -> tuple:
        """A copy, here or in another process, is a writer of its own."""
        return type(self), ()

    # As wandb.
    def log(self, metrics: dict[str, Any], step: Optional[int] = None, receivers: Names = None) -> None:
        """A dict of metrics, at a step, or as a row of its own."""
        self._send(_METRICS, _WANDB, "metrics", metrics, step, receivers)

    # As TensorBoard.
    def add_scalar(
        self, tag: str, scalar: float, global_step: Optional[int] = None, receivers: Names = None, **kwargs
    ) -> None:
        self._send(_SCALAR, _TENSORBOARD, tag, scalar, global_step, receivers, **kwargs)

    def add_scalars(
        self, tag: str, scalars: dict[str, float], global_step: Optional[int] = None, receivers: Names = None, **kwargs
    ) -> None:
        self._send(_SCALARS, _TENSORBOARD, tag, scalars, global_step, receivers, **kwargs)

    def add_text(self, tag: str, text: str, global_step: Optional[int] = None, receivers: Names = None) -> None:
        """A text in the history."""
        self._send(_Type.TEXT, _TENSORBOARD, tag, text, global_step, receivers)

    def add_image(self, tag: str, image: Any, global_step: Optional[int] = None, receivers: Names = None) -> None:
        """An image: PNG or JPEG as bytes, or an array of height x width (x 1, 3 or 4), or 1, 3 or 4 x height x width.

        Whole numbers are 0 to 255, others 0 to 1. At most 1 MiB as it is sent.
        """
        self._send(_Type.IMAGE, _TENSORBOARD, tag, image, global_step, receivers)

    # As MLflow.
    def log_metric(self, key: str, value: float, step: Optional[int] = None, receivers: Names = None) -> None:
        self._send(_METRIC, _MLFLOW, key, value, step, receivers)

    def log_metrics(self, metrics: dict[str, float], step: Optional[int] = None, receivers: Names = None) -> None:
        self._send(_METRICS, _MLFLOW, "metrics", metrics, step, receivers)

    def log_param(self, key: str, value: Any, receivers: Names = None) -> None:
        """A parameter: goes into the run's config."""
        self._send(_Type.PARAMETER, _MLFLOW, key, value, None, receivers)

    def log_params(self, values: dict[str, Any], receivers: Names = None) -> None:
        self._send(_Type.PARAMETERS, _MLFLOW, "params", values, None, receivers)

    def log_text(self, text: str, artifact_file_path: str, receivers: Names = None) -> None:
        """A text file of the run."""
        self._send(_Type.TEXT, _MLFLOW, "text", text, None, receivers, path=artifact_file_path)

    def set_tag(self, key: str, tag: Any, receivers: Names = None) -> None:
        self._send(_Type.TAG, _MLFLOW, key, tag, None, receivers)

    def set_tags(self, tags: dict[str, Any], receivers: Names = None) -> None:
        self._send(_Type.TAGS, _MLFLOW, "tags", tags, None, receivers)

    def log_line(self, line: str, receivers: Names = None) -> None:
        """A line of the run's console output."""
        self._send(_Type.LOG_RECORD, _WANDB, "log", line, None, receivers)

    def send(
        self, data_type: str, tag: str, value: Any, step: Optional[int] = None, path: Optional[str] = None
    ) -> None:
        """A record of any type, by its name in events/README.md: for flarebridge.wandb."""
        self._send(_Type.__members__.get(data_type, data_type), _WANDB, tag, value, step, None, path)

    @property
    def takes_large(self) -> bool:
        """True if what takes its records takes values of more than 1 MiB (large.py), too."""
        if self._direct is None and self._site is None:
            self._site = find(current_api())
        return self._direct is None and self._site is not None and self._site.takes_large

    @property
    def sends_away(self) -> bool:
        """True if its records leave this machine, or may."""
        return self._direct is not None or self._site is None or self._site.sends_away

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until all that was logged so far is on the server's disk. Everything goes by itself without it.

        `timeout`: seconds. False: the time is over, or nobody says what arrives, as in NVFlare's own way.
        """
        way = self._direct or self._site
        return way.flush(timeout) if way is not None else False

    def _send(
        self, data_type: Any, writer: Any, tag: Any, value: Any, step: Any, receivers: Names, path: Any = None, **more
    ) -> None:
        if receivers is not None:
            several = isinstance(receivers, (list, tuple, set, frozenset))
            more["receivers"] = list(receivers) if several else [str(receivers)]
        if self._direct is not None:
            self._direct.send(Record(data_type, writer, tag, value, step, path, more or None))
        elif self._site is None or not self._site.take(data_type, writer, tag, value, step, path, more or None):
            self._send_otherwise(data_type, writer, tag, value, step, path, more or None)

    def _send_otherwise(
        self, data_type: Any, writer: Any, tag: Any, value: Any, step: Any, path: Any, extra: Optional[dict]
    ) -> None:
        """The first record, and those that no component here takes by a call."""
        api = current_api()
        self._site = find(api)
        if self._site is not None and self._site.take(data_type, writer, tag, value, step, path, extra):
            return
        if has_large(value):
            _warn_once(f"{tag}: {NO_WAY}")
            return
        if api is None:
            _warn_once(
                "BridgeWriter logs nothing: this script does not run in an NVFlare job, or flare.init() was not called"
            )
            return
        with self._lock:
            self._number += 1
            # Tells the receiver what got lost on the way.
            more = {**(extra or {}), NUMBER_KEY: [self._id, self._number]}
        if path is not None:
            more["path"] = path
        data_type = nvflares_type(data_type, more) if isinstance(data_type, str) else data_type
        try:
            if step is not None:
                more["global_step"] = plain_number(step)
            client_api.log(key=tag, value=plain_number(value), data_type=data_type, writer=writer, **more)
        except Exception as e:
            _warn_once(f"NVFlare does not take a record of BridgeWriter: {type(e).__name__}: {e}")


_warned: set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _warned and len(_warned) < _WARNINGS:
        _warned.add(text)
        _say("warning", text)


def _say(level: str, text: str) -> None:
    import logging

    getattr(logging.getLogger("flarebridge.BridgeWriter"), level)(f"flarebridge: {text}")
