"""The decision over every value of one record: what of it may leave. Pure; any thread.

Asked for by Policy (policy.py), which answers for names, kinds and sizes.
"""

import math
from typing import Any, NamedTuple, Optional

from .events import TYPE_NAMES, EventRejected, Record, elements, name_of, plain

# A record of another type counts as a file.
KIND_OF = {
    "SCALAR": "scalars", "SCALARS": "scalars", "METRIC": "scalars", "METRICS": "scalars", "PARAMETER": "params",
    "PARAMETERS": "params", "TAG": "tags", "TAGS": "tags", "TEXT": "texts", "IMAGE": "images", "LOG_RECORD": "console",
}  # fmt: skip
# Why a value is kept.
BY_NAME, BY_KIND, BY_SIZE = "name", "kind", "size"

# Types that hold several values, each under its key, and the tags that their writers give them.
_DICTS = {"METRICS": "metrics", "SCALARS": "scalars", "PARAMETERS": "params", "TAGS": "tags"}
_IMAGE_FIELDS = {"height", "width", "channels", "data"}  # as an event has it
_HISTOGRAM_FIELDS = {"_type", "values", "bins"}
_MOST_DEPTH = 16  # of a value; an event allows 15
_TYPE_NAMES = frozenset(TYPE_NAMES.values())
_UNKNOWN_SIZE = 1 << 62
NOTHING = object()  # of a value may leave


class Kept(NamedTuple):
    """A value that does not leave."""

    name: str
    kind: str
    why: str  # BY_NAME, BY_KIND or BY_SIZE


class Judgement:
    """Of one record."""

    def __init__(self, policy: Any, record: Record):
        self._policy, self._record = policy, record
        self._type = name_of(record.data_type)
        self._tag = record.tag if type(record.tag) is str else str(record.tag)
        self._kind = KIND_OF.get(self._type, "files")
        self._is_unknown = self._type not in _TYPE_NAMES
        self._is_file = self._type == "TEXT" and bool(record.path)
        if self._is_file:
            self._kind = "files"
        # What the whole record goes by.
        self._above = [self._tag]
        if record.path:
            self._above.append(str(record.path))
        if self._is_unknown:
            self._above.append(self._type)
        self._kept: list = []

    def run(self) -> tuple:
        record, own = self._record, str(self._record.path) if self._is_file else self._tag
        if not self._policy.allows_parent(tuple(self._above)):
            return self._keep_all(own, BY_NAME)
        if self._is_unknown and self._policy.includes_names:
            return self._keep_all(own, BY_KIND)  # the type's name would leave with it
        if self._type == "IMAGE":
            value = self._image(own)
        elif self._type in _DICTS and isinstance(record.value, dict):
            value = self._walk(record.value, ())
        else:
            value = self._walk(record.value, (own,))
        if value is NOTHING:
            return None, self._kept
        kept = Record(
            record.data_type, record.writer, self._tag_that_leaves(value), value, record.step, self._path_that_leaves(),
            self._extra_that_leaves(),
        )  # fmt: skip
        if all(new is old for new, old in zip(kept, record)):
            return record, self._kept
        return kept, self._kept

    def _keep_all(self, name: str, why: str) -> tuple:
        self._kept.append(Kept(name, self._kind, why))
        return None, self._kept

    def _keep(self, path: tuple, kind: str, why: str) -> Any:
        self._kept.append(Kept("/".join(path), kind, why))
        return NOTHING

    def _walk(self, value: Any, path: tuple) -> Any:
        """What may leave of a value whose keys are `path`; the value itself if all of it may, or NOTHING."""
        if len(path) > _MOST_DEPTH or (path and not self._policy.allows_parent(self._names(path))):
            return self._keep(path[:_MOST_DEPTH], self._kind, BY_NAME)
        if isinstance(value, dict) and value:
            if self._kind == "scalars" and _is_histogram(value):
                return self._histogram(value, path)
            found = {}
            same = True
            for key, item in value.items():
                new = self._walk(item, (*path, key if type(key) is str else str(key)))
                same = same and new is item
                if new is not NOTHING:
                    found[key] = new
            return value if same else found or NOTHING
        if isinstance(value, (list, tuple, set, frozenset)) and _holds_dicts(value, 0):
            items = [self._walk(item, path) for item in value]
            if all(new is old for new, old in zip(items, value)):
                return value
            return [item for item in items if item is not NOTHING] or NOTHING
        return self._leaf(value, path)

    def _leaf(self, value: Any, path: tuple) -> Any:
        if not self._policy.allows(self._names(path), self._exact(path)):
            return self._keep(path, self._kind, BY_NAME)
        try:
            seen = plain(value)
        except EventRejected:
            return self._keep(path, self._kind, BY_SIZE)  # no event can hold it
        if seen is not value and _holds_dicts([seen], 0) and seen != {}:  # an object that becomes one
            return self._walk(seen, path)
        kind = "texts" if self._kind == "scalars" and _holds_text(seen) else self._kind
        if kind not in self._policy.kinds:
            return self._keep(path, kind, BY_KIND)
        if self._policy.sees_values(kind):
            if self._policy.too_large(kind, size_of(seen)):
                return self._keep(path, kind, BY_SIZE)
            new = self._policy.rounded(seen)
            return value if new is seen else new
        return value

    def _histogram(self, value: dict, path: tuple) -> Any:
        """One value, whatever it is made of."""
        if not self._policy.allows(self._names(path), self._exact(path)):
            return self._keep(path, "histograms", BY_NAME)
        if "histograms" not in self._policy.kinds:
            return self._keep(path, "histograms", BY_KIND)
        if not self._policy.sees_values("histograms"):
            return value
        if self._policy.too_large("histograms", size_of(value["values"]) + size_of(value["bins"])):
            return self._keep(path, "histograms", BY_SIZE)
        new = {name: self._policy.rounded(item) for name, item in value.items()}
        return value if all(new[name] is item for name, item in value.items()) else new

    def _image(self, own: str) -> Any:
        value = self._record.value
        if isinstance(value, dict) and set(value) - _IMAGE_FIELDS:
            return self._keep((own,), "files", BY_KIND)
        if not self._policy.allows(self._names((own,)), self._exact((own,))):
            return self._keep((own,), self._kind, BY_NAME)
        if self._kind not in self._policy.kinds:
            return self._keep((own,), self._kind, BY_KIND)
        if self._policy.too_large(self._kind, _image_size(value)):
            return self._keep((own,), self._kind, BY_SIZE)
        return value

    def _names(self, path: tuple) -> tuple:
        """All that a value goes by; parts of these are asked by Excluded."""
        joined = "/".join(path)
        return (*self._above, *path, joined, f"{self._tag}/{joined}")

    def _exact(self, path: tuple) -> tuple:
        """The names that a value has in the run, and those of the dicts that it lies in."""
        names = []
        for end in range(1, len(path) + 1):
            names += ["/".join(path[:end]), ".".join(path[:end])]
        if self._type == "SCALARS":
            names += [f"{self._tag}/{name}" for name in names]
        return tuple(names)

    def _tag_that_leaves(self, value: Any) -> Any:
        """Of a dict of values the tag is a name of its own, which may not be included."""
        tag, policy = self._record.tag, self._policy
        if type(tag) is not str:
            tag = self._tag
        usual = _DICTS.get(self._type) or ("text" if self._is_file else None)
        if usual is None or tag == usual or not policy.includes_names:
            return tag
        names = [self._tag]
        if self._type == "SCALARS" and isinstance(value, dict):
            names += [f"{self._tag}/{key}" for key in value]
        return tag if policy.allows(tuple(self._above), tuple(names)) else usual

    def _path_that_leaves(self) -> Optional[str]:
        path = self._record.path
        if not path or self._is_file or self._policy.allows((str(path),), (str(path),)):
            return path
        return None

    def _extra_that_leaves(self) -> Optional[dict]:
        """Of a writer's further keyword arguments: whatever a script has put there."""
        extra = self._record.extra
        if not isinstance(extra, dict) or not extra:
            return None if extra is not None and not isinstance(extra, dict) else extra
        # The encoder names an unknown type anew.
        apart = {"receivers", "analytics_data_type"} if self._is_unknown else {"receivers"}
        further = {key: value for key, value in extra.items() if key not in apart}
        kind, self._kind = self._kind, "scalars"
        left = self._walk(further, ()) if further else further
        self._kind = kind
        found = {} if left is NOTHING else dict(left)
        if "receivers" in extra:
            found["receivers"] = self._receivers_that_leave(extra["receivers"])
        same = len(found) == len(extra) and all(found.get(key) is value for key, value in extra.items())
        return extra if same else found or None

    def _receivers_that_leave(self, given: Any) -> Any:
        if given is None or isinstance(given, str):
            return given if given is None or not self._policy.excludes(given) else []
        named = given if isinstance(given, (list, tuple)) else []
        names = [name for name in named if isinstance(name, str) and not self._policy.excludes(name)]
        return given if len(names) == len(named) and named is given else names


def _holds_dicts(value: Any, depth: int) -> bool:
    if depth > _MOST_DEPTH:
        return False  # such a value does not become plain
    return any(
        isinstance(item, dict) or (isinstance(item, (list, tuple, set, frozenset)) and _holds_dicts(item, depth + 1))
        for item in value
    )


def _is_histogram(value: dict) -> bool:
    """As W&B has it, and nothing beside."""
    return (
        value.get("_type") == "histogram"
        and value.keys() == _HISTOGRAM_FIELDS
        and all(isinstance(value[name], list) and all(map(_is_number, value[name])) for name in ("values", "bins"))
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _holds_text(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or (isinstance(value, list) and any(map(_holds_text, value)))


def size_of(value: Any) -> int:
    """Bytes of a plain value: a number has eight."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, bytes):
        return len(value)
    return sum(map(size_of, value)) if isinstance(value, list) else 8


def _image_size(value: Any) -> int:
    """Bytes of an image file, or one for each channel of each pixel."""
    if isinstance(value, dict):
        value = value.get("data")
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    size = elements(value)
    if size:
        return size
    import numpy as np  # as the encoder does

    try:
        return int(np.asarray(value).size)
    except Exception:
        return _UNKNOWN_SIZE


def rounded_to(value: Any, digits: int) -> Any:
    if isinstance(value, list):
        items = [rounded_to(item, digits) for item in value]
        return value if all(new is old for new, old in zip(items, value)) else items
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if isinstance(value, int):
        places = digits - len(str(abs(value)))
        new = round(value, places) if places < 0 else value
    else:
        new = float(f"{value:.{digits - 1}e}") if math.isfinite(value) else value
        if math.isinf(new) and math.isfinite(value):
            new = math.copysign(1e308, value)
    return value if new == value else new
