"""What the facade tells people: lines on stderr, as W&B's own client writes them, each cause once. Any thread."""

import os
import sys
import threading
from typing import Any

_PREFIX = "flarebridge: "
_MOST = 200  # different lines that are told once
_lock = threading.RLock()
_told: set = set()
_TRUE = ("1", "true", "t", "yes", "y", "on")


def is_true(text: Any) -> bool:
    """True for what W&B takes in an environment variable for true."""
    return str(text).strip().lower() in _TRUE


def say(level: str, text: str) -> None:
    """A line of "info", "warning" or "error"."""
    if is_true(os.environ.get("WANDB_SILENT", "")) or (level == "info" and is_true(os.environ.get("WANDB_QUIET", ""))):
        return
    word = {"warning": "WARNING ", "error": "ERROR "}.get(level, "")
    try:
        print(f"{_PREFIX}{word}{text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):  # closed, or none at all
        return


def say_once(level: str, text: str) -> None:
    """The same, unless it was told already."""
    with _lock:
        if text in _told or len(_told) >= _MOST:
            return
        _told.add(text)
    say(level, text)


def termlog(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """W&B's word for a line; `newline` changes nothing here."""
    (say if repeat else say_once)("info", str(string))


def termwarn(string: str, newline: bool = True, repeat: bool = True) -> None:
    (say if repeat else say_once)("warning", str(string))


def termerror(string: str, newline: bool = True, repeat: bool = True) -> None:
    (say if repeat else say_once)("error", str(string))
