"""Files of a script on their way into its run: text of what fits an event."""

import os
from typing import Any, Callable, Optional

MOST = (1 << 20) - (4 << 10)  # bytes: an event has 1 MiB, its names with it


def read_file(path: str, odd: Callable[[str, str], None], key: str) -> Optional[bytes]:
    """What is in it; None where it can't be had or sent, which is told."""
    try:
        size = os.path.getsize(path)
        if size > MOST:
            odd(key, f"{path} has {size} bytes: files larger than 1 MiB are not logged yet")
            return None
        with open(path, "rb") as file:
            return file.read(MOST)
    except OSError as e:
        odd(key, f"{path} can't be read: {e.strerror or e}")
        return None


def text_file(path: str, odd: Callable[[str, str], None]) -> Optional[str]:
    """The same of a file of text."""
    content = read_file(path, odd, "save()")
    if content is None:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        odd("save()", f"{path} is no text; only files of text are saved yet")
        return None


def name_below(path: str, base: Any) -> str:
    """What a file is called in the run's folder, as W&B's client has it: from the working folder, or from `base`.

    Of a path that leads elsewhere the last folder is kept.
    """
    whole = os.path.abspath(path)
    if base is None and os.path.isabs(path):
        base = os.path.dirname(os.path.dirname(whole))
    name = os.path.relpath(whole, os.path.abspath(os.fspath(base)) if base is not None else os.getcwd())
    return os.path.basename(whole) if name.startswith(os.pardir) else name
