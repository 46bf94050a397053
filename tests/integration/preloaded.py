"""Disks that fail: a library that is preloaded into programs, and what tells it when."""

import mmap
import struct
import subprocess
from pathlib import Path

SHORT = -1  # in place of an error's number: half is written
KILL = -2  # the process is killed before the call
NEVER = 1 << 40


def compiled(source: str, folder: Path) -> Path:
    """The library of a C file beside this one."""
    built = folder / Path(source).with_suffix(".so").name
    path = Path(__file__).with_name(source)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-pthread", "-o", str(built), str(path), "-ldl"],
        check=True,
        timeout=60,
    )
    return built


class Disk:
    """The control of faults below a folder, `folder`; see faulty_disk.c."""

    def __init__(self, folder: Path, library: Path, monkeypatch):
        control = folder / "control"
        control.write_bytes(struct.pack("4q", 0, NEVER, NEVER, 0))
        with control.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 32)
        self.folder = folder / "disk"
        self.folder.mkdir()
        monkeypatch.setenv("FAULTY_DISK_FOLDER", str(self.folder))
        monkeypatch.setenv("FAULTY_DISK_CONTROL", str(control))
        monkeypatch.setenv("LD_PRELOAD", str(library))

    @property
    def calls(self) -> int:
        return struct.unpack_from("q", self._memory)[0]

    def restart(self) -> None:
        """Counts from 0 again."""
        struct.pack_into("q", self._memory, 0, 0)

    def fail(self, first: int, count: int, error: int) -> None:
        struct.pack_into("3q", self._memory, 8, first, first + count, error)

    def mend(self) -> None:
        self.fail(NEVER, 0, 0)
