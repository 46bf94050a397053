"""What may leave a site: one decision over every value of a record. Pure; any thread.

A policy is made of rules (rules.py): the site's, and the job's, which can narrow it. A value leaves if all of them let
it. Who asks is gate.py.
"""

import math
from typing import Any, NamedTuple, Optional

from .events import TYPE_NAMES, EventRejected, Record, elements, name_of, plain
from .globs import Excluded, fit_exactly
from .known_names import KnownNames
from .rules import KINDS

# A record of another type counts as a file.
_KIND_OF = {
    "SCALAR": "scalars", "SCALARS": "scalars", "METRIC": "scalars", "METRICS": "scalars", "PARAMETER": "params",
    "PARAMETERS": "params", "TAG": "tags", "TAGS": "tags", "TEXT": "texts", "IMAGE": "images", "LOG_RECORD": "console",
}  # fmt: skip
# Why a value is kept.
BY_NAME, BY_KIND, BY_SIZE = "name", "kind", "size"

# Types that hold several values, each under its key, and the tags that their writers give them.
_DICTS = {"METRICS": "metrics", "SCALARS": "scalars", "PARAMETERS": "params", "TAGS": "tags"}
_IMAGE_FIELDS = {"height", "width", "channels", "data"}  # as an event has it
_MOST_DEPTH = 16  # of a value; an event allows 15
_TYPE_NAMES = frozenset(TYPE_NAMES.values())
_MOST_KNOWN = 10000  # names whose decision is remembered
_LONG = 2000  # characters of names that are not remembered
_UNKNOWN_SIZE = 1 << 62
_NOTHING = object()


class Kept(NamedTuple):
    """A value that does not leave."""

    name: str
    kind: str
    why: str  # BY_NAME, BY_KIND or BY_SIZE


class Policy:
    """Rules that hold together."""

    def __init__(self, rules: list):
        self._includes = [rule.include for rule in rules if rule.include is not None]
        self._excluded = Excluded(glob for rule in rules for glob in rule.exclude)
        self.kinds = frozenset(KINDS).intersection(*(rule.kinds for rule in rules if rule.kinds is not None))
        self._digits = min((rule.digits for rule in rules if rule.digits is not None), default=None)
        sizes = [rule.max_bytes for rule in rules]
        self._max_bytes = {
            kind: min(size[kind] for size in sizes if kind in size) for kind in KINDS if any(kind in s for s in sizes)
        }
        self._any_name = not self._includes and not self._excluded
        self._free: dict = {}  # types as records have them -> whether they need no look
        self.last_free: Any = object()  # a type; most records have that of the one before
        self._known: dict = {}
        self._known_records = KnownNames(None if self._digits is None else self.rounded)

    def is_free(self, data_type: Any) -> bool:
        """True if records of this type leave as they are, whatever they hold: a fraction of a microsecond."""
        free = self._free.get(data_type)
        if free is None:
            free = self._needs_no_look(name_of(data_type))
            if len(self._free) < 100:
                self._free[data_type] = free
        if free:
            self.last_free = data_type
        return free

    def judge(self, record: Record) -> tuple:
        """The record with what may leave of it, or None, and a list of Kept.

        The given one is not changed; it is given back itself if all of it may leave.
        """
        if self.is_free(record.data_type):
            return record, []
        known = self._known_records.judge(record)
        if known is not None:
            return known
        left, kept = _Judgement(self, record).run()
        self._remember_names(record, left, kept)
        return left, kept

    def _remember_names(self, record: Record, left: Optional[Record], kept: list) -> None:
        """For the next one: if what leaves hangs on the names alone."""
        name = name_of(record.data_type)
        if _KIND_OF.get(name) != "scalars" or "scalars" not in self.kinds or "scalars" in self._max_bytes:
            return
        if name == "SCALARS" and self.includes_names and not self.allows((record.tag,), (record.tag,)):
            return  # whether the tag leaves depends on which keys do
        self._known_records.remember(record, left, kept)

    def allows(self, names: tuple, exact: tuple) -> bool:
        """True if a value may leave that goes by `names`, and whose own name is one of `exact`."""
        if self._any_name:
            return True
        key = (names, exact)
        known = self._known.get(key)
        if known is None:
            known = not self._excluded.fit(names) and all(fit_exactly(exact, globs) for globs in self._includes)
            self._remember(key, known)
        return known

    def excludes(self, *names: str) -> bool:
        """True if one of the names is excluded."""
        return not self.allows_parent(names)

    def allows_parent(self, names: tuple) -> bool:
        """True if values may lie below: nothing of the names is excluded."""
        key = (names, None)
        known = self._known.get(key)
        if known is None:
            known = not self._excluded.fit(names)
            self._remember(key, known)
        return known

    @property
    def includes_names(self) -> bool:
        """True if only what is named may leave."""
        return bool(self._includes)

    def too_large(self, kind: str, size: int) -> bool:
        limit = self._max_bytes.get(kind)
        return limit is not None and size > limit

    def sees_values(self, kind: str) -> bool:
        """True if values of the kind are to be measured or rounded."""
        return kind in self._max_bytes or self._digits is not None

    def rounded(self, value: Any) -> Any:
        """A plain value with its numbers rounded; lists are new ones if anything in them changes."""
        if self._digits is None:
            return value
        return _rounded(value, self._digits)

    def _remember(self, key: tuple, known: bool) -> None:
        if len(self._known) < _MOST_KNOWN and sum(map(len, key[0])) < _LONG:
            self._known[key] = known

    def _needs_no_look(self, type_name: str) -> bool:
        kind = _KIND_OF.get(type_name, "files")
        needed = {"scalars", "texts", kind} | ({"files"} if kind == "texts" else set())  # a text with a path is a file
        return self._any_name and self._digits is None and needed <= self.kinds and not needed & set(self._max_bytes)


class _Judgement:
    """Of one record."""

    def __init__(self, policy: Policy, record: Record):
        self._policy, self._record = policy, record
        self._type = name_of(record.data_type)
        self._tag = record.tag if type(record.tag) is str else str(record.tag)
        self._kind = _KIND_OF.get(self._type, "files")
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
        if value is _NOTHING:
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
        return _NOTHING

    def _walk(self, value: Any, path: tuple) -> Any:
        """What may leave of a value whose keys are `path`; the value itself if all of it may, or _NOTHING."""
        if len(path) > _MOST_DEPTH or (path and not self._policy.allows_parent(self._names(path))):
            return self._keep(path[:_MOST_DEPTH], self._kind, BY_NAME)
        if isinstance(value, dict) and value:
            found = {}
            same = True
            for key, item in value.items():
                new = self._walk(item, (*path, key if type(key) is str else str(key)))
                same = same and new is item
                if new is not _NOTHING:
                    found[key] = new
            return value if same else found or _NOTHING
        if isinstance(value, (list, tuple, set, frozenset)) and _holds_dicts(value, 0):
            items = [self._walk(item, path) for item in value]
            if all(new is old for new, old in zip(items, value)):
                return value
            return [item for item in items if item is not _NOTHING] or _NOTHING
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
            if self._policy.too_large(kind, _size(seen)):
                return self._keep(path, kind, BY_SIZE)
            new = self._policy.rounded(seen)
            return value if new is seen else new
        return value

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
        found = {} if left is _NOTHING else dict(left)
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


def _holds_text(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or (isinstance(value, list) and any(map(_holds_text, value)))


def _size(value: Any) -> int:
    """Bytes of a plain value: a number has eight."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, bytes):
        return len(value)
    return sum(map(_size, value)) if isinstance(value, list) else 8


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


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, list):
        items = [_rounded(item, digits) for item in value]
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
