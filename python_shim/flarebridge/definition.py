"""A component where it is made: its arguments are checked, and it can be copied and pickled.

Used by BridgeReceiver and BridgeForwarder. Any thread; no state of its own.
"""

import sys
import threading
import warnings
from typing import Any, Callable

_LOADER = "nvflare.fuel.utils.class_utils"  # its instantiate_class() makes a job's components
_LOCK = type(threading.Lock())


def check_at_definition(check: Callable[[], Any]) -> None:
    """Lets the check raise where a job is being defined: its author is there to read it.

    In a job that runs, where NVFlare's loader makes the component, it is left to START_RUN, which tells it in the log:
    tracking never ends a training.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == _LOADER:
            return
        frame = frame.f_back
    check()


def warn_the_author(text: str) -> None:
    """Once for each line of the author's that leads here, as Python's warnings are."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("flarebridge"):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(f"flarebridge: {text}", UserWarning, stacklevel=depth)


class Definable:
    """A component whose copies have its arguments, and nothing of its run.

    `_begin` makes all that belongs to a run; the constructor calls it as its last word about attributes.
    """

    def _begin(self) -> None:
        raise NotImplementedError

    def __getstate__(self) -> dict:
        fresh = self.__class__.__new__(self.__class__)
        fresh._begin()
        of_a_run = fresh.__dict__.keys()
        kept = {name: value for name, value in self.__dict__.items() if name not in of_a_run}
        locks = [name for name, value in kept.items() if isinstance(value, _LOCK)]  # NVFlare's own
        return {**{name: value for name, value in kept.items() if name not in locks}, "_locks": locks}

    def __setstate__(self, state: dict) -> None:
        locks = state.pop("_locks")
        self.__dict__.update(state)
        self.__dict__.update({name: threading.Lock() for name in locks})
        self._begin()
