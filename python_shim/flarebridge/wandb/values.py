"""What a value becomes in a row and in the config: W&B's rules, with a text where W&B's client would raise.

Values of numpy, torch and others are known by what they can do; none of these libraries is imported here.
"""

import datetime
import enum
import math
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Callable

from .histogram import Histogram, of_array

PLAIN = frozenset((float, int, bool, str, type(None)))
_MOST_ELEMENTS = 32  # of an array that stays a list, as in W&B's client (wandb/util.py at 0.31)
_MOST_BINS = 32
_MOST_DEPTH = 12  # of dicts and lists; an event allows 15
_MOST_TEXT = 1 << 16  # characters of what is no data
_TEXT_MODULES = frozenset(("decimal", "fractions", "ipaddress", "pathlib", "uuid"))  # whose objects are texts

# A value that became a text, or was left out: its key, and why.
Odd = Callable[[str, str], None]


def text_of(value: Any) -> str:
    """The value as a text, whatever it is."""
    try:
        return str(value)[:_MOST_TEXT]
    except Exception as e:
        return f"<{type(value).__name__} without a text: {type(e).__name__}>"


def as_array(value: Any) -> Any:
    """A numpy array of what numpy, torch, TensorFlow or JAX has made; None for all else. It may raise theirs."""
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return None
    if hasattr(value, "detach"):
        value = value.detach()
        value = value.cpu() if hasattr(value, "cpu") else value
        if "bfloat16" in str(value.dtype):  # numpy has none
            value = value.float()
    if hasattr(value, "numpy") and callable(value.numpy):
        value = value.numpy()
    numpy = sys.modules.get("numpy")  # whoever has arrays has loaded it
    if numpy is None:
        return None
    found = numpy.asarray(value)
    return found if found.dtype.kind in "biufc?" else None


def row_value(value: Any, key: str, odd: Odd, depth: int = 0) -> Any:
    """What stands in the row. Never raises."""
    if type(value) in PLAIN:
        return value
    try:
        return _converted(value, key, odd, depth)
    except Exception as e:
        odd(key, f"{type(value).__name__} became a text ({type(e).__name__}: {text_of(e)[:200]})")
        return text_of(value)


def config_value(value: Any, key: str, odd: Odd) -> Any:
    """What stands in the config: as in a row, but NaN is null, and no array becomes a histogram."""
    return _without_nan(row_value(_spelled(_list_of_array(value), True), key, odd), True)


def _list_of_array(value: Any) -> Any:
    try:
        array = as_array(value)
        return value if array is None or array.size == 1 else array.tolist()
    except Exception:
        return value


def _spelled(value: Any, everywhere: bool) -> Any:
    """What a script sets itself has other texts than what it logs: of an enumeration the name, of a date Python's.

    `everywhere`: in lists, too, and of a time that something took.
    """
    if type(value) is dict:
        return {key: _spelled(item, everywhere) for key, item in value.items()}
    if everywhere and type(value) in (list, tuple):
        return [_spelled(item, everywhere) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, datetime.date):  # a datetime is one
        return value.isoformat()
    return str(value) if everywhere and isinstance(value, (datetime.time, datetime.timedelta)) else value


def _without_nan(value: Any, everywhere: bool) -> Any:
    """`everywhere`: in lists, too."""
    if type(value) is float:
        return None if math.isnan(value) else value
    if type(value) is dict:
        return {key: _without_nan(item, everywhere) for key, item in value.items()}
    return [_without_nan(item, True) for item in value] if everywhere and type(value) is list else value


def _converted(value: Any, key: str, odd: Odd, depth: int) -> Any:
    if depth >= _MOST_DEPTH:
        odd(key, f"what lies deeper than {_MOST_DEPTH} dicts and lists became a text")
        return text_of(value)
    if isinstance(value, Histogram):
        return value.as_value()
    if isinstance(value, Mapping):
        found = {}
        for name, item in list(value.items()):
            name = name if type(name) is str else text_of(name)
            if name and not (isinstance(item, Mapping) and not item):  # neither is in W&B's rows
                found[name] = row_value(item, key, odd, depth + 1)
        return found
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [row_value(item, key, odd, depth + 1) for item in value]
    if isinstance(value, (bool, int, float, str)) and not isinstance(value, enum.Enum):  # classes made of them
        return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))
    return _converted_object(value, key, odd, depth)


def _converted_object(value: Any, key: str, odd: Odd, depth: int) -> Any:
    array = as_array(value)
    if array is not None:
        return _array(array, key, odd)
    known = _known(value)
    if known is not None:
        return known
    if isinstance(value, enum.Enum):
        return row_value(value.value, key, odd, depth + 1)
    if isinstance(value, slice):
        parts = {"slice_start": value.start, "slice_step": value.step, "slice_stop": value.stop}
        return row_value(parts, key, odd, depth)
    fields = getattr(type(value), "__dataclass_fields__", None)  # importing dataclasses takes as long as all of this
    if fields is not None:
        return row_value({name: getattr(value, name) for name in fields}, key, odd, depth)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of another library's, or its date
        item = value.item()
        return row_value(item, key, odd, depth + 1)
    odd(key, f"{type(value).__name__} became a text")
    return text_of(value)


def _known(value: Any) -> Any:
    """What such objects are in W&B's rows, too; None for others."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return _utc_as_z(value.isoformat())
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    if isinstance(value, complex):
        return _complex(value)
    if type(value).__module__.split(".")[0] in _TEXT_MODULES:
        return str(value)
    if callable(value):
        name = getattr(value, "__qualname__", None)
        return f"{value.__module__}.{name}" if name and getattr(value, "__module__", None) else text_of(value)
    return None


def _complex(value: complex) -> str:
    return str(complex(value.real or 0.0, value.imag)).strip("()")  # without a real part of -0


def _utc_as_z(text: str) -> str:
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _duration(value: datetime.timedelta) -> str:
    """ISO 8601's form: -P1DT2.5S."""
    sign, value = ("-", -value) if value < datetime.timedelta(0) else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    exact = f"{seconds}.{value.microseconds:06}".rstrip("0") if value.microseconds else seconds
    days = "".join(f"{number}{unit}" for number, unit in zip(divmod(value.days, 365), "YD") if number)
    parts = zip((minutes // 60, minutes % 60, exact), "HMS")
    time = "".join(f"{number}{unit}" for number, unit in parts if number) or ("" if days else "0S")
    return f"{sign}P{days}{'T' if time else ''}{time}"


def _array(array: Any, key: str, odd: Odd) -> Any:
    if array.dtype.kind == "c":
        items = [_complex(item) for item in array.flatten().tolist()]
        return items if array.size != 1 else items[0]
    if array.size == 1:
        return array.flatten()[0].item()
    if array.size <= _MOST_ELEMENTS:
        return array.tolist()
    found = of_array(array, _MOST_BINS)
    if found is None:
        odd(key, "an array without a finite number was left as a text")
        return text_of(array)
    return found


def summary_value(value: Any, key: str, odd: Odd) -> Any:
    """What a script sets in the summary: as in the config, but of a large array what W&B's client keeps of it."""
    try:
        array = as_array(value)
    except Exception:
        array = None
    if array is None or array.size <= _MOST_ELEMENTS or array.dtype.kind not in "iuf":
        return _without_nan(row_value(_spelled(value, False), key, odd), False)
    numpy = sys.modules["numpy"]
    parts = {f"{part}%": float(numpy.percentile(array, part)) for part in (10, 25, 75, 90)}
    return {
        "_type": "numpy.ndarray", "var": float(numpy.var(array)), "mean": float(numpy.mean(array)),
        "min": numpy.amin(array).item(), "max": numpy.amax(array).item(), **parts, "size": int(array.size),
    }  # fmt: skip
