"""What is larger than an event: cut into several of the same step, or left out and named.

The bridge joins records of one step to one row, and parameters to one config, so that nothing shows of the
cuts. W&B takes far more at once than fits an event. Used by all that log, from any thread.
"""

from typing import Any, Callable, NamedTuple

from .buffer import EventBuffer, Report
from .events import Encoder, EventRejected, Record, name_of

# W&B's limits (docs.wandb.ai, "Experiments limits and performance").
MAX_ROW_BYTES = 25_000_000
MAX_CONFIG_BYTES = 10_000_000
# Records whose dicts are joined at their leaves, and at their keys.
_ROWS = frozenset(("METRICS", "SCALARS", "METRIC", "SCALAR"))
_CONFIGS = frozenset(("PARAMETERS", "TAGS"))
_NAMES = 3  # told of what was left out
_TOLD = 100  # different causes

LEFT_OUT = "no event can hold it"  # why values are dropped

Send = Callable[[bytes], Any]


class LeftOut(NamedTuple):
    """A value that can't be sent."""

    name: str
    why: str


def cut(encoder: Encoder, time: float, site: str, record: Record) -> tuple[list[bytes], list[LeftOut]]:
    """The events of a record that does not fit one, in their order, and what no event can hold."""
    kind = name_of(record.data_type)
    if not isinstance(record.value, dict) or kind not in _ROWS | _CONFIGS:
        try:
            return [encoder.data(time, site, *record)], []
        except EventRejected as e:
            return [], [LeftOut(str(record.tag), str(e))]
    return _Cutter(encoder, time, site, record, kind in _ROWS).cut()


class _Cutter:
    """Halves a dict until its parts fit: what is flat and wide needs few attempts."""

    def __init__(self, encoder: Encoder, time: float, site: str, record: Record, nested: bool):
        self._encoder, self._time, self._site, self._record = encoder, time, site, record
        self._nested = nested
        self._room = MAX_ROW_BYTES if nested else MAX_CONFIG_BYTES
        self._events: list[bytes] = []
        self._left_out: list[LeftOut] = []

    def cut(self) -> tuple[list[bytes], list[LeftOut]]:
        self._take((), list(self._record.value.items()))
        return self._events, self._left_out

    def _take(self, path: tuple, items: list) -> None:
        """`items`: of the dict that lies at the path."""
        value: dict = dict(items)
        for key in reversed(path):
            value = {key: value}
        try:
            event = self._encoder.data(self._time, self._site, *self._record._replace(value=value))
        except EventRejected as e:
            self._part(path, items, str(e))
            return
        if len(event) > self._room:
            limit = MAX_ROW_BYTES if self._nested else MAX_CONFIG_BYTES
            self._leave_out(path, items, f"W&B takes {limit // 1_000_000} MB at once")
            return
        self._room -= len(event)
        self._events.append(event)

    def _part(self, path: tuple, items: list, why: str) -> None:
        if len(items) > 1:
            half = len(items) // 2
            self._take(path, items[:half])
            self._take(path, items[half:])
            return
        key, value = items[0]
        if self._nested and isinstance(value, dict) and value and len(path) < 16:
            self._take((*path, key), list(value.items()))
        else:
            self._leave_out(path, items, why)

    def _leave_out(self, path: tuple, items: list, why: str) -> None:
        self._left_out += [LeftOut("/".join(map(str, (*path, key))), why) for key, _ in items]


class Parts:
    """Sends records in parts, and tells at once what is left out, each cause once."""

    def __init__(self, report: Report):
        self._report = report
        self._told: set[str] = set()

    def put(self, buffer: EventBuffer, encoder: Encoder, time: float, site: str, record: Record) -> None:
        """Puts a record that does not fit an event into the buffer, as far as it can be sent."""
        events, left_out = cut(encoder, time, site, record)
        for event in events:
            buffer.put(event)
        for _ in left_out:
            buffer.count_drop(LEFT_OUT)
        if not left_out or len(self._told) >= _TOLD:
            return
        names = ", ".join(repr(one.name[:100]) for one in left_out[:_NAMES])
        if names in self._told:
            return
        self._told.add(names)
        more = f" and {len(left_out) - _NAMES} more" if len(left_out) > _NAMES else ""
        self._report("warning", f"left out of what is logged: {names}{more}: {left_out[0].why}")
