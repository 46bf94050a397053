"""Samples of this machine for the runs of this process: one thread for all of them, as long as there is one.

Used by BridgeForwarder, a client's BridgeReceiver, and the runs of scripts. The training's threads take no part in it:
what a driver's library makes wait, waits here.
"""

import contextlib
import threading
import time
from typing import Any, Callable, Optional

from .forks import forget_in_child, load
from .machine import Machine

INTERVAL = 15.0  # seconds, as W&B's client has them (x_stats_sampling_interval at 0.31.0)
LEAST = 0.1  # seconds, as there

Put = Callable[[dict[str, float]], bool]


class NoSampling:
    """Of a run that is to have no samples."""

    taken = 0  # samples that the run has, or will have

    def end(self) -> None:
        """Nothing comes from here any more, once it returns; a driver is not waited for."""


class Sampling(NoSampling):
    """Of one run, from begin() to end()."""

    def __init__(self, put: Put, interval: float):
        self._put, self._interval = put, interval
        self._lock = threading.RLock()
        self._over = False
        self._machine = Machine()
        self.due = time.monotonic() + interval

    def take(self, of_gpus: dict[str, float]) -> None:
        """The thread's: measures, and hands it over unless the run has ended meanwhile."""
        self.due = time.monotonic() + self._interval
        values = {**self._machine.sample(), **of_gpus}
        with self._lock:
            if not self._over and self._put(values):
                self.taken += 1

    def end(self) -> None:
        """See NoSampling. May be called again."""
        with self._lock:
            self._over = True
        _sampler.remove(self)

    def forget_in_child(self) -> None:
        """A forked child is measured for no run of its parent's."""
        self._lock, self._over = threading.RLock(), True


class _Sampler:
    """The thread, and for whom it works."""

    def __init__(self) -> None:
        self.forget_in_child()
        forget_in_child(self)

    def forget_in_child(self) -> None:
        """The thread is the parent's."""
        self._changed = threading.Condition(threading.RLock())
        self._runs: list[Sampling] = []
        self._thread: Optional[threading.Thread] = None

    def add(self, run: Sampling) -> None:
        with self._changed:
            self._runs.append(run)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="flarebridge-system", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, run: Sampling) -> None:
        with self._changed:
            self._runs = [one for one in self._runs if one is not run]
            self._changed.notify()

    # --- the thread ---

    def _work(self) -> None:
        gpus = None
        while True:
            due = self._wait_for_due()
            if due is None:
                return
            of_gpus: dict[str, float] = {}
            with contextlib.suppress(Exception):  # this machine's libraries may be anything
                gpus = gpus or load("flarebridge.gpus").Gpus()
                of_gpus = gpus.sample()
            for run in due:
                with contextlib.suppress(Exception):
                    run.take(of_gpus)

    def _wait_for_due(self) -> Optional[list]:
        """The runs whose next sample is due; None: there is no run any more, and no thread."""
        with self._changed:
            while self._runs:
                now = time.monotonic()
                due = [run for run in self._runs if run.due <= now]
                if due:
                    return due
                self._changed.wait(min(run.due for run in self._runs) - now)
            self._thread = None
            return None


_sampler = _Sampler()
OFF = NoSampling()


def begin(put: Put, interval: float) -> NoSampling:
    """`put` is called with a sample each `interval` seconds, in a thread of ours; 0: never. It says if it takes it."""
    if not interval:
        return OFF
    try:
        run = Sampling(put, interval)
        forget_in_child(run)
        _sampler.add(run)
    except Exception:  # as where no thread can be started: never worth a training
        return OFF
    return run


def check_interval(component: Any) -> None:
    """Raises ValueError for a component's system_interval that is none."""
    value = component.system_interval
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (value == 0 or LEAST <= value < 1e6):
        raise ValueError(f"system_interval must be seconds from {LEAST:g} on, or 0 for no samples, not {value!r}")
