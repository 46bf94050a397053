"""The last records of a training process, where they outlive it: a file that the forwarder reads.

A process that is killed, or that calls os._exit, sends nothing any more. What it logged last is what people look at.
The file lies beside the trainers' socket, in a folder that this user alone can enter, and is mapped into memory: a
record costs no system call. It has a head and two halves, which are filled in turn, so that it holds the last 2 MiB of
records at least. The process holds a lock on it, which the system releases at its end, however it ends.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import struct
import zlib
from typing import NamedTuple, Optional

from .forks import forget_in_child

_MAGIC = b"fbrecs1\0"
_HALF = 2 << 20  # bytes; an event has 1 MiB at most
_BEGIN = 64  # bytes of the head
_SIZE = _BEGIN + 2 * _HALF
_HEAD = struct.Struct("<8sQQQ")  # magic, process id, number of the last record, records that found no room
_LAST, _LOST = struct.Struct("<Q"), struct.Struct("<Q")
_LAST_AT, _LOST_AT = 16, 24
_ENTRY = struct.Struct("<IIQI")  # bytes of the record, filling of a half, number, checksum


class LastRecords:
    """The writing side, in the training process. Who calls it sees to it that one thread does at a time."""

    def __init__(self, folder: str, session: str):
        """`session`: of the link, whose numbers the records have. Raises OSError if no such file can be had."""
        self._path = f"{folder}/{session}"
        draft = f"{folder}/.{session}"
        self._handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            # All of its room is taken now: a full disk would kill who writes to mapped memory.
            os.posix_fallocate(self._handle, 0, _SIZE)
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._map = mmap.mmap(self._handle, _SIZE)
            _HEAD.pack_into(self._map, 0, _MAGIC, os.getpid(), 0, 0)
            os.rename(draft, self._path)
        except BaseException:
            os.close(self._handle)
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
        self._filling = 0
        self._at, self._end = _BEGIN, _BEGIN + _HALF
        self._firsts = [1, 1]  # number of the first record of each half
        self._last = 0
        self._pending: list = []  # records of log calls in the middle of another one
        self._writing = False
        self._closed = False
        forget_in_child(self)

    @property
    def oldest(self) -> int:
        """The number from which on all records are there."""
        return min(self._firsts)

    def note(self, number: int, event: bytes) -> None:
        """Keeps a record. A signal handler may log in the middle of it."""
        if self._closed:
            return
        if self._writing:
            # The call in whose middle this one is writes it; if the process ends before, it is counted at least.
            self._pending.append((number, event))
            self._announce(number)
            return
        self._writing = True
        try:
            self._write(number, event)
            while self._pending:
                self._write(*self._pending.pop(0))
        finally:
            self._writing = False

    def count_lost(self, total: int) -> None:
        """How many records of the process found no room so far."""
        if not self._closed:
            _LOST.pack_into(self._map, _LOST_AT, total)

    def close(self, remove: bool) -> None:
        """`remove`: there is nothing in it that the forwarder does not have."""
        if self._closed:
            return
        self._closed = True
        if remove:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self._map.close()
        os.close(self._handle)

    def forget_in_child(self) -> None:
        """The file, and its lock, are the parent's."""
        self.close(remove=False)

    def _write(self, number: int, event: bytes) -> None:
        size = _ENTRY.size + len(event)
        if self._at + size > self._end:
            self._filling += 1
            half = self._filling % 2
            self._at = _BEGIN + half * _HALF
            self._end = self._at + _HALF
            self._firsts[half] = number
        _ENTRY.pack_into(self._map, self._at, len(event), self._filling, number, _checksum(event, number))
        self._map[self._at + _ENTRY.size : self._at + size] = event
        self._at += size
        self._announce(number)

    def _announce(self, number: int) -> None:
        if number > self._last:
            self._last = number
            _LAST.pack_into(self._map, _LAST_AT, number)


class Left(NamedTuple):
    """What a file says."""

    pid: int
    last: int  # number of the last record that was logged
    lost: int  # records that found no room in the process


def is_over(path: str) -> Optional[bool]:
    """True if the process that wrote the file has ended; None: that can't be told."""
    try:
        handle = _open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as e:
        return False if e.errno in (errno.EAGAIN, errno.EACCES) else None
    finally:
        os.close(handle)


def look(path: str) -> Optional[Left]:
    """What the file says; None: it is none, or not there any more."""
    content = _read(path, _BEGIN)
    if len(content) < _BEGIN:
        return None
    magic, *fields = _HEAD.unpack_from(content)
    return Left(*fields) if magic == _MAGIC else None


def records_of(path: str, behind: int) -> list:
    """(number, event) of the records that the file holds behind a number, by their numbers.

    The process may be writing to it: what is not whole is not there.
    """
    content = memoryview(_read(path, _SIZE))
    found = {}
    for half in (0, 1):
        at = _BEGIN + half * _HALF
        end = min(at + _HALF, len(content))
        filling = None
        while at + _ENTRY.size <= end:
            size, filled, number, checksum = _ENTRY.unpack_from(content, at)
            event = content[at + _ENTRY.size : at + _ENTRY.size + size]
            if filling is None:
                filling = filled
            # Behind the last record of this filling lie those of an earlier one.
            if not size or filled != filling or at + _ENTRY.size + size > end or _checksum(event, number) != checksum:
                break
            if number > behind:
                found[number] = bytes(event)
            at += _ENTRY.size + size
    return sorted(found.items())


def _checksum(event, number: int) -> int:
    return zlib.crc32(event, (number ^ number >> 32) & 0xFFFFFFFF)


def _open(path: str, flags: int) -> int:
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "no file", path)
    return handle


def _read(path: str, most: int) -> bytes:
    try:
        handle = _open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.pread(handle, most, 0)
    except OSError:
        return b""
    finally:
        os.close(handle)
