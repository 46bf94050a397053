"""Names of numbers that a policy has decided on: a log call in a loop has the same ones every time. Pure; any thread.

Only of records that are a number, or a flat dict of numbers, of a kind whose decision hangs on names alone. What is
remembered changes no decision; it saves four fifths of the time that one takes.
"""

from typing import Any, Callable, NamedTuple, Optional

from .events import Record

_MOST_TAGS = 1000  # whose records' keys are remembered
_MOST_KEYS = 10000  # of a tag
_LONG = 2000  # characters of names that are not remembered
_LARGEST = 1 << 62  # of the integers that need no closer look
_NUMBERS = (int, float)


class _Keys(NamedTuple):
    leaving: set  # keys under which numbers leave
    kept: dict  # those under which they do not -> policy.Kept


class KnownNames:
    """Of one policy."""

    def __init__(self, rounded: Optional[Callable[[Any], Any]]):
        """`rounded`: makes of a number what leaves; None: it leaves as it is."""
        self._rounded = rounded
        self._keys: dict = {}  # type, tag, and whether it is a dict -> _Keys

    def judge(self, record: Record) -> Optional[tuple]:
        """As Policy.judge; None: it needs a closer look."""
        value = record.value
        if record.path or record.extra or type(record.tag) is not str:
            return None
        keys = self._keys.get((record.data_type, record.tag, type(value) is dict))
        if keys is None:
            return None
        for item in value.values() if type(value) is dict else (value,):
            if type(item) is not float and (type(item) is not int or abs(item) > _LARGEST):
                return None
        if type(value) is not dict:
            new = self._rounded(value) if self._rounded else value
            return (record if new == value else record._replace(value=new)), []
        kept = []
        if not (value and value.keys() <= keys.leaving):
            kept = [keys.kept[key] for key in value if key in keys.kept]
            value = {key: item for key, item in value.items() if key in keys.leaving}
            if not kept or len(kept) + len(value) < len(record.value):
                return None
            if not value:
                return None, kept
        new = {key: self._rounded(item) for key, item in value.items()} if self._rounded else value
        return (record if not kept and (new is value or new == value) else record._replace(value=new)), kept

    def remember(self, record: Record, left: Optional[Record], kept: list) -> None:
        """What a policy has made of a record."""
        value, tag = record.value, record.tag
        if record.path or record.extra or type(tag) is not str or type(value) not in (dict, *_NUMBERS):
            return
        if (left is None and type(value) is not dict) or (left is not None and left.tag is not tag):
            return
        if len(self._keys) >= _MOST_TAGS:
            return
        known = self._keys.setdefault((record.data_type, tag, type(value) is dict), _Keys(set(), {}))
        if type(value) is not dict or len(known.leaving) + len(known.kept) >= _MOST_KEYS:
            return
        # A dict may leave by what is below it, where a number of its name may not.
        pairs = value.items()
        numbers = {key for key, item in pairs if type(item) in _NUMBERS and type(key) is str and len(key) < _LONG}
        if all(one.name in value for one in kept):  # each key for itself
            known.kept.update({one.name: one for one in kept if one.name in numbers})
        known.leaving.update(key for key in numbers if left is not None and key in left.value)
