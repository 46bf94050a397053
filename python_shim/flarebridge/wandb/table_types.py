"""Types of a table's columns, by W&B's rules (wandb/sdk/data_types/_dtypes.py at 0.31). Pure; any thread.

A type is a tuple: its name, and what it is made of. INVALID is what no value can have.
"""

import datetime
import sys
from typing import Any, Optional

from .media import Media

INVALID = None
ANY, UNKNOWN, NONE = ("any",), ("unknown",), ("none",)
NUMBER, STRING, BOOLEAN, TIMESTAMP = ("number",), ("string",), ("boolean",), ("timestamp",)
_BY_CLASS = {
    int: NUMBER, float: NUMBER, str: STRING, bool: BOOLEAN, type(None): NONE,
    datetime.datetime: TIMESTAMP, datetime.date: TIMESTAMP,
}  # fmt: skip
_LISTS = (list, tuple, set, frozenset)
_MOST_DEPTH = 10  # of a type that is told; what lies deeper is "any"


def is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def flat_type(kind: type) -> Optional[tuple]:
    """The type of all values of a class, NaN apart; None where each value has its own."""
    found = _BY_CLASS.get(kind)
    if found is not None:
        return found
    if kind in _LISTS or kind is dict or issubclass(kind, Media) or hasattr(kind, "__array_finalize__"):
        return None
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.generic):
        for base, name in ((numpy.bool_, BOOLEAN), (numpy.number, NUMBER), (numpy.datetime64, TIMESTAMP)):
            if issubclass(kind, base):
                return name
    return ("pythonObject", kind.__name__)


def type_of(value: Any) -> tuple:
    kind = type(value)
    if kind is float and value != value:  # as gaps in data frames are
        return NONE
    found = flat_type(kind)
    if found is not None:
        return found
    if isinstance(value, Media):
        return (value._type,)
    if kind is dict:
        return ("typedDict", tuple((key, type_of(item)) for key, item in value.items()))
    if kind in _LISTS:
        element: Any = union([UNKNOWN, NONE]) if None in list(value) else UNKNOWN
        for item in value:
            element = assign(element, item)
        return ("list", element, len(value))
    return ("ndarray", tuple(value.shape))


def union(types: Any) -> tuple:
    """In the order of their names."""
    flat = []
    for one in types:
        flat += one[1] if one is not INVALID and one[0] == "union" else [one]
    return ("union", tuple(sorted(flat, key=name_of)))


def assign(known: Any, value: Any) -> Any:
    """The type that holds the value, too; INVALID if there is none."""
    if known is INVALID:
        return INVALID
    if known[0] == "union":
        return _assign_union(known[1], lambda one: assign(one, value))
    if known[0] == "list":
        if not hasattr(value, "__iter__"):
            return INVALID
        element, items = known[1], list(value)
        for item in items:
            element = assign(element, item)
            if element is INVALID:
                return INVALID
        return ("list", element, len(items))
    if known[0] == "typedDict":
        fits = isinstance(value, dict) and value.keys() <= dict(known[1]).keys()
        return _assign_items(known[1], lambda key, one: assign(one, value.get(key))) if fits else INVALID
    return assign_type(known, type_of(value))


def assign_type(known: Any, other: Any) -> Any:
    """The same of a value's type."""
    if known is INVALID or other is INVALID:
        return INVALID
    name = known[0]
    if name == "any":
        return INVALID if other == NONE else known
    if name == "unknown":
        return INVALID if other == NONE else other
    if name == "union":
        for one in other[1] if other[0] == "union" else (other,):
            known = _assign_union(known[1], lambda kind, one=one: assign_type(kind, one))
            if known is INVALID:
                return INVALID
        return known
    if name == "list" and other[0] == "list":
        element = assign_type(known[1], other[1])
        return INVALID if element is INVALID else ("list", element, known[2] if known[2] == other[2] else None)
    if name == "typedDict" and other[0] == "typedDict":
        given = dict(other[1])
        fits = given.keys() <= dict(known[1]).keys()
        return _assign_items(known[1], lambda key, one: assign_type(one, given.get(key, UNKNOWN))) if fits else INVALID
    if name == "ndarray" and other[0] == "list":
        return known
    return known if known == other else INVALID


def _assign_items(items: tuple, assign_one: Any) -> Any:
    found = tuple((key, assign_one(key, one)) for key, one in items)
    return INVALID if any(one is INVALID for _, one in found) else ("typedDict", found)


def _assign_union(types: tuple, assign_one: Any) -> Any:
    """The first that fits takes it; if none does, one that is not known yet."""
    found, fits, unknown = [], False, 0
    for one in types:
        if fits:
            found.append(one)
        elif one == UNKNOWN:
            unknown += 1
        else:
            new = assign_one(one)
            fits = new is not INVALID
            found.append(new if fits else one)
    if not fits:
        new = assign_one(UNKNOWN) if unknown else INVALID
        if new is INVALID:
            return INVALID
        found.append(new)
        unknown -= 1
    return union(found + [UNKNOWN] * unknown)


def of_dtype(given: Any) -> tuple:
    """What a script demands: a class, [a class], {"key": a class}, or a type of ours."""
    if given is None:
        return UNKNOWN
    if isinstance(given, tuple):
        return given
    if isinstance(given, type):
        if issubclass(given, Media):
            return (given._type,)
        if given in _LISTS:
            return ("list", UNKNOWN, None)
        return ("typedDict", ()) if given is dict else flat_type(given) or UNKNOWN
    if isinstance(given, list):
        inner = [of_dtype(one) for one in given]
        return union(inner) if len(inner) > 1 else ("list", *(inner or [UNKNOWN]), None)
    if isinstance(given, dict):
        return ("typedDict", tuple((key, of_dtype(one)) for key, one in given.items()))
    raise TypeError(f"dtype takes a class, [a class] or a dict of classes, not {given!r}")


def name_of(kind: Any) -> str:
    """In words, and as unions are sorted by."""
    if kind is INVALID:
        return "Invalid"
    if kind[0] == "union":
        return " or ".join(map(name_of, kind[1]))
    if kind[0] == "list":
        return f"{name_of(kind[1])}[]"
    if kind[0] == "typedDict":
        return "{" + ", ".join(f"{key!r}: {name_of(one)}" for key, one in kind[1]) + "}"
    if kind[0] == "ndarray":
        return f"Ndarray(shape:{list(kind[1])})"
    return f"Pythonobject(class_name:{kind[1]})" if kind[0] == "pythonObject" else kind[0].capitalize()


def as_value(kind: Any, depth: int = 0) -> list:
    """As the event has it (events/README.md of the project)."""
    if kind is INVALID or depth >= _MOST_DEPTH:
        return ["invalid" if kind is INVALID else "any"]
    if kind[0] == "union":
        return ["union", *(as_value(one, depth + 1) for one in kind[1])]
    if kind[0] == "list":
        return ["list", as_value(kind[1], depth + 1), kind[2]]
    if kind[0] == "typedDict":
        return ["typedDict", *(part for key, one in kind[1] for part in (str(key), as_value(one, depth + 1)))]
    return list(kind[:2]) if kind[0] == "pythonObject" else [kind[0]]


def as_lists(kind: Any) -> Any:
    """An array's type as that of lists of numbers: one alone where it is short, as W&B's client has it."""
    if kind is INVALID or kind[0] not in ("ndarray", "union"):
        return kind
    if kind[0] == "union":
        arrays = [one for one in kind[1] if one is not INVALID and one[0] == "ndarray"]
        if arrays and len(arrays[0][1]) == 1:
            return as_lists(arrays[0])
        return union([as_lists(one) for one in kind[1]])
    found: Any = NUMBER
    for length in reversed(kind[1]):
        found = ("list", found, length)
    return found
