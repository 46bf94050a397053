"""wandb.summary: what was logged last of each key, and what a script sets itself.

What define_metric asks for (min, max, mean, ...) is worked out where the run is written, and is not seen here.
"""

from collections.abc import Mapping
from typing import Any, Callable, Optional


class Summary:
    """A dict that is also an object. Dicts in it are such, too."""

    def __init__(self, changed: Optional[Callable[[tuple, Any], None]] = None, path: tuple = (), items: Any = None):
        """`changed` gets the keys that lead to a value, and the value; _GONE for one that is deleted."""
        object.__setattr__(self, "_items", {} if items is None else items)
        object.__setattr__(self, "_changed", changed)
        object.__setattr__(self, "_path", path)

    def update(self, d: Any = None, **more: Any) -> None:
        for key, value in {**(dict(d) if d is not None else {}), **more}.items():
            self[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._items else default

    def keys(self) -> list:
        return list(self._items)

    def values(self) -> list:
        return list(self._items.values())

    def items(self) -> list:
        return list(self._items.items())

    def as_dict(self) -> dict:
        return dict(self._items)

    def __getitem__(self, key: str) -> Any:
        value = self._items[key]
        if type(value) is dict:
            return Summary(self._changed, (*self._path, key), value)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if self._changed is not None:
            value = self._changed((*self._path, key), value)
        self._items[key] = value

    def __delitem__(self, key: str) -> None:
        del self._items[key]
        if self._changed is not None:
            self._changed((*self._path, key), GONE)

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the summary has no {key!r}") from None

    __setattr__ = __setitem__
    __delattr__ = __delitem__

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self):
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def note(self, row: dict) -> None:
        """A row that was logged. None stays out of the summary, as in W&B's."""
        items = self._items
        for key, value in row.items():
            if type(value) is dict:
                items[key] = _merged(items.get(key), value)
            elif value is not None:
                items[key] = value


class _Gone:
    def __repr__(self) -> str:
        return "GONE"


GONE = _Gone()


def _merged(old: Any, new: Any) -> Any:
    """Dicts are joined at their leaves, unless they are one value."""
    if not isinstance(new, Mapping) or "_type" in new or type(old) is not dict or "_type" in old:
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items() if value is not None}}
