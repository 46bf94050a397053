"""`check --repair` of a journal on a disk that fails, or killed on the way: never is less there than before."""

import errno
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from bridge_driver import Driver
from flarebridge.bridge_process import find_binary
from preloaded import KILL, NEVER, Disk, compiled

_EVENTS = 40


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return compiled("faulty_disk.c", tmp_path_factory.mktemp("preload"))


def _check(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([find_binary(), "check", *arguments], capture_output=True, text=True, timeout=60)


@dataclass
class _Damaged:
    """The files of a journal in which a byte of an event has changed."""

    files: dict[str, bytes]  # journal.db and, where it was killed, journal.db-wal

    def put(self, folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder / "journal.db"


@pytest.fixture(params=["left", "killed"])
def damaged(request, tmp_path) -> _Damaged:
    """A journal that a bridge has left by itself, all of it in one file; and one that it was killed over."""
    state = tmp_path / "state"
    driver = Driver(tmp_path, {"wandb": {"dir": "/proc/no-such-place"}}, state=state)
    for step in range(_EVENTS):
        driver.data("site-1", "METRIC", f"loss{step}", 0.5, step=step)
        assert driver.link.wait_acknowledged(30)  # each is a commit, and a row
    bridge = driver.pid()
    driver.process.ensure = lambda now: False  # it is not to come back by itself
    os.kill(bridge, signal.SIGTERM if request.param == "left" else signal.SIGKILL)
    driver.wait_gone()
    driver.link.close(0.1)
    files = {name: (state / name).read_bytes() for name in ("journal.db", "journal.db-wal") if (state / name).exists()}
    assert (len(files) == 2) == (request.param == "killed")
    last = list(files)[-1]
    # The first copy: a page is in the WAL as often as it was written, and what is wrong with the last is a torn write.
    at = files[last].index(b"loss7")
    files[last] = files[last][:at] + b"lost7" + files[last][at + 5 :]
    return _Damaged(files)


def _saved(said: str) -> int:
    """How many events a repair says it has kept."""
    return int(said.split("repaired, ")[1].split(" events")[0])


def test_a_disk_that_fails_or_fills_at_any_step_leaves_what_was_there(tmp_path, library, monkeypatch, damaged):
    disk = Disk(tmp_path, library, monkeypatch)
    journal = damaged.put(disk.folder / "state")
    whole = _check("--repair", str(journal))
    assert whole.returncode == 0, whole.stdout
    saved, calls = _saved(whole.stdout), disk.calls
    assert saved >= _EVENTS - 2
    assert calls > 15, "the library counts nothing: this test would pass on nothing"
    failed = 0
    for error in (errno.ENOSPC, errno.EIO):
        for first in range(calls):
            journal = damaged.put(disk.folder / "state")
            disk.restart()
            disk.fail(first, NEVER, error)
            done = _check("--repair", str(journal))
            disk.mend()
            where = f"{errno.errorcode[error]} from call {first} on: {done.stdout}"
            if done.returncode == 0:
                assert _saved(done.stdout) == saved, where
            else:
                failed += 1
                assert done.returncode == 65, where
            _assert_nothing_is_lost(journal, damaged, saved, where)
    assert failed > calls


def test_a_repair_that_is_killed_at_any_step_leaves_what_was_there(tmp_path, library, monkeypatch, damaged):
    monkeypatch.setenv("FAULTY_DISK_REMOVES", "1")
    disk = Disk(tmp_path, library, monkeypatch)
    journal = damaged.put(disk.folder / "state")
    saved, calls = _saved(_check("--repair", str(journal)).stdout), disk.calls
    for first in range(calls):
        journal = damaged.put(disk.folder / "state")
        disk.restart()
        disk.fail(first, NEVER, KILL)
        done = _check("--repair", str(journal))
        disk.mend()
        assert done.returncode == -signal.SIGKILL, "it was not killed"
        _assert_nothing_is_lost(journal, damaged, saved, f"killed at call {first}")


def _assert_nothing_is_lost(journal: Path, damaged: _Damaged, saved: int, where: str) -> None:
    """The journal is as it was or repaired; a repair on a whole disk saves as much, and leaves nothing half made."""
    now = {path.name: path.read_bytes() for path in journal.parent.iterdir()}
    as_it_was = all(now.get(name) == content for name, content in damaged.files.items())
    again = _check("--repair", str(journal))
    assert again.returncode == 0, f"{where}; then: {again.stdout}"
    found = again.stdout.split(" events")[0].rsplit(" ", 1)[1]
    assert int(found) == saved, f"{where}; then: {again.stdout}"
    if not as_it_was:
        kept = journal.parent / "journal.db.before-repair"
        assert kept.read_bytes() == damaged.files["journal.db"], where
    left = {path.name for path in journal.parent.iterdir()}
    assert not [name for name in left if ".new" in name or ".work" in name], where


@pytest.mark.parametrize("damaged", ["killed"], indirect=True)
def test_a_journal_whose_file_was_emptied_is_saved_from_its_wal(tmp_path, damaged):
    journal = damaged.put(tmp_path / "emptied")
    journal.write_bytes(b"")
    found = _check(str(journal))
    assert found.returncode == 65
    assert "the file is empty" in found.stdout
    serve = subprocess.run([find_binary(), "serve", "--own", "--state", str(journal.parent)], timeout=60)
    assert serve.returncode == 65, "a bridge took it for a new journal"
    done = _check("--repair", str(journal))
    assert done.returncode == 0, done.stdout
    assert _saved(done.stdout) >= _EVENTS - 2
