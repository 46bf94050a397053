"""`flarebridge show` in a terminal of its own: what it writes there; resized and ended as by a person."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flarebridge.bridge_process import find_binary

DEADLINE = 30  # seconds


def environment(**variables: str) -> dict[str, str]:
    """A terminal with colours and UTF-8, whatever this process has, and variables as given ("": not set)."""
    own = ("NO_COLOR", "COLUMNS", "LINES", "LC_ALL", "LC_CTYPE", "LANG", "TERM")
    environ = {name: value for name, value in os.environ.items() if name not in own}
    environ |= {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **variables}
    return {name: value for name, value in environ.items() if value}


class Terminal:
    """A running `flarebridge show`. `shown`: all that it wrote until now."""

    def __init__(self, words: list[str], columns: int, lines: int, folder: Path, environ: dict[str, str]):
        self._ours, self._theirs = pty.openpty()
        self.resize(columns, lines, tell=False)
        self.modes = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            [find_binary(), "show", *words],
            cwd=folder,
            env=environ,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def resize(self, columns: int, lines: int, tell: bool = True) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def wait_for(self, pattern: str, after: int = 0) -> re.Match:
        """What stands in `shown` behind its first `after` characters."""
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.shown[after:], re.DOTALL)):
            assert self._read(deadline), f"{pattern!r} is not in {self.shown[after:][-3000:]!r}"
        return found

    def end(self, number: int = 0) -> int:
        """Sends a signal, if one is named; gives the status, with all read."""
        if number:
            self.process.send_signal(number)
        deadline = time.monotonic() + DEADLINE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self._read(time.monotonic() + 0.05)
        while self._read(time.monotonic()):
            pass
        return self.process.returncode

    def has_its_modes(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.modes

    def _read(self, deadline: float) -> bool:
        if not select.select([self._ours], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        self.shown += self._decoder.decode(os.read(self._ours, 65536))
        return True

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def terminal(folder: Path, *words: str, columns: int = 80, lines: int = 24, **variables: str) -> Iterator[Terminal]:
    shown = Terminal(list(words), columns, lines, folder, environment(**variables))
    try:
        yield shown
    finally:
        shown.close()
