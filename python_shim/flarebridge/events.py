"""The wire form of events: msgpack arrays as events/README.md of the project describes them.

Values are encoded as they are; what they mean is decided in the bridge. An Encoder is for any thread.
"""

from enum import Enum
from typing import Any, NamedTuple, Optional

import msgpack

from .large import Large

WIRE_VERSION = 1
MAX_EVENT_BYTES = 1 << 20
MAX_NODES = 65536  # numbers, texts, keys, lists ... of an event; each takes a byte at least
MAX_NAME_BYTES = 255
_MAX_ARGUMENT_NODES = 64512  # of the receivers' arguments
_MAX_DEPTH = 15  # of a value: the format allows 16, and the event itself is one
_MAX_TEXT = 1 << 16  # characters of an object that is not data and is sent as its text

_SESSION_OPENED, _RUN_STARTED, DATA, _RUN_ENDED, _SESSION_ENDED = range(5)

_TYPES = {
    "SCALAR": 1, "SCALARS": 2, "METRIC": 3, "METRICS": 4, "PARAMETER": 5, "PARAMETERS": 6, "TAG": 7,
    "TAGS": 8, "TEXT": 9, "IMAGE": 10, "MODEL": 11, "LOG_RECORD": 12, "INIT_DATA": 13,
    "MEDIA": 14, "OPERATION": 15,  # ours: NVFlare has no such types
}  # fmt: skip
TYPE_NAMES = {code: name for name, code in _TYPES.items()}
# NVFlare names a writer by its member name on the wire and by its value in JSON.
_WRITERS = {
    "TORCH_TB": 1, "TORCH_TENSORBOARD": 1, "MLFLOW": 2, "WANDB": 3, "WEIGHTS_AND_BIASES": 3,
}  # fmt: skip


class EventRejected(ValueError):
    """An event that can't be sent: too large, or nested too deep."""


def name_of(member: Any) -> str:
    """The name of an enum member, or the text itself."""
    return getattr(member, "name", None) or str(member)


def clean_name(text: Any, default: str = "unknown") -> str:
    """A site's or job's name as the wire demands it: 1 to 255 bytes of UTF-8, no control characters.

    What comes from other machines is untrusted; it is made fit, never refused.
    """
    text = "".join("_" if ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 else c for c in str(text))
    return text.encode()[:MAX_NAME_BYTES].decode(errors="ignore") or default


def plain(value: Any, depth: int = 0) -> Any:
    """The value with everything msgpack or the wire format does not know replaced by what is nearest."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (str, bytes)):
        # Sizes are looked at before anything is made of a value.
        if len(value) > MAX_EVENT_BYTES:
            raise EventRejected(f"a text of {len(value)} characters; an event may have 1 MiB")
        if isinstance(value, bytes):
            return value
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Large):  # whoever sends it freezes it before
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 64 else _large_integer(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        if depth >= _MAX_DEPTH:
            raise EventRejected(f"a value is nested deeper than {_MAX_DEPTH}")
        if len(value) > MAX_NODES:
            raise EventRejected(f"{len(value)} values in one; an event may have {MAX_NODES}")
        if isinstance(value, dict):
            return {plain(str(k)): plain(v, depth + 1) for k, v in value.items()}
        return [plain(v, depth + 1) for v in value]
    return _plain_object(value, depth)


def _plain_object(value: Any, depth: int) -> Any:
    # numpy and torch: a single element is a number, an array is a list.
    count = elements(value)
    if count > MAX_NODES and hasattr(value, "tolist"):
        raise EventRejected(f"an array of {count} elements; an event may have {MAX_NODES} values")
    for method in ("item", "tolist"):
        try:
            return plain(getattr(value, method)(), depth)
        except EventRejected:
            raise
        except Exception:
            continue
    return str(value)[:_MAX_TEXT]


def elements(value: Any) -> int:
    """How many elements an array of numpy's, torch's or another library's has; 0: it does not say."""
    for name in ("size", "numel"):
        try:
            found = getattr(value, name)
            found = found() if name == "numel" else found
        except Exception:
            continue
        if isinstance(found, int):
            return found
    return 0


def _nodes(value: Any) -> int:
    """Values that the reader of an event counts, keys as well."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(_nodes, value.values()))
    if isinstance(value, (list, tuple)):
        return 1 + sum(map(_nodes, value))
    return 1


def _large_integer(value: int) -> Any:
    # Beyond 64 bits: as a float as W&B's own JSON readers take it, or as digits.
    try:
        return float(value)
    except OverflowError:
        return str(value)[:_MAX_TEXT]


def _image(value: Any) -> Any:
    """A file's bytes as they are; pixels as one byte per channel, row by row, with their measures."""
    size = len(value) if isinstance(value, (bytes, bytearray)) else elements(value)
    if size > MAX_EVENT_BYTES:
        raise EventRejected(f"an image of {size} bytes; an event may have 1 MiB")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    import numpy as np  # NVFlare brings it

    pixels = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3:
        raise EventRejected(f"an image has 2 or 3 dimensions, not {pixels.ndim}")
    if pixels.shape[2] > 4 and pixels.shape[0] <= 4:
        pixels = pixels.transpose(1, 2, 0)  # channels first, as TensorBoard has it
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(pixels) * 255
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    height, width, channels = pixels.shape
    return {"height": height, "width": width, "channels": channels, "data": pixels.tobytes()}


def _whole_step(step: Any) -> Optional[int]:
    """The step as the wire has it. Raises EventRejected."""
    found = numbers_of(step)
    if found is None or (type(found) is int and 0 <= found < 1 << 63):
        return found
    raise EventRejected(f"a step is a whole number from 0 on, not {str(step)[:50]!r}")


def _is_flat(value: Any) -> bool:
    """True for what msgpack encodes rightly by itself: a number, a text, a dict from texts to numbers."""
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str or (type(item) not in _NUMBERS and not _is_short_text(item)):
                return False
        return True
    return type(value) in _NUMBERS or _is_short_text(value)


def _is_short_text(value: Any) -> bool:
    return type(value) is str and len(value) <= MAX_EVENT_BYTES


_NUMBERS = frozenset((float, int, bool, type(None)))
_SIMPLE = _NUMBERS | {str}


def plain_number(value: Any) -> Any:
    """A number of numpy's or torch's as Python's own, in a dict, too; all else as it is.

    NVFlare up to 2.8 refuses other numbers than Python's, or drops them without a word.
    """
    if type(value) in _SIMPLE:
        return value
    if type(value) is dict:
        return {key: plain_number(item) for key, item in value.items()}
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value


def numbers_of(value: Any) -> Any:
    """As plain_number; what raises is left as it is."""
    try:
        return plain_number(value)
    except Exception:
        return value


_NOTHING: dict = {}

# The keyword under which NVFlare's own way carries the name of a type that NVFlare does not know. Such a record is a
# MODEL of W&B's there, which NVFlare's receivers do nothing with.
TYPE_KEY = "flarebridge_type"
OUR_TYPES = ("MEDIA", "OPERATION")

# The keyword under which BridgeWriter numbers its records: [writer's id, number from 1 on].
NUMBER_KEY = "flarebridge"


class Record(NamedTuple):
    """One analytics record as NVFlare's DXO holds it."""

    data_type: Any
    writer: Any
    tag: Any
    value: Any
    step: Optional[int]  # 0 or above
    path: Optional[str]
    extra: Optional[dict]  # the writer's further keyword arguments


def record_of(shareable: dict) -> tuple[Record, Any]:
    """The record in an event's Shareable, which is not changed, and its number if its writer numbers them.

    Raises KeyError, TypeError or ValueError if it is not a record.
    """
    dxo = shareable["DXO"]
    data, meta = dxo["data"], dxo["meta"]
    extra = data.get("analytics_kwargs")
    step = data.get("global_step")
    number, data_type = None, meta.get("analytics_data_type")
    if extra:
        step = extra.get("global_step") if step is None else step
        number = extra.get(NUMBER_KEY)
        if extra.get(TYPE_KEY) in OUR_TYPES and name_of(data_type) == "MODEL":
            data_type = extra[TYPE_KEY]
        extra = {k: v for k, v in extra.items() if k not in ("global_step", "path", NUMBER_KEY, TYPE_KEY)}
    fields = (
        data_type,
        meta.get("tracker_key"),
        data["track_key"],
        data["track_value"],
        None if step is None else int(step),
        data.get("path"),
        extra,
    )
    return tuple.__new__(Record, fields), number  # a third of the time that calling Record takes


class Encoder:
    """Makes events. Every method gives the event's bytes or raises EventRejected."""

    def __init__(self, spare: int = 0, label: str = ""):
        """`spare`: bytes of an event that are left free, for who puts a longer site's name into it.

        `label`: of this writer, one of several that share a run; each record has it.
        """
        self._label = {"writer": label} if label else None
        self._behind = (None, None, self._label) if label else ()  # the fields of a record behind its step
        self._most_bytes = MAX_EVENT_BYTES - spare
        self._new_packer()
        # Members of enumerations by their identity, which is much faster than by their name: id -> the member, held so
        # that nothing else gets its identity, and its codes as a type and as a writer.
        self._members: dict[int, tuple] = {}
        self._last: tuple = (object(), object(), 0, 0)  # the event before: its members and their codes

    def _new_packer(self) -> None:
        # One packer is twice as fast as one for each event. Its C code runs no Python for the plain types that it is
        # given, so that no other thread comes in between; msgpack's Python version is not that safe.
        in_c = msgpack.Packer.__module__ == "msgpack._cmsgpack"
        self._pack_fields = msgpack.Packer(autoreset=True).pack if in_c else msgpack.packb

    def session_opened(
        self,
        time: float,
        job: str,
        run_name: str,
        side: str,
        folder: str,
        receivers: dict,
        writer: Optional[dict] = None,
    ) -> bytes:
        """`receivers`: receiver's name -> its arguments; `side`: "server" or "client".

        `writer`: of one of several sessions that share their runs: its "pid", and whether it is "secondary".
        """
        receivers = plain(receivers)
        if _nodes(receivers) > _MAX_ARGUMENT_NODES:
            raise EventRejected(f"the receivers' arguments have more than {_MAX_ARGUMENT_NODES} values")
        opened = (_SESSION_OPENED, time, job, run_name, side, folder, receivers)
        return self._pack(opened if writer is None else (*opened, writer))

    def run_started(self, time: float, site: str) -> bytes:
        return self._pack((_RUN_STARTED, time, site))

    def record(self, time: float, site: str, shareable: dict) -> tuple[bytes, Any]:
        """The event of a record in its Shareable, and the record's number: what record_of and data give, in less time.

        Raises as these do.
        """
        dxo = shareable["DXO"]
        data, meta = dxo["data"], dxo["meta"]
        further = data.get("analytics_kwargs") or _NOTHING
        number = further.get(NUMBER_KEY) if len(further) > 1 else None
        if len(further) == ("global_step" in further) + (number is not None) and "path" not in data:
            event = self._usual(
                time,
                site,
                meta.get("analytics_data_type"),
                meta.get("tracker_key"),
                data["track_key"],
                data["track_value"],
                data.get("global_step"),
            )
            if event is not None:
                return event, number
        record, number = record_of(shareable)
        return self.data(time, site, *record), number

    def _usual(self, time: float, site: str, data_type: Any, writer: Any, tag: Any, value: Any, step: Any):
        """The event of nearly every record: of members seen before, with values that need no look; or else None."""
        last_type, last_writer, type_code, writer_code = self._last
        if data_type is not last_type or writer is not last_writer:
            kind, who = self._members.get(id(data_type)), self._members.get(id(writer))
            if not (kind and kind[1] and who):
                return None
            type_code, writer_code = kind[1], who[2]
            self._last = (data_type, writer, type_code, writer_code)
        if type(value) is dict:
            for key, item in value.items():
                if type(key) is not str or (
                    type(item) is not float and type(item) not in _NUMBERS and not _is_short_text(item)
                ):
                    return None
        elif type(value) not in _NUMBERS and (type(value) is not str or len(value) > MAX_EVENT_BYTES):
            return None
        if type(tag) is not str or (step is not None and (type(step) is not int or step >> 63)):  # not 0 to 2^63-1
            return None
        try:
            event = (DATA, time, site, type_code, writer_code, tag, value, step)
            packed = self._pack_fields(event + self._behind if self._behind else event)
        except (OverflowError, UnicodeEncodeError):
            return None  # an integer beyond 64 bits, text that is not Unicode
        # So few bytes can't hold too many values.
        return packed if len(packed) <= MAX_NODES else None

    def data(
        self,
        time: float,
        site: str,
        data_type: Any,
        writer: Any,
        tag: Any,
        value: Any,
        step: Optional[int] = None,
        path: Optional[str] = None,
        extra: Optional[dict] = None,
    ) -> bytes:
        """One record. `time`: seconds since the epoch; `step`: 0 or above.

        `extra`: the writer's further keyword arguments; of these "receivers" addresses receivers by name.
        """
        if not extra and not path:
            event = self._usual(time, site, data_type, writer, tag, value, step)
            if event is None:  # numbers of numpy's and torch's take a fifth of the time of what comes below
                value, step = numbers_of(value), numbers_of(step)
                event = self._usual(time, site, data_type, writer, tag, value, step)
            if event is not None:
                return event
        if self._label:
            extra = {**(extra or {}), **self._label}
        self._remember(data_type)
        self._remember(writer)
        step = _whole_step(step)
        type_name = name_of(data_type)
        if type_name == "IMAGE":
            value = _image(value)
        type_code = _TYPES.get(type_name, 0)
        if type_code == 0:
            extra = {**(extra or {}), "analytics_data_type": type_name}
        event = (DATA, time, site, type_code, _WRITERS.get(name_of(writer), 0), tag, value, step)
        if path or extra:
            extra = dict(extra or {})
            receivers = extra.pop("receivers", None)
            more = [path or None, [receivers] if isinstance(receivers, str) else receivers, extra or None]
            while more and more[-1] is None:  # fields that say nothing are left out at the end
                more.pop()
            event += tuple(more)
        if len(event) == 8 and _is_flat(value) and type(tag) is str:
            try:
                return self._pack(event)
            except (OverflowError, UnicodeEncodeError):
                pass  # an integer beyond 64 bits, text that is not Unicode
        return self._pack(
            tuple(plain(field) for field in event[:5])
            + (str(plain(tag)),)
            + tuple(plain(field) for field in event[6:])
        )

    def _remember(self, member: Any) -> None:
        """For the next time: a type's or writer's member, unless its values need to be looked at."""
        code, name = _TYPES.get(name_of(member), 0), name_of(member)
        if isinstance(member, Enum) and name != "IMAGE" and (code or name in _WRITERS) and len(self._members) < 100:
            self._members[id(member)] = (member, code, _WRITERS.get(name, 0))

    def session_ended(self, time: float, exit_code: int, reason: str = "") -> bytes:
        return self._pack((_SESSION_ENDED, time, exit_code, reason))

    def _pack(self, event: tuple) -> bytes:
        packed = self._pack_fields(event)
        if len(packed) > self._most_bytes:
            self._new_packer()  # the old one keeps the memory that it has used once
            raise EventRejected(f"{len(packed)} bytes; an event may have {self._most_bytes}")
        if len(packed) > MAX_NODES and _nodes(event) > MAX_NODES:
            raise EventRejected(f"more than {MAX_NODES} values in one event")
        return packed
