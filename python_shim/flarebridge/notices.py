"""What the bridge tells people: reported as it comes, counted, and handed on where it asks for something.

Used by link.py, on the link's thread.
"""

from typing import Callable, Optional

from .buffer import Report
from .link_messages import Notice

_FINISH = "flarebridge serve --own --state "  # begins what the bridge tells to type (bridge.cc)
_LEVELS = {1: "info", 2: "warning", 3: "error"}


class Notices:
    """See the module."""

    def __init__(self, report: Report, asked_to_stop: Optional[Callable[[str], None]] = None):
        """`asked_to_stop`: gets the words where somebody asks that a run be stopped; None: they are reported."""
        self._report = report
        self._asked_to_stop = asked_to_stop
        self.errors = 0  # that were told
        self.finish = ""  # what was told to type for runs that the bridge can't write as they are

    def take(self, level: int, text: str, kind: int = Notice.WORDS, *_more) -> None:
        """One notice, as it came."""
        self.errors += _LEVELS.get(level) == "error"
        if _FINISH in text and " --set " in text:
            self.finish = text[text.index(_FINISH) :]
        if kind == Notice.STOP and self._asked_to_stop is not None:
            self._asked_to_stop(text)
        else:
            self._report(_LEVELS.get(level, "info"), text)
