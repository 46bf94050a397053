"""Media objects: what is logged becomes the map of a MEDIA event (events/README.md of the project). Any thread.

A constructor never raises: what can't be logged says so when it is. What an object is made of is read at once, so that
a script may change it behind.
"""

import os
from types import ModuleType
from typing import Any, Callable, NamedTuple, Optional

from ..large import INLINE, NO_WAY, Large, contents_of
from .files import MOST

Odd = Callable[[str, str], None]

_MOST_OF_A_LIST = 108  # W&B's client keeps so many (wandb/sdk/data_types/utils.py at 0.31)
_ROOM = 4 << 10  # bytes of an event for names and members


class NotLogged(ValueError):
    """Why a media object can't be logged."""


class Media:
    """Base of all. A class of its own says `_type`, and makes `_value` in `_make`."""

    _type = ""

    def __init__(self, *arguments: Any, **further: Any):
        self._wrong = ""
        self._value: dict = {}
        try:
            self._value = {"_type": self._type, **self._make(*arguments, **further)}
        except NotLogged as e:
            self._wrong = str(e)
        except Exception as e:  # whatever a script hands in
            self._wrong = f"{type(e).__name__}: {e}"

    def _make(self, *arguments: Any, **further: Any) -> dict:
        """What is in the event beside the type. Raises whatever is wrong."""
        raise NotImplementedError

    def as_value(self) -> dict:
        """Raises NotLogged."""
        if self._wrong:
            raise NotLogged(self._wrong)
        return self._value

    def as_small_value(self) -> dict:
        """The same in fewer bytes, where that is possible without a loss. Raises NotLogged."""
        return self.as_value()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{': ' + self._wrong if self._wrong else ''}>"


class Chart:
    """A table with how it is to be shown: `table`, logged under a name that is made of the chart's."""

    table: Media

    def table_key(self, key: str) -> str:
        """What the table of a chart of this name is called."""
        raise NotImplementedError

    def as_value(self, key: str) -> dict:
        """What the event says of it (events/README.md of the project)."""
        raise NotImplementedError


class Room(NamedTuple):
    """What the way of a run's events has room for."""

    most_raw: int = MOST  # bytes above which pixels become a PNG file here, where others make it otherwise
    takes_large: bool = False  # beside the events, more than 1 MiB


_EVENTS = Room()


def media_of(value: Any, odd: Odd, key: str, room: Room = _EVENTS) -> Optional[dict]:
    """The map of what is logged as media; {} if it can't be, which is told; None if it is none."""
    try:
        one = _as_media(value)
        if one is not None:
            return _fitting(one.as_value, one.as_small_value, type(one).__name__, room)
        if isinstance(value, (list, tuple)) and value:
            items = [_as_media(item) for item in value]
            if all(item is not None for item in items):
                return _list_of(items, odd, key, room)
    except NotLogged as e:
        odd(key, f"{e}; it is not logged")
        return {}
    except Exception:  # of an object that can't be asked what it is
        return None
    return None


def _as_media(value: Any) -> Optional[Media]:
    """Media, and figures that are logged bare."""
    if isinstance(value, Media):
        return value
    home = type(value).__module__
    if type(value).__name__ == "DataFrame" and home.partition(".")[0] == "pandas":
        from .table import Table

        return Table(dataframe=value)
    if home.startswith("plotly.") and hasattr(value, "to_plotly_json"):
        from .scenes import Plotly

        return Plotly(value)
    is_pyplot = isinstance(value, ModuleType) and value.__name__ == "matplotlib.pyplot"
    if is_pyplot or (home.startswith("matplotlib.") and hasattr(value, "savefig")):
        from .image import Image

        return Image(value)
    return None


def _list_of(items: list, odd: Odd, key: str, room: Room) -> dict:
    if len(items) > _MOST_OF_A_LIST:
        odd(key, f"of {len(items)} the first {_MOST_OF_A_LIST} are logged, as W&B takes no more in one list")
        items = items[:_MOST_OF_A_LIST]

    if len({item._type for item in items}) > 1:
        raise NotLogged("a list of media of several kinds; log each kind under a name of its own")
    if items[0]._type == "table-file":
        raise NotLogged("a list of tables; log each under a name of its own")

    def whole() -> dict:
        return {"_type": "list", "items": [item.as_value() for item in items]}

    def small() -> dict:
        return {"_type": "list", "items": [item.as_small_value() for item in items]}

    return _fitting(whole, small, f"a list of {len(items)}", room)


def _fitting(whole: Callable[[], dict], small: Callable[[], dict], what: str, room: Room) -> dict:
    """What fits an event, or goes beside it. Raises NotLogged."""
    value = whole()
    # A file for each of many small ones costs more than to encode them here; and what is small goes to a server, too.
    goes_beside = room.takes_large and room.most_raw >= MOST and max(contents_of(value), default=0) > INLINE
    if size_of(value) + _ROOM > room.most_raw and not goes_beside:
        value = small()
    size = size_of(value)
    if size + _ROOM > MOST and not room.takes_large:
        raise NotLogged(f"{what} has {size} bytes: {NO_WAY}")
    if size - sum(contents_of(value)) + _ROOM > MOST:
        raise NotLogged(f"{what} has {size} bytes of texts and numbers; an event may have 1 MiB")
    return value


def size_of(value: Any) -> int:
    """About the bytes that a value takes of an event."""
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    if isinstance(value, Large):
        return value.size
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    if isinstance(value, dict):
        return sum(len(str(key)) + size_of(item) + 2 for key, item in value.items())
    return sum(map(size_of, value)) + 2 if isinstance(value, (list, tuple)) else 9


def members(**given: Any) -> dict:
    """Members of a media object, without what is not given."""
    return {key: str(value) for key, value in given.items() if value is not None}


def content_of(data: Any, file_type: Optional[str] = None) -> tuple:
    """Bytes and the ending of a file: of a path, of an open file, or bytes. Raises NotLogged, OSError.

    A large file of a path is read when it is logged: Large stands in place of its bytes.
    """
    ending = f".{file_type.lstrip('.')}" if file_type else ""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), ending
    if isinstance(data, (str, os.PathLike)):
        path = os.fspath(data)
        path = path.decode() if isinstance(path, bytes) else path
        if os.path.getsize(path) > INLINE:
            return Large(path=os.path.abspath(path)), ending_of(path)
        with open(path, "rb") as file:
            return file.read(INLINE + 1), ending_of(path)
    if hasattr(data, "read"):
        if hasattr(data, "seek"):
            data.seek(0)
        content = data.read()
        content = content.encode() if isinstance(content, str) else bytes(content)
        return content, ending or ending_of(str(getattr(data, "name", "")))
    raise NotLogged(f"{type(data).__name__} is no path, no file and no bytes")


def ending_of(path: str) -> str:
    """With its dot, in small letters; two parts where W&B has such (.pts.json)."""
    name = os.path.basename(path).lower()
    return ".pts.json" if name.endswith(".pts.json") else os.path.splitext(name)[1]
