"""Runs in folders that can't be written: mounted to be read, somebody else's, on a full disk."""

import errno
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from preloaded import NEVER, Disk, compiled
from strict_server import StrictServer
from uploads import BINARY, DEADLINE, environment, is_marked, make_run

_FAULTS = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT)
# Mounts a folder over itself, to be read only, for the program behind it.
_MOUNT = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
_UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]


def _can_mount() -> bool:
    probe = [*_UNSHARE, "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp"]
    return shutil.which("unshare") is not None and subprocess.run(probe, capture_output=True).returncode == 0


@dataclass
class Place:
    """A folder that the programs it starts can't write."""

    folder: Path
    home: Path
    before: list = field(default_factory=list)  # what stands before a program
    more: dict = field(default_factory=dict)  # of its environment

    def command(self, *arguments: str) -> list:
        return [*self.before, BINARY, *arguments]

    def environment(self, server=None, **more: str) -> dict:
        return environment(self.home, server, **{**self.more, **more})

    def call(self, *arguments: str, server=None, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), env=self.environment(server, **more), capture_output=True, text=True,
            timeout=DEADLINE,
        )  # fmt: skip

    @property
    def notes(self) -> Path:
        return self.home / ".local" / "state" / "flarebridge" / "uploads"


@pytest.fixture
def mounted(tmp_path) -> Place:
    if not _can_mount():
        pytest.skip("no mounts can be made here; the same is tried by calls that fail")
    folder = tmp_path / "runs"
    folder.mkdir()
    return Place(folder, tmp_path / "home", [*_UNSHARE, "sh", "-c", _MOUNT, "sh", str(folder)])


@pytest.fixture(params=["mounted", *(errno.errorcode[error] for error in _FAULTS)])
def place(request, tmp_path, monkeypatch) -> Place:
    if request.param == "mounted":
        return request.getfixturevalue("mounted")
    library = compiled("faulty_disk.c", tmp_path)
    with monkeypatch.context() as patch:
        disk = Disk(tmp_path, library, patch)
        names = ("FAULTY_DISK_FOLDER", "FAULTY_DISK_CONTROL", "LD_PRELOAD")
        more = {name: os.environ[name] for name in names}
    disk.fail(0, NEVER, getattr(errno, request.param))
    return Place(
        disk.folder, tmp_path / "home", [], {**more, "FAULTY_DISK_REMOVES": "1", "FAULTY_DISK_SPARES_SYNCS": "1"}
    )  # fmt: skip


class _Counting(StrictServer):
    """Counts the rows that come, each as often as it does."""

    rows_sent = 0

    def answer(self, request):
        if request.path.endswith("/file_stream"):
            streams = json.loads(request.body).get("files", {})
            self.rows_sent += len(streams.get("wandb-history.jsonl", {}).get("content", []))
        return super().answer(request)


def _names(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_run_in_a_folder_that_can_not_be_written_is_uploaded_once_and_noted_at_home(place):
    runs = [make_run(place.folder, number, rows=50) for number in range(3)]
    there = _names(place.folder)
    with StrictServer() as server:
        planned = place.call("sync", "--dry-run", str(place.folder), server=server)
        assert planned.stdout.splitlines()[-1] == "would upload 3 runs, 150 rows"
        done = place.call("sync", str(place.folder), server=server)
        assert done.returncode == 0, done.stderr
        (told,) = done.stderr.splitlines()
        assert f"a run's folder can't be written, so what is uploaded is noted in {place.notes}: " in told
        for run in runs:
            run.assert_on(server)
        calls = len(server.calls)
        again = place.call("sync", str(place.folder), server=server)
        assert (again.returncode, again.stdout) == (0, "every run there is uploaded already (3)\n")
        planned = place.call("sync", "--dry-run", str(place.folder), server=server)
        assert planned.stdout.splitlines()[-1] == "would upload 0 runs, 0 rows, 3 left out"
        assert len(server.calls) == calls
        assert not server.violations
    assert _names(place.folder) == there
    assert len(list(place.notes.iterdir())) == 3


def test_a_run_that_goes_on_in_such_a_folder_is_gone_on_with(place):
    run = make_run(place.folder, 1, rows=20, files=0, exit_code=None)
    with _Counting() as server:
        assert place.call("sync", str(place.folder), server=server).returncode == 0
        assert server.rows_sent == 20
        shutil.rmtree(run.log.parent)
        longer = make_run(place.folder, 1, rows=50, files=0)
        done = place.call("sync", str(place.folder), server=server)
        assert done.returncode == 0, done.stderr
        longer.assert_on(server)
        assert server.rows_sent == 50
        assert not server.violations


def test_a_copy_of_such_a_folder_and_one_that_was_moved_are_known(mounted):
    make_run(mounted.folder, 1, rows=20)
    with StrictServer() as server:
        assert mounted.call("sync", str(mounted.folder), server=server).returncode == 0
        copy = mounted.folder.with_name("copy")
        shutil.copytree(mounted.folder, copy)
        done = mounted.call("sync", str(copy), server=server)
        assert done.stdout == "every run there is uploaded already (1)\n"


def test_where_nothing_can_be_noted_it_is_uploaded_and_told_and_the_next_one_asks_first(place):
    run = make_run(place.folder, 1, rows=50)
    with StrictServer() as server:
        for _ in range(2):
            done = place.call("sync", str(place.folder), server=server, XDG_STATE_HOME="/proc/nowhere")
            assert done.returncode == 0, done.stderr
            (told,) = done.stderr.splitlines()
            assert "what is uploaded can't be noted, so the next upload asks the server" in told
            run.assert_on(server)
        assert not server.violations


def test_another_folder_for_notes_can_be_named(mounted, tmp_path):
    run = make_run(mounted.folder, 1, rows=5)
    notes = tmp_path / "notes"
    with StrictServer() as server:
        for words in ("counted by the server", "every run there is uploaded already (1)"):
            done = mounted.call("sync", "--notes", str(notes), str(mounted.folder), server=server)
            assert done.returncode == 0 and words in done.stdout, done.stderr
    assert len(list(notes.iterdir())) == 1 and not mounted.notes.exists()
    cleaned = mounted.call("clean", "--yes", "--notes", str(notes), str(mounted.folder))
    assert cleaned.returncode == 0
    assert f"stays: {run.log.parent}: it can't be removed: " in cleaned.stdout
    assert cleaned.stdout.endswith("Read-only file system\nno run folder there is wholly uploaded\n")
    assert run.log.exists()


def test_what_can_be_removed_later_is_and_its_note_with_it(mounted):
    run = make_run(mounted.folder, 1, rows=5)
    with StrictServer() as server:
        assert mounted.call("sync", str(mounted.folder), server=server).returncode == 0
    mounted.before = []
    cleaned = mounted.call("clean", "--yes", str(mounted.folder))
    assert f"removed: {run.log.parent}\n" in cleaned.stdout, cleaned.stdout + cleaned.stderr
    assert not run.log.parent.exists()
    assert list(mounted.notes.iterdir()) == []


def test_watch_takes_runs_of_such_a_folder_once_and_new_ones(mounted):
    first = make_run(mounted.folder, 1, rows=5)
    with StrictServer() as server:
        process = subprocess.Popen(
            mounted.command("sync", "--watch", str(mounted.folder)), env=mounted.environment(server),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            server.wait_for(lambda held: held.runs and held.run(first.run_id).exit_code == 0)
            later = make_run(mounted.folder, 2, rows=5)
            server.wait_for(lambda held: len(held.runs) == 2 and held.run(later.run_id).exit_code == 0)
            third = make_run(mounted.folder, 3, rows=5)  # and once more a look at all
            server.wait_for(lambda held: len(held.runs) == 3 and held.run(third.run_id).exit_code == 0)
        finally:
            process.terminate()
            out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        assert sum(": taken" in line for line in out.splitlines()) == 3
        assert err.count("is noted in") == 1
        assert not server.violations


def test_a_disk_that_fills_on_the_way_is_no_reason_to_stop_and_the_later_note_counts(tmp_path, monkeypatch):
    library = compiled("faulty_disk.c", tmp_path)
    home = tmp_path / "home"
    with monkeypatch.context() as patch:
        disk = Disk(tmp_path, library, patch)
        patch.setenv("FAULTY_DISK_SPARES_SYNCS", "1")
        more = {name: value for name, value in os.environ.items() if name.startswith(("FAULTY_", "LD_PRELOAD"))}
    place = Place(disk.folder, home, [], more)
    run = make_run(disk.folder, 1, rows=50)
    disk.fail(6, NEVER, errno.ENOSPC)
    with StrictServer() as server:
        done = place.call("sync", str(disk.folder), server=server)
        assert done.returncode == 0, done.stderr
        assert "is noted in" in done.stderr
        disk.mend()
        again = place.call("sync", str(disk.folder), server=server)
        assert again.stdout == "every run there is uploaded already (1)\n"
        assert not is_marked(run.log)
        run.assert_on(server)
        assert not server.violations
