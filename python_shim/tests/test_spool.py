"""Laws of frozen copies of large values: whole, this user's alone, as they were when they were logged, or none."""

import os
import stat

import pytest
from flarebridge.large import INLINE, Large, contents_of, has_large, inline, with_large
from flarebridge.spool import NO_BRIDGE, NO_ROOM, NOT_READ, NotFrozen, Spool

_SESSION = "a" * 32
_BIG = os.urandom(INLINE + 1)


def _spool(tmp_path) -> Spool:
    return Spool(str(tmp_path / "state" / "spool"), _SESSION)


def _entries(tmp_path) -> dict:
    folder = tmp_path / "state" / "spool" / _SESSION
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()} if folder.exists() else {}


def test_what_is_small_stays_in_its_event_and_what_is_large_becomes_a_file(tmp_path):
    spool = _spool(tmp_path)
    small = {"data": b"x" * INLINE, "ext": ".html"}
    assert spool.freeze(small) == small and not _entries(tmp_path)
    frozen = spool.freeze({"pixels": {"data": _BIG, "width": 3}, "caption": "c"})
    ((name, size),) = frozen.blobs
    assert frozen == {"pixels": {"data": {"blob": name, "size": size}, "width": 3}, "caption": "c"}
    assert size == len(_BIG) and _entries(tmp_path) == {name: _BIG}
    for path in (tmp_path / "state", tmp_path / "state" / "spool", tmp_path / "state" / "spool" / _SESSION):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    spool.remove(frozen.blobs)
    assert not _entries(tmp_path)


def test_many_small_parts_that_no_event_holds_together_go_beside_it(tmp_path):
    items = [{"data": bytes([number]) * (128 << 10)} for number in range(10)]
    frozen = _spool(tmp_path).freeze({"items": items, "tiny": b"x"})
    assert len(frozen.blobs) == 10 and frozen["tiny"] == b"x"
    assert sorted(_entries(tmp_path).values()) == sorted(item["data"] for item in items)


def test_a_file_is_copied_as_it_is_now_with_its_holes(tmp_path):
    path = tmp_path / "file"
    with open(path, "wb") as file:
        file.write(b"begin")
        file.seek(100 << 20)
        file.write(b"middle")
        file.truncate(300 << 20)
    frozen = _spool(tmp_path).freeze({"data": Large(path=str(path))})
    ((name, size),) = frozen.blobs
    path.write_bytes(b"something else")
    copy = tmp_path / "state" / "spool" / _SESSION / name
    assert size == copy.stat().st_size == 300 << 20
    assert copy.stat().st_blocks * 512 < 1 << 20
    with open(copy, "rb") as file:
        assert file.read(6) == b"begin\0"
        file.seek(100 << 20)
        assert file.read(7) == b"middle\0"


def test_where_the_kernel_copies_nothing_bytes_are_copied(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(22, "no")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    path = tmp_path / "file"
    path.write_bytes(_BIG * 3)
    _spool(tmp_path).freeze({"data": Large(path=str(path))})
    assert list(_entries(tmp_path).values()) == [_BIG * 3]


def test_what_can_not_be_frozen_leaves_nothing_and_says_why(tmp_path, monkeypatch):
    spool = _spool(tmp_path)
    path = tmp_path / "file"
    path.write_bytes(_BIG)
    gone = Large(path=str(path))
    path.unlink()
    with pytest.raises(NotFrozen) as told:
        spool.freeze({"a": _BIG, "b": gone})
    assert told.value.reason == NOT_READ and not _entries(tmp_path)

    with pytest.raises(NotFrozen) as told:
        Spool(None, _SESSION).freeze({"a": _BIG})
    assert told.value.reason == NO_BRIDGE

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NotFrozen) as told:
        spool.freeze({"a": _BIG})
    assert told.value.reason == NO_ROOM and not _entries(tmp_path)


def test_room_is_left_on_the_disk_for_metrics(tmp_path, monkeypatch):
    monkeypatch.setattr("flarebridge.spool._RESERVE", 1 << 60)
    with pytest.raises(NotFrozen) as told:
        _spool(tmp_path).freeze({"a": _BIG})
    assert told.value.reason == NO_ROOM and not _entries(tmp_path)


def test_large_parts_are_seen_counted_and_put_back():
    value = {"a": [{"data": _BIG}], "b": b"small"}
    marked = with_large(value)
    assert has_large(marked) and not has_large(value)
    assert contents_of(marked) == contents_of(value) == [len(_BIG), 5]
    assert inline(marked) == value


def test_a_folder_that_is_removed_before_it_is_held_is_made_again(tmp_path, monkeypatch):
    import fcntl

    flock, removed = fcntl.flock, []

    def remove_first(held, how):
        if not removed:
            removed.append(held)
            os.rmdir(tmp_path / "state" / "spool" / _SESSION)
        flock(held, how)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    spool = _spool(tmp_path)
    spool.freeze({"data": _BIG})
    assert removed and list(_entries(tmp_path).values()) == [_BIG]
    folder = os.open(tmp_path / "state" / "spool" / _SESSION, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    del spool
    flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)
