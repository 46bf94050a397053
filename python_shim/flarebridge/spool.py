"""Large values on their way to a bridge of this machine: a frozen copy of each, as a file in the bridge's state folder.

A file is written under another name and renamed when it is whole; that it is on the disk before its event is
acknowledged is the bridge's care, which moves it to itself. Nothing here waits for the disk. Where the file system can
share blocks, a file is not copied; holes stay holes. Any thread.
"""

import contextlib
import errno
import os
import secrets
from typing import Any, Optional

from .large import Frozen, Large, with_large

_RESERVE = 64 << 20  # bytes that stay free on the disk: the journal's metrics need some, too
_PIECE = 16 << 20
_TRIES = 10
_SHARE = 0x40049409  # FICLONE of linux/fs.h

NO_ROOM = "a large value, and the disk has no room for it"
NOT_WRITTEN = "a large value, and the spool folder can't be written"
NOT_READ = "a large value whose file can't be read"
NO_BRIDGE = "a large value, and no bridge has answered yet"


class NotFrozen(Exception):
    """Why a value can't be had: one of the few reasons above, and what the system said of it."""

    def __init__(self, reason: str, said: str):
        super().__init__(said)
        self.reason = reason


class Spool:
    """Of one session."""

    def __init__(self, folder: Optional[str], session: str):
        """`folder`: of all sessions, absolute; None: the bridge says it later (`folder` may be set)."""
        self.folder = folder
        self._session = session
        self.bytes = 0  # of all that were frozen
        self._held: Optional[int] = None  # the session's folder, locked: what is in it is a living process's

    def __del__(self) -> None:
        self._let_go()

    def freeze(self, value: dict) -> dict:
        """The value with references in place of large parts, or as it is. Raises NotFrozen."""
        value = with_large(value)
        blobs: list = []
        try:
            frozen = self._frozen(value, blobs)
        except BaseException:
            self.remove(tuple(blobs))
            raise
        return Frozen(frozen, tuple(blobs)) if blobs else frozen

    def remove(self, blobs: tuple) -> None:
        """What was frozen for an event that is not sent."""
        for name, _size in blobs:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.folder or "", self._session, name))

    def _hold(self, folder: str) -> bool:
        """The bridge removes what processes leave that are gone, and knows them by this. False: it came before."""
        self._let_go()
        with contextlib.suppress(FileNotFoundError):
            self._held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with contextlib.suppress(OSError, ImportError):  # some file systems have no locks
                import fcntl

                fcntl.flock(self._held, fcntl.LOCK_SH)  # a bridge that looks has it for a moment
            return os.path.samestat(os.fstat(self._held), os.stat(folder))
        return False

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def _frozen(self, value: Any, blobs: list) -> Any:
        if isinstance(value, Large):
            name, size = self._store(value)
            blobs.append((name, size))
            return {"blob": name, "size": size}
        if isinstance(value, dict):
            return {key: self._frozen(item, blobs) for key, item in value.items()}
        return [self._frozen(item, blobs) for item in value] if isinstance(value, list) else value

    def _store(self, large: Large) -> tuple:
        if self.folder is None:
            raise NotFrozen(NO_BRIDGE, "")
        name = secrets.token_hex(16)
        folder = os.path.join(self.folder, self._session)
        place = os.path.join(folder, name)
        source = _opened(large)
        try:
            for _ in range(_TRIES):
                made = _make_folders(self.folder, folder)
                if (not made and self._held is not None) or self._hold(folder):
                    break
            left = os.statvfs(folder)
            if left.f_bavail * left.f_frsize < large.size + _RESERVE:
                raise NotFrozen(NO_ROOM, f"{large.size} bytes for {folder}")
            size = _write(large, source, place)
        except OSError as e:
            full = e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise NotFrozen(NO_ROOM if full else NOT_WRITTEN, f"{folder}: {e.strerror or e}") from None
        finally:
            if source is not None:
                os.close(source)
        self.bytes += size
        return name, size


def _opened(large: Large) -> Optional[int]:
    if large.path is None:
        return None
    try:
        return os.open(large.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise NotFrozen(NOT_READ, f"{large.path}: {e.strerror or e}") from None


def _make_folders(spool: str, session: str) -> bool:
    """This user's alone, as the bridge makes its state folder, which may not be there yet. True: it was not there."""
    if os.path.isdir(session):
        return False
    state = os.path.dirname(spool)
    os.makedirs(os.path.dirname(state), exist_ok=True)
    for folder in (state, spool, session):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    return True


def _write(large: Large, source: Optional[int], place: str) -> int:
    """Gives the size. Raises OSError."""
    draft = place + ".part"
    target = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            if source is None:
                _write_all(target, memoryview(large.content or b""))
            else:
                _copy(source, target)
            size = os.fstat(target).st_size
        finally:
            os.close(target)
        os.rename(draft, place)
        return size
    except BaseException:
        os.unlink(draft)
        raise


def _write_all(target: int, content: memoryview) -> None:
    while content:
        content = content[os.write(target, content) :]


def _copy(source: int, target: int) -> None:
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.ioctl(target, _SHARE, source)
        return
    size = os.fstat(source).st_size
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:  # the rest is a hole
                break
            begin, end = at, size
        else:
            begin, end = at, os.lseek(source, at, os.SEEK_HOLE)
        if not _copy_range(source, target, begin, min(end, size)):
            size = min(size, os.fstat(source).st_size)  # it was cut meanwhile
            break
        at = max(end, at + 1)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, begin: int, end: int) -> bool:
    """False: the file ends before."""
    in_kernel = hasattr(os, "copy_file_range")  # from Python 3.8 on
    while begin < end:
        piece = min(_PIECE, end - begin)
        if in_kernel:
            try:
                done = os.copy_file_range(source, target, piece, begin, begin)
            except OSError as e:
                if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                    raise
                in_kernel = False
                continue
        else:
            content = os.pread(source, piece, begin)
            done = len(content)
            os.lseek(target, begin, os.SEEK_SET)
            _write_all(target, memoryview(content))
        if not done:
            return False
        begin += done
    return True
