"""Ends what a job has left behind: NVFlare gives its processes sessions of their own, which no Ctrl-C reaches."""

import contextlib
import os
import signal
import time
from pathlib import Path

_PATIENCE = 5.0  # seconds until what does not end is killed


def marked(name: str, value: str) -> list[int]:
    """This user's other processes that have `name=value` in their environment, but for flarebridge's programs.

    A bridge ends by itself when it has written the runs, and an upload when the server has them.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            program = (entry / "cmdline").read_bytes().split(b"\0")[0].rsplit(b"/", 1)[-1]
            wanted = f"{name}={value}".encode()
            if not program.startswith(b"flarebridge") and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def end_all(name: str, value: str) -> list[int]:
    """Ends them: asks first, then kills. Gives those that the system does not end."""
    asked = time.monotonic()
    for pid in marked(name, value):
        _send(pid, signal.SIGTERM)
    while True:
        left, waited = marked(name, value), time.monotonic() - asked
        if not left or waited > 2 * _PATIENCE:
            return left
        if waited > _PATIENCE:
            for pid in left:
                _send(pid, signal.SIGKILL)
        time.sleep(0.1)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)
