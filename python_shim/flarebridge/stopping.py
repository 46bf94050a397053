"""What becomes of it when somebody asks in the tracking system that a run be stopped: it is told, or ends the job.

Used by BridgeReceiver, for one run of its job. The job is ended as any component of NVFlare ends it, by a fatal
system error (FLComponent.system_panic), which aborts it on the server and takes a client out of it.
"""

import threading
from typing import Any, Optional

from .buffer import Report

_ABORT = "abort"


def check_on_stop(on_stop: Any) -> None:
    """Raises ValueError for what is neither "warn" nor "abort"."""
    if not isinstance(on_stop, str) or on_stop not in ("warn", _ABORT):
        raise ValueError(f'on_stop {on_stop!r} is not known; use "warn" or "abort"')


def stop_in_vain(on_stop: str, receivers: Optional[dict]) -> list[str]:
    """Words for "abort" where nobody can ask for a stop; none: somebody can.

    `receivers`: by name, each with all of its arguments; None: tracking is disabled.
    """
    if on_stop != _ABORT or receivers is None or any(own.get("mode") == "online" for own in receivers.values()):
        return []
    return ['on_stop="abort" changes nothing here: only runs of mode "online" can be asked to stop']


class Stopping:
    """See the module. `asked` is for the link's thread, the rest for any."""

    def __init__(self, component: Any, say: Report):
        """`component`: which panics."""
        self._component, self._say = component, say
        self._over = True
        self._told: set[str] = set()  # words, of each run of the session; the bridge repeats them

    def begin(self, on_stop: str, engine: Any, server: bool, simulated: bool) -> None:
        """A run of the component begins, in a job process of the server or of a client, or of the simulator's."""
        self._engine = engine
        self._ends = "the job" if server else "this site's part of the job"
        self._goes_on = ""  # why training does; empty: it does not
        if simulated and not server:
            # The server notices there no client's end, and would wait for it for ever (2.9.0); in production it does,
            # after two minutes or so.
            self._goes_on = 'in NVFlare\'s simulator only a receiver on the server can end the job (on_stop="abort")'
        elif on_stop != _ABORT:
            self._goes_on = f'on_stop="abort" would end {self._ends}'
        self._over, self._told = False, set()

    def end(self) -> None:
        """There is nothing left to stop."""
        self._over = True

    def asked(self, words: str) -> None:
        """The bridge's words, which name the site; each are told once."""
        if self._over or words in self._told:
            return
        first = not self._told
        self._told.add(words)
        if self._goes_on:
            self._say("warning", f"{words}; training goes on: {self._goes_on}")
            return
        self._say("warning", f'{words}; that ends {self._ends}: on_stop="abort"')
        if first:
            # NVFlare calls every component of the job in it, which may take its time.
            threading.Thread(target=self._panic, args=(words,), name="flarebridge-stop", daemon=True).start()

    def _panic(self, words: str) -> None:
        try:
            with self._engine.new_context() as fl_ctx:
                self._component.system_panic(f'flarebridge: {words}, and on_stop="abort"', fl_ctx)
        except Exception as e:
            why = f"{type(e).__name__}: {e}"
            self._say("error", f"{self._ends} can't be ended ({why}); abort the job in NVFlare's console")
