"""The recorder of test_power.py itself: what it records is what happened, whatever was killed meanwhile."""

import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import recorded_disk
from preloaded import compiled
from recorded_disk import Disk, Recording

_ROUNDS = 20  # of two deaths
# Changes files in all recorded ways until a timer ends it, at any instruction of its own or of the kernel for it.
_WRITER = """
import os, random, signal, sys
folder, seed = sys.argv[1], int(sys.argv[2])
draw = random.Random(seed)
log = os.open(folder + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
shared = os.open(folder + "/shared", os.O_CREAT | os.O_RDWR)
data = [draw.randbytes(300_000) for _ in range(4)]
signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.0005, 0.01))
made = 0
while True:
    how, name, made = draw.randrange(12), f"{folder}/{draw.randrange(8)}", made + 1
    some = draw.choice(data)[:draw.choice([100, 10_000, 300_000])]
    if how < 3:
        os.write(log, some)
    elif how < 5:
        os.pwrite(shared, some, draw.randrange(500_000))
    elif how < 7:
        os.ftruncate(draw.choice([log, shared]), draw.randrange(200_000))
    elif how == 7:
        os.mkdir(f"{folder}/folder-{seed}-{made}")
    elif how == 8:
        os.symlink("log", f"{folder}/link-{seed}-{made}")
    else:
        try:
            temporary = f"{folder}/{draw.randrange(8)}.new"
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY | draw.choice([0, os.O_TRUNC])))
            os.rename(temporary, name) if how < 11 else os.unlink(name)
        except FileNotFoundError:
            pass  # the other one was faster
"""
_SYNC = """
import os, sys
for entry in os.scandir(sys.argv[1]):
    if entry.is_file(follow_symlinks=False):
        os.fsync(os.open(entry.path, os.O_RDWR))
"""
_LARGE = """
import os, sys
file = os.open(sys.argv[1] + "/large", os.O_CREAT | os.O_WRONLY)
for _ in range(64):
    os.write(file, bytes(1 << 20))
    os.fsync(file)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return compiled("recording_disk.c", tmp_path_factory.mktemp("preload"))


class _Recorded:
    """A folder of which all changes are recorded."""

    def __init__(self, folder: Path, library: Path):
        folder.mkdir()
        self.disk, self.trace = folder / "disk", folder / "trace"
        self.disk.mkdir()
        self.recording = Recording(self.trace)
        self._environment = self.recording.environment(library, self.disk)

    def start(self, script: str, *arguments: object) -> subprocess.Popen:
        command = [sys.executable, "-S", "-E", "-c", script, str(self.disk), *map(str, arguments)]
        return subprocess.Popen(command, env=self._environment)

    def contents(self) -> dict[str, bytes]:
        """Of folders and links nothing but that they are there."""
        return {
            path.name: path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            for path in self.disk.iterdir()
        }


def test_what_processes_that_are_killed_at_any_moment_did_to_files_is_what_is_recorded(tmp_path, library):
    for seed in range(_ROUNDS):
        recorded = _Recorded(tmp_path / str(seed), library)
        for writer in [recorded.start(_WRITER, 2 * seed), recorded.start(_WRITER, 2 * seed + 1)]:
            assert writer.wait(60) < 0
        assert recorded.start(_SYNC).wait(60) == 0
        there = recorded.contents()
        recorded_disk.remove(recorded.disk)
        disk = Disk()
        for change in recorded.recording.changes():
            disk.apply(change)
        disk.cut(random.Random(seed), recorded.disk)
        assert recorded.contents() == there
        recorded_disk.remove(recorded.disk.parent)


def test_a_recording_is_read_a_record_at_a_time(tmp_path, library):
    recorded = _Recorded(tmp_path / "large", library)
    assert recorded.start(_LARGE).wait(60) == 0
    tracemalloc.start()
    try:
        written = sum(len(change.data) for change in recorded.recording.changes())
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written == 64 << 20
    assert most < 8 << 20


def test_a_recording_that_was_changed_since_is_not_read_beyond_the_place(tmp_path, library):
    recorded = _Recorded(tmp_path / "large", library)
    assert recorded.start(_LARGE).wait(60) == 0
    with recorded.trace.open("r+b") as file:
        file.seek(recorded.recording.length // 2)
        file.write(bytes(2 << 20))
    with pytest.raises(AssertionError, match="can't be read at byte"):
        for _change in recorded.recording.changes():
            pass
