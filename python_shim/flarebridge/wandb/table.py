"""Table: rows that may grow, of columns with a type each. Any thread, one at a time."""

import datetime
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, Callable, Optional

import msgpack

from ..large import contents_of, inline
from . import table_types as types
from .histogram import Histogram
from .media import Media, NotLogged
from .terminal import say_once
from .values import PLAIN, as_array, row_value, text_of

_LOG_MODES = ("IMMUTABLE", "MUTABLE", "INCREMENTAL")
_MOST_DEPTH = 10  # of a cell; an event allows more, and each list within a row is one
_MOST_BYTES = 256 << 20  # of a table's rows: whoever writes the run has them in memory (receivers/blob_folder.h)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Table(Media):
    """W&B's Table. What is logged is the table as it is then: one that has grown is written anew.

    Of log modes INCREMENTAL is as MUTABLE: each version has all rows.
    """

    _type = "table-file"
    MAX_ROWS = 10000  # of the run's file, which W&B's pages show
    MAX_ARTIFACT_ROWS = 200000

    def __init__(
        self,
        columns: Any = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: Any = True,
        allow_mixed_types: bool = False,
        log_mode: Optional[str] = "IMMUTABLE",
    ):
        """Raises AssertionError, TypeError or ValueError for what is no table, as W&B's."""
        assert log_mode in _LOG_MODES, f"Invalid log_mode: {log_mode}. Must be one of {_LOG_MODES}"
        self.log_mode = log_mode
        self.data: list = []
        self._known: set = set()  # the classes of rows that fit
        given = rows if data is None else data
        frame = dataframe if dataframe is not None else given if is_dataframe(given) else None
        if frame is not None:
            columns, given = list(frame.columns), _rows_of(frame)
        elif given is None:
            given = []
        elif not types.is_array(given):
            assert isinstance(given, list), "data argument expects a `list` object"
        columns = ["Input", "Output", "Expected"] if columns is None else columns
        assert isinstance(columns, list), "columns argument expects a `list` object"
        assert all(type(name) in (str, int) for name in columns), "columns argument expects list of strings or ints"
        self.columns = columns
        self._types: dict = {}
        dtype = types.ANY if allow_mixed_types else dtype
        for number, name in enumerate(columns):
            wanted = dtype[number] if isinstance(dtype, list) else dtype
            may_lack = optional[number] if isinstance(optional, list) else optional
            self.cast(name, types.of_dtype(wanted), may_lack)
        for row in given:
            self.add_data(*row)

    def add_data(self, *data: Any) -> None:
        """A row. Raises ValueError for one of another length, TypeError for one that the columns' types don't fit."""
        if tuple(map(type, data)) not in self._known:
            self._take_types(data)
        self.data.append(list(data))

    def add_row(self, *row: Any) -> None:
        """As add_data()."""
        self.add_data(*row)

    def add_column(self, name: str, data: Any, optional: bool = False) -> None:
        """Raises AssertionError for a column of another length, TypeError for one of mixed types."""
        assert isinstance(name, str) and name not in self.columns
        assert isinstance(data, list) or types.is_array(data)
        first = not self.columns
        assert first or len(data) == len(self.data), f"Expected length {len(self.data)}, found {len(data)}"
        kind = self._type_of_all(types.UNKNOWN, data, optional)
        if first:
            self.data = [[] for _ in data]
        for row, item in zip(self.data, data):
            row.append(item)
        self.columns.append(name)
        self._types[name] = kind
        self._known.clear()

    def add_computed_columns(self, fn: Callable) -> None:
        """Columns of fn(number of the row, row as a dict), which gives a dict."""
        made: dict = {}
        for number, row in self.iterrows():
            for key, item in fn(number, dict(zip(self.columns, row))).items():
                made.setdefault(key, []).append(item)
        for key, items in made.items():
            self.add_column(key, items)

    def get_column(self, name: Any, convert_to: Optional[str] = None) -> Any:
        """Its values as a list, or as an array with convert_to="numpy"."""
        assert name in self.columns
        assert convert_to is None or convert_to == "numpy"
        number = self.columns.index(name)
        column = [row[number] for row in self.data]
        if convert_to is None:
            return column
        import numpy as np  # whoever asks for it has it

        return np.array(column)

    def iterrows(self) -> Iterator[tuple]:
        """Each row's number, and its values."""
        yield from enumerate(self.data)

    def get_index(self) -> list:
        """The rows' numbers."""
        return list(range(len(self.data)))

    def get_dataframe(self) -> Any:
        """A pandas.DataFrame. Raises ImportError without pandas."""
        import pandas

        return pandas.DataFrame.from_records(self.data, columns=self.columns)

    def cast(self, col_name: Any, dtype: Any, optional: bool = False) -> Any:
        """Gives a column a type. Raises TypeError if a value does not fit it."""
        assert col_name in self.columns
        number = self.columns.index(col_name)
        held = [row[number] for row in self.data]
        self._types[col_name] = kind = self._type_of_all(types.of_dtype(dtype), held, optional)
        self._known.clear()
        return kind

    def as_value(self) -> dict:
        """See Media. The rows are one value in bytes: an event has room for 65,536 others."""
        rows = self.data
        if len(rows) > self.MAX_ARTIFACT_ROWS:
            say_once(
                "warning", f"of a table's {len(rows)} rows the first {self.MAX_ARTIFACT_ROWS} are logged, as W&B's"
            )
            rows = rows[: self.MAX_ARTIFACT_ROWS]
        try:
            data = _packed(rows)
        except NotLogged:
            raise
        except Exception as e:  # whatever a script has put there
            raise NotLogged(f"a cell can't be logged ({type(e).__name__}: {e})") from e
        if len(data) > _MOST_BYTES:
            raise NotLogged(f"a table's rows have {len(data) >> 20} MiB; 256 are possible")
        return {
            "_type": self._type,
            "columns": list(self.columns),
            "types": [types.as_value(types.as_lists(self._types[name])) for name in self.columns],
            "nrows": len(self.data),
            "log_mode": "IMMUTABLE" if self.log_mode == "IMMUTABLE" else "MUTABLE",  # whole each time
            "data": data,
        }

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Table) and (self.columns, self.data) == (other.columns, other.data)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Table of {len(self.data)} x {len(self.columns)}>"

    def _type_of_all(self, kind: Any, items: Any, optional: bool) -> Any:
        kind = types.union([kind, types.NONE]) if optional else kind
        for item in items:
            new = types.assign(kind, item)
            if new is types.INVALID:
                raise TypeError(
                    f"Existing data {item}, of type {types.name_of(types.type_of(item))} cannot be cast to"
                    f" {types.name_of(kind)}"
                )
            kind = new
        return kind

    def _take_types(self, data: tuple) -> None:
        """Of a row of classes that were not there yet, or of which each value has a type of its own."""
        if len(data) != len(self.columns):
            raise ValueError(f"This table expects {len(self.columns)} columns: {self.columns}, found {len(data)}")
        found = {name: types.assign(self._types[name], item) for name, item in zip(self.columns, data)}
        for name, item in zip(self.columns, data):
            if found[name] is types.INVALID:
                raise TypeError(
                    f"Data row contained incompatible types:\n{data} is not assignable:\nKey {name!r}:\n\t"
                    f"{types.name_of(types.type_of(item))} not assignable to {types.name_of(self._types[name])}"
                )
        self._types = found
        kinds = tuple(map(type, data))
        # NaN has the type of None, which says nothing of the numbers that may follow, and may not be allowed.
        may_lack = all(kind[0] == "union" and types.NONE in kind[1] for kind in found.values())
        if may_lack and all(map(types.flat_type, kinds)) and not any(item != item for item in data):
            self._known.add(kinds)


def is_dataframe(value: Any) -> bool:
    """One of pandas'."""
    kind = type(value)
    return kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"


def _rows_of(frame: Any) -> Iterable:
    return zip(*(_column_of(frame[name].values) for name in frame.columns))


def _column_of(values: Any) -> list:
    """Dates stay what they are; numbers become Python's."""
    dtype = str(getattr(values, "dtype", ""))
    return list(values) if dtype.startswith("datetime64[") else values.tolist()


def _packed(rows: list) -> bytes:
    """Each row as a list, one behind the other."""
    content = None
    if PLAIN.issuperset(map(type, chain.from_iterable(rows))):
        with suppress(OverflowError):  # an integer of more than 64 bits
            content = msgpack.packb(rows, unicode_errors="replace")
    if content is None:
        content = msgpack.packb([[_cell(item) for item in row] for row in rows], unicode_errors="replace")
    head = 1 if len(rows) < 16 else 3 if len(rows) < 1 << 16 else 5  # of the list of all (msgpack's specification)
    return content[head:]


def _cell(value: Any, depth: int = 0) -> Any:
    """As events/README.md of the project has it. Raises NotLogged for media that can't be logged."""
    kind = type(value)
    if kind in PLAIN:
        return float(value) if kind is int and not -(1 << 63) <= value < 1 << 64 else value
    if isinstance(value, Media):
        return _medium(value)
    if isinstance(value, (bytes, bytearray)):
        return {"_cell": "bytes", "text": bytes(value).decode("utf-8", "replace"), "data": bytes(value)}
    if isinstance(value, (datetime.datetime, datetime.date)):
        return _time(value)
    if depth >= _MOST_DEPTH:
        return text_of(value)
    if isinstance(value, Histogram):
        value = value.as_value()
    if isinstance(value, Mapping):
        found = {text_of(key): _cell(item, depth + 1) for key, item in value.items()}
        return {"_cell": "map", "data": found} if "_cell" in found else found
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cell(item, depth + 1) for item in value]
    return _of_a_library(value, depth)


def _of_a_library(value: Any, depth: int) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.datetime64):
        if numpy.isnat(value):
            return None
        found = value.item()  # of finer units a number
        return _time(value.astype("datetime64[us]").item() if isinstance(found, int) else found)
    array = as_array(value)
    if array is not None:
        return _cell(array.tolist(), depth + 1) if array.dtype.kind != "c" else text_of(value)
    return row_value(value, "a table's cell", lambda key, why: say_once("warning", f"{key}: {why}"))


def _time(value: Any) -> dict:
    """As a text, and in milliseconds since the epoch: where no zone is given, of UTC."""
    moment = value if isinstance(value, datetime.datetime) else datetime.datetime(value.year, value.month, value.day)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)
    return {"_cell": "time", "text": value.isoformat(), "ms": (moment - _EPOCH) // datetime.timedelta(milliseconds=1)}


def _medium(value: Media) -> dict:
    if isinstance(value, Table):
        raise NotLogged("a table in a table's cell; log each under a name of its own")
    found = {key: item for key, item in value.as_value().items() if key not in ("masks", "boxes", "grouping")}
    if len(found) < len(value.as_value()):
        say_once("warning", "masks and boxes of images in tables are left out")
    if sum(contents_of(found)) > _MOST_BYTES:
        raise NotLogged("a file of more than 256 MiB in a table's cell; log it under a name of its own")
    return {"_cell": "media", "name": type(value).__name__, "data": inline(found)}
