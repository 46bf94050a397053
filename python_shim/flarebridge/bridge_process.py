"""The bridge's process, as started by a receiver that has one of its own.

Used from the link's thread only. Nothing here waits: starting is a spawn, and whether the bridge is
up shows when it answers on its socket.
"""

import os
import select
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Optional

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


class BridgeUnavailable(Exception):
    """The bridge can't be had, and trying again does not help. The text says why and what to do."""


def find_binary() -> str:
    """The path of the program. Raises BridgeUnavailable with what to do."""
    named = os.environ.get("FLAREBRIDGE_BINARY")
    if named:
        if os.access(named, os.X_OK):
            return named
        raise BridgeUnavailable(f"FLAREBRIDGE_BINARY names {named}, which is not an executable file")
    installed = Path(sysconfig.get_path("scripts")) / "flarebridge"
    found = str(installed) if os.access(installed, os.X_OK) else shutil.which("flarebridge")
    if found:
        return found
    raise BridgeUnavailable(
        "the program `flarebridge` is not installed here; install the flarebridge wheel in this Python "
        "environment, or name the program in FLAREBRIDGE_BINARY"
    )


class BridgeProcess:
    """Starts the bridge, and starts it again when it dies."""

    def __init__(self, state_folder: str):
        """`state_folder`: for the journal and the log; made if it is missing. Nothing is started yet."""
        self._state = Path(state_folder)
        self._socket_folder: Optional[str] = None
        self._launcher: Optional[subprocess.Popen] = None  # ends when the bridge is up, or can't be
        self._pidfd: Optional[int] = None  # of the bridge, which is nobody's child
        self._leaving: Optional[int] = None  # the same, once the link is closed
        self._pid: Optional[int] = None
        self._starts = 0
        self._deaths = 0
        self._up_since = 0.0
        self._next_start = 0.0

    @property
    def endpoint(self) -> str:
        """Where it will listen: a socket in a fresh folder that only this user can enter."""
        if self._socket_folder is None:
            # A short path: a socket's may have 107 bytes, and a workspace's is often longer.
            self._socket_folder = tempfile.mkdtemp(prefix="flarebridge-")
        return f"ipc://{self._socket_folder}/link"

    @property
    def starts(self) -> int:
        """How often it was started."""
        return self._starts

    @property
    def pid(self) -> Optional[int]:
        """The running bridge; None while it is being started."""
        return self._pid

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
            if status != 0 or not self._adopt():
                self._on_death(now)
        elif self._pidfd is not None and _has_ended(self._pidfd):
            self._let_go()
            self._on_death(now)
        if self._pidfd is not None or now < self._next_start:
            return False
        self._start()
        return True

    def _on_death(self, now: float) -> None:
        if now - self._up_since >= _HEALTHY:
            self._deaths = 0
        self._deaths += 1
        self._next_start = now + _BACKOFF[min(self._deaths, len(_BACKOFF)) - 1]

    def _adopt(self) -> bool:
        """Watches the bridge that the launcher has left behind. False: it has ended already."""
        try:
            self._pid = int((self._state / "bridge.pid").read_text())
            self._pidfd = os.pidfd_open(self._pid)
        except (OSError, ValueError):
            self._pid = None
            return False
        return True

    def _let_go(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._pid = self._pidfd = None

    def _start(self) -> None:
        binary = find_binary()
        endpoint = self.endpoint
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            # The folder may have been removed by a bridge that left.
            os.makedirs(self._socket_folder, mode=0o700, exist_ok=True)
            with open(self._state / "bridge.err", "ab") as errors:
                # A session of its own: NVFlare ends a job by killing the process group.
                self._launcher = subprocess.Popen(
                    [binary, "serve", "--own", "--detach", "--parent-pid", str(os.getpid())]
                    + ["--state", str(self._state), "--endpoint", endpoint],
                    stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd="/", start_new_session=True,
                )  # fmt: skip
        except OSError as e:
            raise BridgeUnavailable(f"the bridge can't be started in {self._state}: {e}") from e
        self._starts += 1

    def last_words(self) -> str:
        """What the bridge said last before its log was open, or where that log is."""
        try:
            lines = (self._state / "bridge.err").read_text(errors="replace").strip().splitlines()
        except OSError as e:
            return str(e)
        return lines[-1] if lines else f"see {self._state}/bridge.log"

    def tidy(self) -> None:
        """Lets go of the bridge; removes the socket's folder if no bridge uses it any more."""
        used = self._launcher is not None or (self._pidfd is not None and not _has_ended(self._pidfd))
        if self._socket_folder and not used:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        self._leaving, self._pidfd = self._pidfd, None
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


def _has_ended(pidfd: int, seconds: float = 0.0) -> bool:
    # poll, not select: a trainer may have thousands of descriptors.
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(max(0.0, seconds) * 1000))
