"""What NVFlare's own channel did to events on their way to the server: lost, doubled, or stamped alike.

It has no acknowledgement; BridgeWriter numbers its records, so that a gap shows. For any thread.
"""

import threading
from collections import defaultdict
from typing import Any

from .forks import forget_in_child

_WRITERS = 10000  # remembered


class Channel:
    """Counts per site; `note` once for each event that has a time stamp or a number."""

    def __init__(self):
        self._lock = threading.RLock()  # a signal handler may log in the middle of a log call
        self._stamps: dict[str, float] = {}
        self._alike = 0
        self._highest: dict[tuple[str, str], int] = defaultdict(int)
        self._came: dict[tuple[str, str], int] = defaultdict(int)
        forget_in_child(self)

    def note(self, site: str, stamp: Any, number: Any) -> None:
        """`stamp`: the sender's time in seconds; `number`: [writer's id, number from 1 on], or None."""
        if stamp is not None:
            last = self._stamps.get(site)
            if last == stamp:
                self._alike += 1  # a hint, which may be short of one: not worth a lock for each event
            elif last is not None or len(self._stamps) < _WRITERS:
                self._stamps[site] = stamp
        if number is None:
            return
        if not isinstance(number, (list, tuple)) or len(number) != 2:
            return
        writer, count = number
        if type(writer) is not str or type(count) is not int or count < 1:
            return
        key = (site, writer)
        with self._lock:
            if key in self._highest or len(self._highest) < _WRITERS:
                if self._highest[key] < count:
                    self._highest[key] = count
                self._came[key] += 1

    def forget_in_child(self) -> None:
        self._lock = threading.RLock()

    def notes(self) -> list[str]:
        """What is worth to be told and cost nothing."""
        return [f"{self._alike} events had the time stamp of the one before"] if self._alike else []

    def losses(self) -> list[str]:
        """For each site, how many of its events did not arrive, as far as their numbers show it."""
        lost: dict[str, list[int]] = {}
        for key, highest in self._highest.items():
            sent = lost.setdefault(key[0], [0, 0])
            sent[0] += max(0, highest - self._came[key])
            sent[1] += highest
        return [
            f"NVFlare's channel lost at least {missing} of {sent} events of {site} (use BridgeForwarder)"
            for site, (missing, sent) in sorted(lost.items())
            if missing
        ]
