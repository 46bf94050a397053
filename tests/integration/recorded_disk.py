"""What a power cut leaves of files whose changes were recorded (recording_disk.c).

The model of the disk: what was written before a sync of its file is there; each 512-byte sector written since may be
there or not, whatever its order; a file's length is one of those since the sync. Names (new files and folders, renames,
removals) get to the disk in their order; a sync brings all of those before it, as journaling file systems do. Sectors
are not torn.
"""

import os
import random
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

_HEADER = struct.Struct("<IIQQc7x")
_SECTOR = 512
ACKNOWLEDGED = b"A"  # a record of the test's own: `offset` is how many


@dataclass
class Change:
    kind: bytes
    inode: int
    offset: int
    path: str
    second: str
    data: bytes


def acknowledgement(count: int) -> bytes:
    """A record for the trace."""
    return _HEADER.pack(_HEADER.size, 0, 0, count, ACKNOWLEDGED)


def read_trace(trace: Path) -> list[Change]:
    content, at, changes = trace.read_bytes(), 0, []
    while at < len(content):
        size, paths, inode, offset, kind = _HEADER.unpack_from(content, at)
        # One that was written in part, as by a process that was killed meanwhile, leaves no place to go on from.
        assert size >= _HEADER.size, f"the recording can't be read behind record {len(changes)}, at byte {at}"
        begin = at + _HEADER.size
        first, _, second = content[begin : begin + paths].decode().partition("\0")
        changes.append(Change(kind, inode, offset, first, second, content[begin + paths : at + size]))
        at += size
    return changes


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
