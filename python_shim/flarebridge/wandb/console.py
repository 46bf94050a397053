"""What a script prints, line by line into its run's console, while it is printed as ever.

The streams' own `write` is wrapped, so that whoever holds a stream (logging's handlers do) is heard as well. Any
thread; a forked child's lines are printed alone.
"""

import contextlib
import os
import sys
import threading
from typing import Any, Callable, Optional

_MOST = 64 << 10  # characters of a line; what is longer is cut into several


class Console:
    """From begin() to end()."""

    def __init__(self, line: Callable[[str], None]):
        """`line` gets each line without its end, and may not raise."""
        self._streams = [_Stream(name, line) for name in ("stdout", "stderr")]

    def begin(self) -> None:
        for stream in self._streams:
            stream.begin()

    def end(self) -> None:
        for stream in self._streams:
            stream.end()


class _Stream:
    def __init__(self, name: str, line: Callable[[str], None]):
        self._name, self._line = name, line
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._stream: Any = None
        self._write: Optional[Callable[[str], Any]] = None
        self._rest = ""
        self._inside = False  # a line is being handed on: what that prints is no line

    def begin(self) -> None:
        self._stream = getattr(sys, self._name)
        with contextlib.suppress(AttributeError, TypeError):  # a stream that takes no other write is left alone
            self._write = self._stream.write
            self._stream.write = self._take

    def end(self) -> None:
        """The stream is as it was, unless somebody has wrapped it meanwhile."""
        if self._write is None:
            return
        if self._stream.__dict__.get("write") == self._take:
            del self._stream.write
            if self._stream.write != self._write:  # it was wrapped before us
                self._stream.write = self._write
        with self._lock:
            rest, self._rest = self._rest, ""
        if rest.strip():
            self._line(_shown(rest))

    def _take(self, text: Any) -> Any:
        assert self._write is not None
        written = self._write(text)
        if self._pid == os.getpid() and isinstance(text, str):
            with self._lock:
                self._cut(text)
        return written

    def _cut(self, text: str) -> None:
        if self._inside:
            return
        self._inside = True
        try:
            *lines, self._rest = (self._rest + text).split("\n")
            if len(self._rest) > _MOST:
                lines, self._rest = [*lines, self._rest], ""
            for line in lines:
                for begin in range(0, max(1, len(line)), _MOST):
                    self._line(_shown(line[begin : begin + _MOST]))
        finally:
            self._inside = False


def _shown(line: str) -> str:
    """A bar that is drawn again and again is what was drawn last."""
    return line.rstrip("\r").rpartition("\r")[2]
