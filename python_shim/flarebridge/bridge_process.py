"""The bridge's process, as started by a receiver that has one of its own.

Used from the link's thread only. Nothing here waits: starting is a spawn, and whether the bridge is
up shows when it answers on its socket.

Whether it lives is told by a pipe whose other end the bridge alone keeps: it inherits it, and the kernel
closes it when the bridge ends, however that is. It needs no pidfd, which some Pythons and kernels do not have.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from .forks import forget_in_child
from .socket_place import NoPlace, SocketPlace

# Exit statuses of `flarebridge serve` (its manual page) that starting again does not change; 127: the
# loader found a library missing.
_FINAL = {
    64: "its arguments were refused",
    65: "its journal can't be read",
    73: "its folder or socket can't be made",
    78: "its configuration makes no sense",
    126: "it can't be executed",
    127: "it can't be loaded",
}
_HEALTHY = 30.0  # seconds of life after which a death counts as the first
_BACKOFF = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds before the next start
_LEAVING = 20.0  # seconds that a bridge which is to be replaced may take to leave; it gives its workers 15


class BridgeUnavailable(Exception):
    """The bridge can't be had, and trying again does not help. The text says why and what to do."""


def find_binary() -> str:
    """The path of the program. Raises BridgeUnavailable with what to do."""
    named = os.environ.get("FLAREBRIDGE_BINARY")
    if named:
        if os.access(named, os.X_OK):
            return named
        raise BridgeUnavailable(f"FLAREBRIDGE_BINARY names {named}, which is not an executable file")
    for program in _places():
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    raise BridgeUnavailable(
        "the program `flarebridge` is not installed here; install the flarebridge wheel in this Python "
        "environment, or name the program in FLAREBRIDGE_BINARY"
    )


def _places() -> Iterator[str]:
    """Where the program may be, the likeliest place first."""
    yield str(Path(__file__).resolve().with_name("bin") / "flarebridge")
    # A job may carry copies of these files, without the program, in front of the package that is installed.
    for folder in sys.path:
        yield os.path.abspath(os.path.join(folder, "flarebridge", "bin", "flarebridge"))
    yield os.path.join(sysconfig.get_path("scripts"), "flarebridge")
    found = shutil.which("flarebridge")
    if found:
        yield os.path.abspath(found)


class BridgeProcess:
    """Starts the bridge, and starts it again when it dies."""

    def __init__(self, state_folder: str, several: bool = False):
        """`state_folder`: for the journal and the log; made if it is missing. Nothing is started yet.

        `several`: it is to serve other processes, too, and to go on for them when this one is gone.
        """
        self._state = Path(state_folder)
        self._several = several
        self._place: Optional[SocketPlace] = None
        self._launcher: Optional[subprocess.Popen] = None  # ends when the bridge is up, or can't be
        self._life: Optional[int] = None  # reading end of the pipe that the bridge, nobody's child, holds open
        self._others_end: Optional[int] = None  # ours for a moment while it is started
        self._leaving: Optional[int] = None  # as _life, once the link is closed
        self._pid: Optional[int] = None
        self._starts = 0
        self._deaths = 0
        self._up_since = 0.0
        self._next_start = 0.0
        self._kill_at: Optional[float] = None  # it was told to leave, and is killed then
        forget_in_child(self)

    @property
    def endpoint(self) -> str:
        """Where it will listen, or listens. Raises BridgeUnavailable."""
        if self._place is None:
            try:
                self._place = SocketPlace("link", str(self._state), self._several)
            except NoPlace as e:
                raise BridgeUnavailable(str(e)) from None
        return self._place.endpoint

    @property
    def socket_there(self) -> bool:
        """False if its socket was taken away."""
        return self._place is not None and self._place.exists()

    @property
    def state(self) -> str:
        """The folder with its journal."""
        return str(self._state)

    @property
    def spool(self) -> str:
        """The folder in it for large values on their way."""
        return os.path.join(os.path.abspath(self._state), "spool")

    @property
    def starts(self) -> int:
        """How often it was started."""
        return self._starts

    @property
    def pid(self) -> Optional[int]:
        """The running bridge; None while it is being started."""
        return self._pid

    @property
    def running(self) -> bool:
        """True if it has come up, and has not been found dead since."""
        return self._launcher is None and self._life is not None

    def ensure(self, now: float) -> bool:
        """Starts the bridge if it does not run and it is time to. True if it was started by this call.

        `now`: time.monotonic(). Raises BridgeUnavailable.
        """
        if self._launcher is not None:
            status = self._launcher.poll()
            if status is None:
                return False
            self._launcher = None
            if status in _FINAL:
                raise BridgeUnavailable(f"the bridge ended: {_FINAL[status]}: {self.last_words()}")
            self._up_since = now
            if status == 0:
                with contextlib.suppress(OSError, ValueError):
                    self._pid = int((self._state / "bridge.pid").read_text())
        if self._life is not None:
            if not _has_ended(self._life):
                self._insist(now)
                return False
            self._let_go()
            self._on_death(now)
        if now < self._next_start:
            return False
        self._start()
        return True

    def replace(self, now: float) -> None:
        """Tells a bridge that can't be reached to leave; ensure() starts the next one. The journal keeps its events."""
        self._kill_at = now + _LEAVING
        if not self._signal(signal.SIGTERM) or not self._signal(signal.SIGCONT):
            self._let_go()  # it can't even be told; should it still work there, the next one waits for it

    def _insist(self, now: float) -> None:
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + _LEAVING
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> bool:
        # The pipe is open, so that the number is no other process's.
        if self._pid is None or self._life is None or _has_ended(self._life):
            return False
        try:
            os.kill(self._pid, number)
        except OSError:
            return False
        return True

    def _on_death(self, now: float) -> None:
        if now - self._up_since >= _HEALTHY:
            self._deaths = 0
        self._deaths += 1
        self._next_start = now + _BACKOFF[min(self._deaths, len(_BACKOFF)) - 1]

    def _let_go(self) -> None:
        if self._life is not None:
            os.close(self._life)
        self._pid = self._life = self._kill_at = None

    def _start(self) -> None:
        binary = find_binary()
        if self._starts and self._place is not None:
            # The earlier one's folder may be gone, and its place another's by now.
            self._place.remove()
            self._place = None
        endpoint = self.endpoint
        try:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._life, self._others_end = os.pipe()
            with open(self._state / "bridge.err", "ab") as errors:
                # A session of its own: NVFlare ends a job by killing the process group.
                parent = [] if self._several else ["--parent-pid", str(os.getpid())]
                self._launcher = subprocess.Popen(
                    [binary, "serve", "--own", "--detach", *parent]
                    + ["--state", str(self._state), "--endpoint", endpoint],
                    stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd="/", start_new_session=True,
                    pass_fds=(self._others_end,),
                )  # fmt: skip
        except OSError as e:
            self._let_go()
            raise BridgeUnavailable(f"the bridge can't be started in {self._state}: {e}") from e
        finally:
            self._close_others_end()
        self._starts += 1

    def _close_others_end(self) -> None:
        if self._others_end is not None:
            os.close(self._others_end)
            self._others_end = None

    def last_words(self) -> str:
        """What the bridge said last before its log was open, or where that log is."""
        try:
            lines = (self._state / "bridge.err").read_text(errors="replace").strip().splitlines()
        except OSError as e:
            return str(e)
        return lines[-1] if lines else f"see {self._state}/bridge.log"

    def tidy(self) -> None:
        """Lets go of the bridge; removes the socket's folder if no bridge uses it any more."""
        used = self._life is not None and not _has_ended(self._life)
        if self._place is not None and not used:
            self._place.remove()
        if self._launcher is not None:
            # It ends when the bridge is up; somebody has to be told then, or it stays as a zombie.
            threading.Thread(target=self._launcher.wait, name="flarebridge-launcher", daemon=True).start()
        self._leaving, self._life = self._life, None
        self._pid = None

    def wait_gone(self, seconds: float) -> bool:
        """After the link is closed: waits until the bridge has finished its runs and left. Call it once.

        False: it still works; it will finish by itself.
        """
        if self._leaving is None:
            return True
        gone = _has_ended(self._leaving, seconds)
        os.close(self._leaving)
        self._leaving = None
        return gone

    def forget_in_child(self) -> None:
        """A forked child must not keep the pipe open."""
        self._close_others_end()
        self._let_go()
        if self._leaving is not None:
            os.close(self._leaving)
            self._leaving = None
        if self._launcher is not None:
            self._launcher.returncode = 0  # the parent's to wait for
            self._launcher = None


def _has_ended(life: int, seconds: float = 0.0) -> bool:
    """True if the other end of the pipe is closed; waits for it for so many seconds."""
    # poll, not select: a trainer may have thousands of descriptors.
    poller = select.poll()
    poller.register(life, select.POLLIN)
    return bool(poller.poll(max(0.0, seconds) * 1000))
