"""What a power cut leaves of files whose changes were recorded (recording_disk.c).

The model of the disk: what was written before a sync of its file is there; each 512-byte sector written since may be
there or not, whatever its order; a file's length is one of those since the sync. Names (new files and folders, renames,
removals) get to the disk in their order; a sync brings all of those before it, as journaling file systems do. Sectors
are not torn.
"""

import mmap
import os
import random
import shutil
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

# As recording.h has them.
_HEADER = struct.Struct("<IIIIQQ")
_MAGIC = 0x52444246
_RECORDS_BEGIN = 1 << 18

_SECTOR = 512
# The test's own.
ACKNOWLEDGED = b"A"  # `offset` is how many
KILLED = b"K"  # a process


@dataclass
class Change:
    kind: bytes
    inode: int
    offset: int
    path: str
    second: str
    data: bytes


class Recording:
    """A file that recording_disk.c records to.

    What it holds is whole up to its length, whatever was killed. A call whose process died, and whose files nobody
    has changed since, is not in it: a power cut may come before it, and nobody was told of it.
    """

    def __init__(self, trace: Path):
        self._trace = trace
        self._told: list[tuple[int, Change]] = []  # the test's own, each with the recording's length then
        with trace.open("w+b") as file:
            file.truncate(_RECORDS_BEGIN)
            self._memory = mmap.mmap(file.fileno(), _RECORDS_BEGIN)
        struct.pack_into("<Q", self._memory, 0, _RECORDS_BEGIN)

    def environment(self, library: Path, folder: Path) -> dict[str, str]:
        """Of programs whose changes below the folder are to be recorded."""
        return {
            "LD_PRELOAD": str(library),
            "RECORDING_DISK_FOLDER": str(folder),
            "RECORDING_DISK_TRACE": str(self._trace),
        }

    @property
    def length(self) -> int:
        """Bytes. What was recorded by now is below, in every process's eyes."""
        return struct.unpack_from("<Q", self._memory)[0]

    def acknowledged(self, count: int) -> None:
        """So many are, now: all that this rests on has been recorded."""
        self._told.append((self.length, Change(ACKNOWLEDGED, 0, count, "", "", b"")))

    def killed(self) -> None:
        """One of its processes is, now."""
        self._told.append((self.length, Change(KILLED, 0, 0, "", "", b"")))

    def changes(self) -> Iterator[Change]:
        """In their order; one at a time is in memory."""
        at, end, told = _RECORDS_BEGIN, self.length, deque(sorted(self._told, key=lambda item: item[0]))
        with self._trace.open("rb") as file:
            file.seek(at)
            while True:
                while told and told[0][0] <= at:
                    yield told.popleft()[1]
                if at == end:
                    return
                size, change = _read_one(file, at, end)
                at += size
                yield change


def _read_one(file: BinaryIO, at: int, end: int) -> tuple[int, Change]:
    """The record at the file's position, and its size."""
    header = file.read(_HEADER.size) if at + _HEADER.size <= end else bytes(_HEADER.size)
    magic, size, paths, kind, inode, offset = _HEADER.unpack(header)
    readable = magic == _MAGIC and _HEADER.size + paths <= size <= end - at
    assert readable, f"the recording can't be read at byte {at} of {end}"
    first, _, second = file.read(paths).decode().partition("\0")
    return size, Change(bytes([kind]), inode, offset, first, second, file.read(size - _HEADER.size - paths))


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()

    def after_cut(self, draw: random.Random) -> bytes:
        """Any of what the disk may hold."""
        how = draw.choice(["nothing", "all", "some"])
        content = bytearray(self.durable)
        for change in self.pending if how != "nothing" else []:
            if how == "all" or change.kind == b"T":
                _apply(content, change)
                continue
            for start in range(0, len(change.data), _SECTOR):
                if draw.random() < 0.5:
                    sector = Change(b"W", 0, change.offset + start, "", "", change.data[start : start + _SECTOR])
                    _apply(content, sector)
        return bytes(content)


def _apply(content: bytearray, change: Change) -> None:
    if change.kind == b"T":
        del content[change.offset :]
    end = change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[change.offset : end] = change.data


class Disk:
    """The files below a folder while changes are applied to them."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self._files: dict[int, _File] = {}  # by inode; one that is given again is another file
        self._there: dict[str, int] = {}  # paths that exist now -> inode
        self._names: list[tuple[Change, _File]] = []  # of which the first `_durable_names` are on the disk
        self._durable_names = 0

    def apply(self, change: Change) -> None:
        if change.kind == ACKNOWLEDGED:
            self.acknowledged = change.offset
        elif change.kind == KILLED:
            pass
        elif change.kind in (b"W", b"T"):
            self._files[change.inode].pending.append(change)
        elif change.kind == b"S":
            self._durable_names = len(self._names)
            if change.inode in self._files:
                self._files[change.inode].sync()
        else:
            self._apply_name(change)

    def _apply_name(self, change: Change) -> None:
        if change.kind == b"C":
            if change.path in self._there:
                return
            self._there[change.path] = change.inode
            self._files[change.inode] = _File()
        elif change.kind == b"R" and change.path in self._there:
            self._there[change.second] = self._there.pop(change.path)
        elif change.kind == b"U":
            self._there.pop(change.path, None)
        self._names.append((change, self._files.get(change.inode, _File())))

    def cut(self, draw: random.Random, folder: Path) -> None:
        """Makes the folder, which must not exist, hold what is left."""
        entries: dict[str, object] = {}  # path -> its file, or the target of a link
        folder.mkdir()
        for change, file in self._names[: draw.randint(self._durable_names, len(self._names))]:
            if change.kind == b"C":
                entries[change.path] = file
            elif change.kind == b"R":
                entries[change.second] = entries.pop(change.path)
            elif change.kind == b"L":
                entries[change.second] = change.path
            elif change.kind == b"M":
                os.makedirs(change.path, exist_ok=True)
            else:
                entries.pop(change.path, None)
        for path, entry in entries.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)  # by those who are not recorded
            if isinstance(entry, _File):
                Path(path).write_bytes(entry.after_cut(draw))
            else:
                os.symlink(entry, path)


def remove(folder: Path) -> None:
    shutil.rmtree(folder)
