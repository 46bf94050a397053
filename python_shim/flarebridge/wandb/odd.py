"""Values that did not become what they are: told once for each key, counted for all. Any thread."""

import threading

from .terminal import say, say_once

_MOST = 100  # keys that are told


class Odd:
    """Of one run; called with the key and why."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts: dict = {}

    def __call__(self, key: str, why: str) -> None:
        with self._lock:
            first = key not in self._counts
            if first and len(self._counts) >= _MOST:
                key, first = "further keys", "further keys" not in self._counts
            self._counts[key] = self._counts.get(key, 0) + 1
        if first:
            say_once("warning", f"{key[:200]}: {why}")

    @property
    def count(self) -> int:
        return sum(self._counts.values())

    def tell(self) -> None:
        """At the end: how many there were, if more than were told."""
        if self.count > len(self._counts):
            named = sorted(self._counts.items(), key=lambda item: -item[1])[:5]
            words = ", ".join(f"{key[:100]} ({count})" for key, count in named)
            say("warning", f"{self.count} values are not in the run as they were: {words}")
