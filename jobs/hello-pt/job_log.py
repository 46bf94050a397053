"""What NVFlare's output says to a person: the lines to show, and the one that says why a job failed (pure)."""

import re
from collections.abc import Iterable
from typing import Optional

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OURS = re.compile(r"^.*?(hello-pt: )")
_TRACKING = re.compile(r"^.*?- ([A-Z]+) - (flarebridge: )")
_WRONG = re.compile(r"\bERROR\b|\berror: ")
_TRACEBACK = "Traceback (most recent call last)"
# "2026-11-21 02:43:13,123 - Component - ERROR - " and what stands in brackets behind it.
_PREFIX = re.compile(r"^\S+ \S+ - .*?- (?:ERROR|CRITICAL) - (?:\[[^\]]*\]: *)?")
# The last line of a traceback: "ValueError: words", "nvflare.apis.x.UnsafeComponentError: words", "KeyError"; or what
# a program says of its arguments.
_RAISED = re.compile(r"^(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b(?:: .*)?|\S+: error: .*)$")
_LONGEST = 500  # characters of a reason


def shown(line: str) -> Optional[str]:
    """The line as a person sees it, or None: the job's own lines, flarebridge's, and errors."""
    line = _COLOUR.sub("", line.rstrip())
    if "flarebridge: " in line:  # the run may be called hello-pt
        return _TRACKING.sub(r"\1: \2", line)
    if "hello-pt: " in line:
        return _OURS.sub(r"\1", line)
    if _WRONG.search(line) and _TRACEBACK not in line:
        return line
    return None


def reasons(log: Iterable[str]) -> list[str]:
    """Why the job failed, the cause first: the first exception, and the last one if it says something else.

    What follows an exception is mostly its consequence in other processes. Without one: the first error, or the
    last line.
    """
    raised, errors, last = [], [], ""
    inside = False  # a traceback
    for line in log:
        line = _COLOUR.sub("", line.rstrip())
        if _TRACEBACK in line:
            inside = True
        elif inside and line and not line[0].isspace():
            inside = False
            raised.append(line)
        elif _RAISED.match(line):
            raised.append(line)
        elif _WRONG.search(line):
            errors.append(_PREFIX.sub("", line))
        last = line or last
    found = raised[:1] + raised[-1:] if raised else errors[:1] or [last] if last or errors else []
    return [reason[:_LONGEST] for reason in dict.fromkeys(found)]
