"""Runs a command and tells what it and all processes that it starts have taken: time, processor, memory."""

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LOOK = 0.02  # seconds between two looks at its memory
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Taken(NamedTuple):
    """status: of the command; seconds: until it and all that it started had ended; output: of it, both streams."""

    status: int
    seconds: float
    processor_seconds: float
    mib: float  # resident memory of all its processes at one time, at most
    output: str


def run(command: list[str], environment: dict[str, str], log: Path, deadline: float) -> Taken:
    """Runs it, its output into `log`. This process must have no other children. deadline: in seconds.

    Raises subprocess.TimeoutExpired. No process is left, whatever happens.
    """
    # A process whose parent has ended becomes our child, and not init's: so none gets lost, and its time is told.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    before, begun = _processor_seconds(), time.monotonic()
    with log.open("wb") as output, _Memory() as memory:
        process = subprocess.Popen(
            command, env=environment, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            status = process.wait(deadline)
            while _reaped() or _descendants():
                if time.monotonic() > begun + deadline:
                    raise subprocess.TimeoutExpired(command, deadline)
                time.sleep(0.005)  # between two looks
        finally:
            _kill_descendants()
        seconds = time.monotonic() - begun
    processor = _processor_seconds() - before
    return Taken(status, seconds, processor, memory.most / (1 << 20), log.read_text(errors="replace"))


def _processor_seconds() -> float:
    """Of all children that have ended and were taken, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reaped() -> bool:
    """Takes a child that has ended, if there is one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _descendants() -> list[int]:
    """All processes that this one has started, and that those have."""
    found, new = [], [os.getpid()]
    while new:
        pid = new.pop()
        with suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                new += map(int, children.split())
                found += map(int, children.split())
    return found


def _kill_descendants() -> None:
    while left := _descendants():
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while _reaped():
            pass
        time.sleep(0.005)  # until they have ended


class _Memory:
    """Looks at the resident memory of all processes below this one, while it is used in a `with`."""

    def __enter__(self) -> "_Memory":
        self.most = 0  # bytes
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_LOOK):
            self.most = max(self.most, sum(map(_resident, _descendants())))


def _resident(pid: int) -> int:
    """Bytes; 0 if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
