"""A socket finds a place whatever the temporary folder is like."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from flarebridge import socket_place
from flarebridge.bridge_process import BridgeProcess, BridgeUnavailable
from flarebridge.socket_place import NoPlace, SocketPlace
from flarebridge.trainer_link import TrainerLink

_LONGEST = 107  # bytes of a socket's path


@pytest.fixture
def folder(monkeypatch):
    """A short folder, and nothing else that is tried by default."""
    made = tempfile.mkdtemp(prefix="fbt-", dir="/tmp")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    yield Path(made)
    shutil.rmtree(made, ignore_errors=True)


def _set(monkeypatch, path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(path))


@pytest.fixture
def unusable(monkeypatch):
    """Makes folders fail with an error, as full, read-only and odd file systems do."""
    places: dict = {}
    mkdir, bind = os.mkdir, socket.socket.bind

    def at(path) -> int:
        return next((number for base, number in places.items() if str(path).startswith(f"{base}/")), 0)

    def refuse_folder(path, *arguments, **more):
        if at(path) in (errno.ENOSPC, errno.EROFS):
            raise OSError(at(path), os.strerror(at(path)), path)
        return mkdir(path, *arguments, **more)

    class Socket(socket.socket):
        def bind(self, path):
            if at(path) == errno.EOPNOTSUPP:
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            bind(self, path)

    monkeypatch.setattr(os, "mkdir", refuse_folder)
    monkeypatch.setattr(socket_place.socket, "socket", Socket)
    return places


def test_the_temporary_folder_is_taken_where_it_fits(folder, monkeypatch):
    _set(monkeypatch, folder)
    place = SocketPlace("link")
    assert Path(place.path).parent.parent == folder
    assert os.stat(Path(place.path).parent).st_mode & 0o777 == 0o700
    place.remove()
    assert list(folder.iterdir()) == []


def test_a_path_is_never_longer_than_a_sockets_may_be(folder, monkeypatch):
    for length in range(len(str(folder)) + 2, 120):
        base = folder / ("x" * (length - len(str(folder)) - 1))
        base.mkdir()
        _set(monkeypatch, base)
        monkeypatch.setattr(tempfile, "tempdir", None)
        place = SocketPlace("link")
        assert len(place.path) <= _LONGEST
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(place.path)
        place.remove()
        assert list(base.iterdir()) == []


@pytest.mark.parametrize("why", [errno.ENOSPC, errno.EROFS, errno.EOPNOTSUPP])
def test_a_folder_that_takes_no_socket_is_passed_over(folder, monkeypatch, unusable, why):
    _set(monkeypatch, folder)
    unusable[str(folder)] = why
    place = SocketPlace("link")
    assert not place.path.startswith(str(folder))
    assert list(folder.iterdir()) == []
    place.remove()


def test_a_temporary_folder_that_is_gone_is_passed_over(folder, monkeypatch):
    _set(monkeypatch, folder)
    assert tempfile.gettempdir() == str(folder)
    folder.rmdir()
    place = SocketPlace("link")
    assert os.path.isdir(os.path.dirname(place.path))
    place.remove()


def test_the_last_resort_is_the_last_one(folder, monkeypatch, unusable):
    for base in ("/tmp", "/var/tmp"):
        unusable[base] = errno.ENOSPC
    del unusable["/tmp"]
    unusable[str(folder / "full")] = errno.ENOSPC
    (folder / "full").mkdir()
    _set(monkeypatch, folder / "full")
    monkeypatch.setattr(socket_place, "_candidates", lambda last: [str(folder / "full"), last])
    place = SocketPlace("link", str(folder))
    assert place.path.startswith(str(folder))
    place.remove()


def test_where_nothing_takes_a_socket_one_line_says_what_was_tried(folder, monkeypatch):
    long = folder / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(socket_place, "_candidates", lambda last: ["/nowhere", str(long), last])
    with pytest.raises(NoPlace) as caught:
        SocketPlace("link", "/proc")
    assert "/nowhere: No such file or directory" in str(caught.value)
    assert "path too long" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(BridgeUnavailable, match="no folder takes a socket"):
        BridgeProcess("/proc").endpoint  # noqa: B018


def test_trainers_find_a_place_too(folder, monkeypatch):
    long = folder / ("x" * 90)
    long.mkdir()
    _set(monkeypatch, long)
    trainers = TrainerLink(lambda level, text: None)
    assert len(trainers.endpoint) <= _LONGEST + len("ipc://")
    trainers.close(0.1)


def test_folders_of_processes_that_were_killed_are_removed_and_no_others(folder, monkeypatch):
    script = (
        "from flarebridge.socket_place import SocketPlace; import os\n"
        "SocketPlace('link'); os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, timeout=60).returncode == -9
    assert len(list(folder.iterdir())) == 1
    others = [folder / name for name in ("fb-", "fb-x", "fb-zz-1-abc", "other")]
    for other in others:
        other.mkdir()
    _set(monkeypatch, folder)
    place = SocketPlace("link")
    assert sorted(folder.iterdir()) == sorted([*others, Path(place.path).parent])


def test_a_place_that_was_cleaned_away_can_be_made_again_and_another_users_is_not_taken(folder, monkeypatch):
    _set(monkeypatch, folder)
    place = SocketPlace("link")
    assert not place.exists()
    assert place.make_again()
    shutil.rmtree(Path(place.path).parent)
    assert place.make_again()
    assert os.stat(Path(place.path).parent).st_mode & 0o777 == 0o700
    Path(place.path).parent.chmod(0o777)
    assert not place.make_again()
    shutil.rmtree(Path(place.path).parent)
    Path(place.path).parent.symlink_to("/tmp")
    assert not place.make_again()
