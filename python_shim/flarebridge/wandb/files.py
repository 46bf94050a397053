"""Files of a script on their way into its run."""

import os
import stat
from typing import Any, Callable, Union

from ..large import INLINE, NO_WAY, Large

MOST = (1 << 20) - (4 << 10)  # bytes: an event has 1 MiB, its names with it


def saved_file(path: str, odd: Callable[[str, str], None], takes_large: bool) -> Union[str, bytes, Large, None]:
    """What save() sends of a file: its text, its bytes, or itself. None: it can't be had or sent, which is told."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None  # a folder, as a glob gives them, is nothing to be told of
        size = os.path.getsize(path)
        if size > MOST and not takes_large:
            odd("save()", f"{path} has {size} bytes: {NO_WAY}")
            return None
        if size > INLINE and takes_large:
            return Large(path=os.path.abspath(path))
        with open(path, "rb") as file:
            content = file.read(MOST)
    except OSError as e:
        odd("save()", f"{path} can't be read: {e.strerror or e}")
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


def name_below(path: str, base: Any) -> str:
    """What a file is called in the run's folder, as W&B's client has it: from the working folder, or from `base`.

    Of a path that leads elsewhere the last folder is kept.
    """
    whole = os.path.abspath(path)
    if base is None and os.path.isabs(path):
        base = os.path.dirname(os.path.dirname(whole))
    name = os.path.relpath(whole, os.path.abspath(os.fspath(base)) if base is not None else os.getcwd())
    return os.path.basename(whole) if name.startswith(os.pardir) else name
