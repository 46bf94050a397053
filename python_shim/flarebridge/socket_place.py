"""Where a Unix socket finds a place: a fresh folder that only this user can enter, wherever one can be made.

$TMPDIR may be too long for a socket's path, full, read-only, without sockets, or gone; then other folders are
tried, each with a socket. Abstract sockets are no way out: whoever is first to bind such a name gets what we
send, and ZeroMQ does not tell us who it was.
"""

import contextlib
import os
import secrets
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Optional

_PREFIX = "fb-"
_LASTING = "fbs-"  # of a socket that is somebody else's as well
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class NoPlace(OSError):
    """No folder takes a socket. The text says which were tried, and why not."""


class SocketPlace:
    """A folder of this process for one socket."""

    def __init__(self, name: str, last_resort: Optional[str] = None, outlives: bool = False):
        """Makes the folder. `name`: of the socket, short. `last_resort`: a folder to try behind all others.

        `outlives`: it is not cleared away when this process is gone. Raises NoPlace.
        """
        self._name = name
        self._folder = _make(name, last_resort, _LASTING if outlives else _PREFIX)

    @property
    def path(self) -> str:
        return f"{self._folder}/{self._name}"

    @property
    def endpoint(self) -> str:
        """As ZeroMQ wants it."""
        return f"ipc://{self.path}"

    def exists(self) -> bool:
        """True if there is something where the socket is to be."""
        return os.path.lexists(self.path)

    def make_again(self) -> bool:
        """Makes the same folder once more after it, or what was in it, was cleaned away. False: it can't be ours."""
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._folder, 0o700)
            found = os.lstat(self._folder)
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def is_lasting(folder: str) -> bool:
    """True for a folder of a SocketPlace that outlives its process."""
    return os.path.basename(folder).startswith(_LASTING)


def _make(name: str, last_resort: Optional[str], prefix: str) -> str:
    tried = {}
    for base in _candidates(last_resort):
        if base in tried:
            continue
        folder = f"{base}/{prefix}{_namespace()}-{_written(os.getpid())}-{secrets.token_hex(3)}"
        try:
            _remove_folders_of_the_dead(base)
            os.mkdir(folder, 0o700)
            try:
                _try_socket(f"{folder}/{name}")
            except OSError:
                os.rmdir(folder)
                raise
            return folder
        except OSError as e:
            tried[base] = e.strerror or str(e)
    reasons = "; ".join(f"{base}: {why}" for base, why in tried.items())
    raise NoPlace(f"no folder takes a socket ({reasons}); set TMPDIR to a short path on a local disk")


def _candidates(last_resort: Optional[str]) -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        # Python's own choice follows $TMPDIR. Where nothing can be written it is the working folder, or an error.
        own = tempfile.gettempdir()
        found += [own] if own != os.getcwd() else []
    found += [os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp", last_resort or ""]
    return [os.path.abspath(base) for base in found if base]


def _try_socket(path: str) -> None:
    """Raises OSError if no socket can be made there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.bind(path)
    os.unlink(path)


def _written(number: int) -> str:
    """A number above 0 in few letters: a socket's path may have 107 bytes."""
    text = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


def _namespace() -> str:
    """What process ids are unique in; "" where it can't be told."""
    try:
        return _written(int("".join(filter(str.isdigit, os.readlink("/proc/self/ns/pid")))))
    except (OSError, ValueError):
        return ""


def _remove_folders_of_the_dead(base: str) -> None:
    """Processes that are killed leave their socket's folder behind; NVFlare's simulator ends its own without a word."""
    mine = f"{_PREFIX}{_namespace()}-"
    if mine == f"{_PREFIX}-":
        return
    with contextlib.suppress(OSError):  # a folder that can't be listed may still take ours
        for folder in [entry for entry in os.scandir(base) if entry.name.startswith(mine)]:
            with contextlib.suppress(OSError, ValueError, IndexError):
                pid = int(folder.name.split("-")[2], len(_DIGITS))
                if folder.stat(follow_symlinks=False).st_uid == os.getuid() and not Path(f"/proc/{pid}").exists():
                    shutil.rmtree(folder.path, ignore_errors=True)
