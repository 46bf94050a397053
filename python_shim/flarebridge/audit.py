"""The book of what a site's policy kept back: counts by name, in the report at the end and in a file at the site.

The file has one JSON line for each name and reason, whatever the number of records; it is written anew as a whole. It
never leaves the site by us: it holds the very names that may not.
"""

import contextlib
import json
import os
import stat
import threading
import time
import weakref
from collections import defaultdict
from pathlib import Path
from typing import Any, Optional

from .buffer import Report
from .forks import forget_in_child
from .judgement import Kept

FILE = "flarebridge-policy.log"
_MOST_NAMES = 1000
_MOST_NAME = 200  # characters
_OTHERS = "(further names)"
_MOST_BYTES = 4 << 20  # of a file that is read
_EVERY = 30.0  # seconds between writings, while there is something new
_MOST_TOLD = 20  # names in the report
_files = threading.RLock()  # several books of a process may share a file
_open_books: "weakref.WeakValueDictionary[tuple, Audit]" = weakref.WeakValueDictionary()


class Audit:
    """Counts and their file. Any thread; a signal handler too."""

    def __init__(self, path: Optional[str], way: str, policy: dict, report: Report):
        """`way`: by which the values would have left, a few words; `policy`: what is in force, for the file.

        Reads what an earlier process of the job has written for the same way. None: no file.
        """
        self._path = Path(path) if path else None
        self._policy, self._report = policy, report
        way = self._way = self._claim(way)
        self._lock = threading.RLock()
        self._counts: dict = defaultdict(int)
        self._earlier: dict = {}
        self._timer: Optional[threading.Timer] = None
        self._failed = False
        forget_in_child(self)
        for line in self._lines():
            if line.get("way") == way and type(line.get("count")) is int:
                self._earlier[(str(line.get("name")), str(line.get("kind")), str(line.get("decision")))] = line["count"]
        self.write()

    def note(self, kept: Kept) -> None:
        """Counts a value. The file follows within half a minute."""
        key = (kept.name[:_MOST_NAME], kept.kind, f"kept: {kept.why}")
        with self._lock:
            if key not in self._counts and len(self._counts) >= _MOST_NAMES:
                key = (_OTHERS, kept.kind, f"kept: {kept.why}")
            self._counts[key] += 1  # with no call in it, in the middle of which a signal handler could count
            if self._timer is None and self._path is not None and not self._failed:
                self._timer = threading.Timer(_EVERY, self.write)
                self._timer.daemon = True
                self._timer.start()

    def told(self) -> list:
        """For the report at the site: names with their counts, the most frequent first."""
        with self._lock:
            counts = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        texts = [f"{name!r} {count} times ({decision}, {kind})" for (name, kind, decision), count in counts]
        if len(texts) > _MOST_TOLD:
            texts[_MOST_TOLD:] = [f"{len(texts) - _MOST_TOLD} more in {FILE}"]
        return texts

    def close(self) -> None:
        """Writes, and leaves the way to another book."""
        self.write()
        with _files:
            if _open_books.get((self._path, self._way)) is self:
                del _open_books[(self._path, self._way)]

    def write(self) -> None:
        """Brings the counts into the file. What goes wrong is told once."""
        with self._lock:
            timer, self._timer = self._timer, None
            totals = dict(self._earlier)
            for key, count in list(self._counts.items()):  # a signal handler may log in between
                if key not in totals and len(totals) >= 2 * _MOST_NAMES:
                    key = (_OTHERS, *key[1:])
                totals[key] = totals.get(key, 0) + count
        if timer is not None:
            timer.cancel()
        if self._path is None:
            return
        now = round(time.time(), 3)
        mine: list = [{"time": now, "way": self._way, "policy": self._policy}]
        for (name, kind, decision), count in sorted(totals.items()):
            mine.append(
                {"time": now, "way": self._way, "name": name, "kind": kind, "decision": decision, "count": count}
            )
        try:
            with _files:
                others = [line for line in self._lines() if line.get("way") != self._way]
                _replace(self._path, "".join(json.dumps(line) + "\n" for line in others + mine))
        except OSError as e:
            if not self._failed:
                self._failed = True
                self._report("warning", f"{self._path} can't be written: {e}. What the policy keeps, it keeps.")

    def forget_in_child(self) -> None:
        """A forked child's counts are its own, and the file is the parent's."""
        global _files
        _files = threading.RLock()
        self._lock = threading.RLock()
        self._counts = defaultdict(int)
        self._timer = None
        self._path = None

    def _claim(self, way: str) -> str:
        """The way, or its second, ... if other components of this process count it already."""
        with _files:
            name, number = way, 1
            while (self._path, name) in _open_books:
                number += 1
                name = f"{way} ({number})"
            if self._path is not None:
                _open_books[(self._path, name)] = self
        return name

    def _lines(self) -> list:
        """The file's lines that can be read."""
        found: list = []
        if self._path is None:
            return found
        with contextlib.suppress(OSError):
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(handle, errors="replace") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    return found
                for text in file.read(_MOST_BYTES).splitlines():
                    line = _decoded(text)
                    if isinstance(line, dict):
                        found.append(line)
        return found


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _replace(path: Path, text: str) -> None:
    """The file is whole at every moment, and this user's alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "w") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
