"""A bridge that several processes of one machine share: whoever comes first starts it, the others find it.

All that they agree on is in the bridge's state folder: `bridge.lock`, which a bridge that lives holds, `start.lock`,
held by the process that is starting one, and `endpoint`, where the one that was started last listens. When the bridge
is gone while it is needed, one of them starts the next.

Used from the link's thread only, in the place of a BridgeProcess. Nothing here waits.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Optional

from .bridge_process import BridgeProcess, BridgeUnavailable
from .forks import forget_in_child
from .socket_place import is_lasting

_LOOK = 0.05  # seconds between looks for a bridge that another process is starting
_LOOK_AGAIN = 0.5  # the same, for one that was there
_LEAVING = 20.0  # seconds that a bridge which is to be replaced may take to leave
_NOWHERE = "ipc:///nowhere/flarebridge"  # until one is found


class SharedBridge:
    """Finds the bridge, and starts it where there is none."""

    def __init__(self, state_folder: str):
        """`state_folder`: the same for all processes that share the bridge. Nothing is looked for yet."""
        self._state = Path(state_folder)
        self._process: Optional[BridgeProcess] = None  # the one that this process has started last
        self._start_lock: Optional[int] = None  # held while it is starting
        self._endpoint = _NOWHERE
        self._lives = False
        self._look_at = 0.0
        self._starts = 0
        self._kill_at: Optional[float] = None  # it was told to leave, and is killed then
        forget_in_child(self)

    @property
    def endpoint(self) -> str:
        """Where it listened when it was looked for last."""
        return self._endpoint

    @property
    def socket_there(self) -> bool:
        return os.path.lexists(self._endpoint[len("ipc://") :])

    @property
    def state(self) -> str:
        return str(self._state)

    @property
    def spool(self) -> str:
        """Where it takes large values."""
        return os.path.join(os.path.abspath(self._state), "spool")

    @property
    def starts(self) -> int:
        """How often a bridge was found or started that was not known before."""
        return self._starts

    @property
    def pid(self) -> Optional[int]:
        with contextlib.suppress(OSError, ValueError):
            return int((self._state / "bridge.pid").read_text())
        return None

    @property
    def running(self) -> bool:
        """True if it lived when it was looked for last."""
        return self._lives

    def ensure(self, now: float) -> bool:
        """True if another bridge is known by this call. `now`: time.monotonic(). Raises BridgeUnavailable."""
        try:
            return self._ensure(now)
        except BridgeUnavailable:
            self._let_others_start()
            raise
        except OSError as e:
            self._let_others_start()
            raise BridgeUnavailable(f"the bridge can't be started in {self._state}: {e}") from e

    def replace(self, now: float) -> None:
        """Tells a bridge that can't be reached to leave; ensure() of one of the processes starts the next one."""
        self._kill_at = now + _LEAVING
        self._signal(signal.SIGTERM, signal.SIGCONT)

    def last_words(self) -> str:
        return (self._process or BridgeProcess(str(self._state))).last_words()

    def tidy(self) -> None:
        """Lets go of it; it serves the others."""
        self._let_others_start()
        if self._process is not None:
            self._process.tidy()

    def forget_in_child(self) -> None:
        """A forked child must not hold the lock of its parent."""
        self._let_others_start()

    # --- parts of the above ---

    def _ensure(self, now: float) -> bool:
        if self._start_lock is not None:
            return self._go_on_starting(now)
        if now < self._look_at:
            return False
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lives = _is_locked(self._state / "bridge.lock")
        self._look_at = now + (_LOOK_AGAIN if self._lives else _LOOK)
        if not self._lives:
            return self._begin_to_start(now)
        self._insist(now)
        return self._take_place()

    def _take_place(self) -> bool:
        """Reads where it listens. Raises BridgeUnavailable if that is on another machine."""
        try:
            place = json.loads((self._state / "endpoint").read_text())
            endpoint, machine = place["endpoint"], place["machine"]
        except (OSError, ValueError, KeyError, TypeError):
            return False  # it is being written
        if machine != _machine():
            raise BridgeUnavailable(
                f"the run is shared by processes of the machine {machine}, and this one is {_machine()}: a run can be"
                " shared on one machine only; give the processes of each machine a run id of their own"
            )
        if endpoint == self._endpoint:
            return False
        self._endpoint = endpoint
        self._starts += 1
        return True

    def _begin_to_start(self, now: float) -> bool:
        lock = _lock(self._state / "start.lock", fcntl.LOCK_EX)
        if lock is None:  # somebody else is at it
            return False
        self._start_lock = lock
        if _is_locked(self._state / "bridge.lock"):  # it came up between the two looks
            self._let_others_start()
            self._look_at = now
            return False
        self._clear_up()
        self._process = BridgeProcess(str(self._state), several=True)
        self._tell_place(self._process.endpoint)
        self._endpoint = self._process.endpoint
        self._starts += 1
        return self._process.ensure(now)

    def _clear_up(self) -> None:
        """What is left of a bridge that is gone."""
        if self._process is not None:
            self._process.tidy()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            place = json.loads((self._state / "endpoint").read_text())
            folder = os.path.dirname(place["endpoint"][len("ipc://") :])
            if place["machine"] == _machine() and is_lasting(folder):
                shutil.rmtree(folder, ignore_errors=True)

    def _go_on_starting(self, now: float) -> bool:
        assert self._process is not None
        again = self._process.ensure(now)
        if self._process.running:
            self._lives = True
            self._look_at = now + _LOOK_AGAIN
            self._let_others_start()
        elif again or self._process.endpoint != self._endpoint:  # it had died, and begins anew elsewhere
            self._endpoint = self._process.endpoint
            self._tell_place(self._endpoint)
        return again

    def _tell_place(self, endpoint: str) -> None:
        """Before it listens there: whoever connects too early is connected when it does."""
        written = self._state / f"endpoint.{os.getpid()}"
        written.write_text(json.dumps({"endpoint": endpoint, "machine": _machine()}))
        os.replace(written, self._state / "endpoint")

    def _let_others_start(self) -> None:
        if self._start_lock is not None:
            os.close(self._start_lock)
            self._start_lock = None

    def _insist(self, now: float) -> None:
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._signal(signal.SIGKILL)

    def _signal(self, *numbers: int) -> None:
        pid = self.pid
        # It lives, so that the number is no other process's.
        if pid is None or not _is_locked(self._state / "bridge.lock"):
            return
        for number in numbers:
            with contextlib.suppress(OSError):
                os.kill(pid, number)


def hold(path: Path, alone: bool) -> Optional[int]:
    """A lock on a file, which is made, as its descriptor; None: others have it in a way that does not go with this one.

    `alone`: nobody else may have it; else all who hold it so share it. Raises OSError where the file can't be made.
    """
    return _lock(path, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def _lock(path: Path, how: int) -> Optional[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno == errno.EWOULDBLOCK:
            os.close(lock)
            return None
        # A file system without locks keeps nobody out.
    return lock


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as e:
        return e.errno == errno.EWOULDBLOCK
    finally:
        os.close(lock)
    return False


def _machine() -> str:
    return socket.gethostname()
