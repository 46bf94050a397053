"""How a script ends: runs that it has not finished are finished at its exit, as failed if it raised.

Python tells its atexit hooks neither of an exception nor of a status, so both are listened for on their way.
"""

import atexit
import sys
import weakref
from typing import Any

_INTERRUPTED = 255  # W&B's client's status for Ctrl-C

_runs: "weakref.WeakSet[Any]" = weakref.WeakSet()


class _Status:
    """What is known of the script's end."""

    def __init__(self) -> None:
        self.code = 0
        self.reason = ""
        self.listening = False

    def listen(self) -> None:
        if self.listening:
            return
        self.listening = True
        self._hook, self._exit = sys.excepthook, sys.exit
        sys.excepthook, sys.exit = self._on_exception, self._on_exit
        atexit.register(_finish_all)

    def _on_exception(self, kind: Any, value: Any, trace: Any) -> None:
        self.code = _INTERRUPTED if issubclass(kind, KeyboardInterrupt) else 1
        self.reason = f"{kind.__name__}: {value}"[:1000]
        self._hook(kind, value, trace)

    def _on_exit(self, status: Any = None) -> None:
        if status is None or isinstance(status, int):
            self.code = int(status or 0) & 0xFF
        else:
            self.code = 1  # a text, which Python prints
        self.reason = f"exit status {self.code}" if self.code else ""
        self._exit(status)


_status = _Status()


def finish_at_exit(run: Any) -> None:
    """run.finish() is called at the script's end, if it lives and is not finished then."""
    _status.listen()
    _runs.add(run)


def forget(run: Any) -> None:
    """It is finished."""
    _runs.discard(run)


def _finish_all() -> None:
    for run in list(_runs):
        run.finish_at_exit(_status.code, _status.reason)
