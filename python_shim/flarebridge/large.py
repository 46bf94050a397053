"""What is too large for an event: bytes, or a file, that stand in a value where the wire has a reference.

Who hands such a value on freezes it first (spool.py); who can't, leaves its event out and counts it. Pure.
"""

import os
from typing import Any, Optional

INLINE = 256 << 10  # bytes: what is larger goes beside the event
NO_WAY = "larger than 1 MiB: large values go to a bridge on the same machine only"  # why it is left out
_ROOM = 900 << 10  # bytes that all contents of an event may have together in it
_LEAST = 1 << 10  # bytes: less than that is never worth a file


class Large:
    """Bytes, or the file at a path, which is read when it is frozen."""

    __slots__ = ("content", "path", "size")

    def __init__(self, content: Optional[bytes] = None, path: Optional[str] = None):
        """Either. Raises OSError."""
        self.content, self.path = content, path
        self.size = len(content) if content is not None else os.path.getsize(path or "")

    def head(self, size: int) -> bytes:
        """Its beginning. Raises OSError."""
        if self.content is not None:
            return self.content[:size]
        with open(self.path or "", "rb") as file:
            return file.read(size)


class Frozen(dict):
    """A value with references in place of its large parts; `blobs`: (id, size) of each."""

    __slots__ = ("blobs",)

    def __init__(self, value: dict, blobs: tuple):
        super().__init__(value)
        self.blobs = blobs


def contents_of(value: Any) -> list:
    """The sizes of all bytes in a value, inline or not."""
    if isinstance(value, (bytes, bytearray)):
        return [len(value)]
    if isinstance(value, Large):
        return [value.size]
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return []
    return [size for item in value for size in contents_of(item)]


def has_large(value: Any) -> bool:
    """True if no event can hold it as it is."""
    if isinstance(value, Large):
        return True
    if isinstance(value, dict):
        return any(map(has_large, value.values()))
    return isinstance(value, list) and any(map(has_large, value))


def inline(value: Any) -> Any:
    """The value with bytes in place of Large, where an event has room for them. Raises OSError."""
    if isinstance(value, Large):
        return value.head(value.size)
    if isinstance(value, dict):
        return {key: inline(item) for key, item in value.items()}
    return [inline(item) for item in value] if isinstance(value, list) else value


def with_large(value: Any) -> Any:
    """The value with Large in place of bytes that are to go beside their event."""
    sizes = contents_of(value)
    return _replaced(value, INLINE if sum(sizes) <= _ROOM else _LEAST)


def _replaced(value: Any, most: int) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return Large(bytes(value)) if len(value) > most else value
    if isinstance(value, dict):
        return {key: _replaced(item, most) for key, item in value.items()}
    return [_replaced(item, most) for item in value] if isinstance(value, list) else value
