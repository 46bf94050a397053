"""The file of a training process's last records: whatever happens to the process, what is read of it is true."""

import os
import random
import subprocess
import sys

import pytest
from flarebridge import last_records
from flarebridge.last_records import LastRecords, Left, is_over, look, records_of

_SESSION = "a" * 32


@pytest.fixture
def made(tmp_path):
    records = LastRecords(str(tmp_path), _SESSION)
    yield records, f"{tmp_path}/{_SESSION}"
    records.close(remove=True)
    assert not os.listdir(tmp_path)


def _event(number: int, size: int) -> bytes:
    return (f"{number} " * size)[:size].encode()


def test_it_holds_the_last_records_whatever_their_sizes(made):
    records, path = made
    chance = random.Random(7)
    sizes: dict[int, int] = {}
    for number in range(1, 4001):
        sizes[number] = chance.choice([1, 100, 5000, chance.randint(0, 20000)]) + 1
        records.note(number, _event(number, sizes[number]))
        if number % 500 == 0:
            found = records_of(path, 0)
            assert [n for n, _ in found] == list(range(found[0][0], number + 1))
            assert found[0][0] == records.oldest
            assert all(event == _event(n, sizes[n]) for n, event in found)
            total = sum(sizes.values())
            assert sum(len(event) for _, event in found) >= min(total, (2 << 20) - 30000)
    assert [n for n, _ in records_of(path, 3990)] == list(range(3991, 4001))
    assert look(path) == Left(os.getpid(), 4000, 0)


def test_records_of_nested_log_calls_come_in_any_order(made):
    records, path = made
    for number in (2, 1, 4, 3):
        records.note(number, b"event")
    assert [n for n, _ in records_of(path, 1)] == [2, 3, 4]
    assert look(path).last == 4


def test_a_handler_that_logs_while_a_record_is_written_is_written_behind_it(made, monkeypatch):
    records, path = made
    checksum = last_records._checksum

    def interrupted(event, number):
        if number == 1:
            records.note(2, b"from a handler")
            assert look(path).last == 2  # should the handler end the process
        return checksum(event, number)

    monkeypatch.setattr(last_records, "_checksum", interrupted)
    records.note(1, b"first")
    monkeypatch.undo()
    assert records_of(path, 0) == [(1, b"first"), (2, b"from a handler")]


@pytest.mark.parametrize("byte", [0, 5, 10, 15, 17, 20, 24])
def test_a_record_that_is_not_whole_is_not_there_nor_what_is_behind_it(made, byte):
    records, path = made
    for number in (1, 2, 3):
        records.note(number, b"event")
    at = 64 + 25 + byte  # of the second one
    records._map[at] ^= 0xFF
    assert [n for n, _ in records_of(path, 0)] == [1]
    assert look(path).last == 3


def test_what_is_no_such_file_says_nothing(tmp_path):
    for name, content in (("short", b"fbrecs1\0"), ("other", bytes(1000)), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        assert look(str(tmp_path / name)) is None
        assert records_of(str(tmp_path / name), 0) == []
    (tmp_path / "link").symlink_to(tmp_path / "other")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "absent", "."):
        assert look(str(tmp_path / name)) is None
        assert is_over(str(tmp_path / name)) is None


def test_the_end_of_a_process_shows_also_while_its_children_live(tmp_path):
    script = (
        "import os, sys, time\n"
        "from flarebridge.last_records import LastRecords\n"
        f"records = LastRecords(sys.argv[1], {_SESSION!r})\n"
        "records.note(1, b'event')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.stdin.readline()\n"
        "    os._exit(0)\n"
        "print(child, flush=True)\n"
        "os.kill(os.getpid(), 9) if sys.argv[2] == 'killed' else sys.stdin.readline()\n"
    )
    path = f"{tmp_path}/{_SESSION}"
    for how in ("alive", "killed"):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert process.stdout.readline()
            if how == "killed":
                process.wait(20)
            assert is_over(path) is (how == "killed")
            assert records_of(path, 0) == [(1, b"event")]
        finally:
            process.stdin.close()  # both end
            process.wait(20)
            process.stdout.close()
        os.unlink(path)


def test_where_there_is_no_room_there_is_no_file(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError):
        LastRecords(str(tmp_path), _SESSION)
    assert not os.listdir(tmp_path)
