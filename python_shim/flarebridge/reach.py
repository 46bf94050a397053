"""When a bridge counts as out of reach, and what is done then: a pure table, with the time passed in.

What counts is the time that the link's thread has looked for an answer, not the time that has passed: a job
that was suspended, and a thread that did not get the interpreter, say nothing about the bridge.
"""

from enum import Enum

_SILENCE = 10.0  # seconds without a word after which the connection is made anew
_FIRST_ANSWER = 10.0  # seconds that a bridge may take for its first word before a person is told
_ANSWER = 3.0  # the same for a bridge that was reached before, from the new connection on
_GONE = 1.0  # seconds after which a bridge whose socket is gone is replaced
_STUCK = 13.0  # seconds after which one is replaced that has a socket and does not answer
_LONGEST_LOOK = 1.0  # seconds; what is above it was spent elsewhere


class Step(Enum):
    WAIT = 0
    CONNECT = 1  # anew
    TELL = 2  # a person
    REPLACE = 3  # the bridge, if it is our own


class Reach:
    """The link asks it once a turn."""

    def __init__(self, now: float):
        """`now`, here and below: time.monotonic()."""
        self._ever = False  # it has said a word
        self._told = False
        self._running = False
        self.begin(now)

    def begin(self, now: float) -> None:
        """Another bridge is looked for from now on."""
        self._heard = self._looked = now
        self._unanswered = 0.0  # seconds of looking since the first connection that nothing came of
        self._asking = not self._ever
        self._replaced = False

    @property
    def asking(self) -> bool:
        """An answer is waited for."""
        return self._asking

    def heard(self, now: float) -> bool:
        """It has said something. True if a person was told that it does not."""
        told, self._told = self._told, False
        self._heard = now
        self._ever = True
        self._asking = self._replaced = False
        self._unanswered = 0.0
        return told

    def step(self, now: float, running: bool, socket_there: bool) -> Step:
        """What is due. `running`: the bridge is our own and has come up; `socket_there`: so is its socket."""
        looked, self._looked = now - self._looked, now
        if running and not self._running:
            self._unanswered = 0.0  # it could not answer before
        self._running = running
        if self._asking:
            self._unanswered += min(looked, _LONGEST_LOOK)
        if now - self._heard > _SILENCE:
            self._heard = now
            self._asking = True
            return Step.CONNECT
        if not self._asking:
            return Step.WAIT
        if not self._told and self._unanswered > (_ANSWER if self._ever else _FIRST_ANSWER):
            self._told = True
            return Step.TELL
        if running and not self._replaced and self._unanswered > (_STUCK if socket_there else _GONE):
            self._replaced = True
            return Step.REPLACE
        return Step.WAIT
