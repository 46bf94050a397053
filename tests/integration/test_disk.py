"""Each call that changes a file fails in turn, for a while: nothing acknowledged is lost, and all goes on by itself."""

import errno
import os
import random
import time
from pathlib import Path

import pytest
from bridge_driver import Driver, wait_for
from delivered import jsonl_numbers, wandb_numbers
from preloaded import NEVER, SHORT, Disk, compiled
from wandb_tools import logs_below, rows

_EVENTS = 60
_TRIES = int(os.environ.get("FLAREBRIDGE_DISK_ROUNDS", "40"))


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """The preloaded library, compiled."""
    return compiled("faulty_disk.c", tmp_path_factory.mktemp("preload"))


def _log_some(disk: Disk) -> Driver:
    """A session that logs for one site, and tells nothing yet of its end."""
    driver = Driver(disk.folder, {"wandb": {"project": "tests"}}, state=disk.folder / "state")
    for number in range(_EVENTS):
        assert driver.data("site-1", "METRIC", "n", number, number), "training was held up"
        if number % 10 == 9:
            time.sleep(0.01)  # some commits
    driver.data("site-1", "TEXT", "note", "text", path="note.txt")
    return driver


def _end(disk: Disk, driver: Driver) -> None:
    driver.end()
    (log,) = [path for path in logs_below(disk.folder).values()]
    found = [row["n"] for row in rows(log) if "n" in row]
    assert found == list(range(_EVENTS))
    assert (log.parent / "files" / "note.txt").read_text() == "text"


def test_without_faults_the_calls_are_counted_and_all_is_written(tmp_path, library, monkeypatch):
    disk = Disk(tmp_path, library, monkeypatch)
    _end(disk, _log_some(disk))
    assert disk.calls > 30, "the library counts nothing: the other tests would pass on nothing"


@pytest.mark.parametrize(
    "error",
    [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EMFILE, SHORT],
    ids=["ENOSPC", "EIO", "EDQUOT", "EROFS", "EMFILE", "short"],
)
def test_every_call_may_fail_for_a_while(tmp_path, library, monkeypatch, error):
    draw = random.Random(error)
    for number in range(_TRIES // 4):
        folder = tmp_path / str(number)
        folder.mkdir()
        disk = Disk(folder, library, monkeypatch)
        disk.fail(draw.randrange(60), draw.choice([1, 2, 4]), error)
        driver = _log_some(disk)
        wait_for(lambda disk=disk, driver=driver: disk.calls > 40 or not driver.link.unacknowledged, "calls")
        _end(disk, driver)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_while_nothing_can_be_written_nothing_is_acknowledged_and_it_recovers(tmp_path, library, monkeypatch, error):
    disk = Disk(tmp_path, library, monkeypatch)
    with Driver(disk.folder, {"wandb": {"project": "tests"}}, state=disk.folder / "state") as driver:
        driver.start_run("site-1")
        wait_for(lambda: not driver.link.unacknowledged, "the start")
        disk.fail(0, NEVER, error)
        before = driver.link.acknowledged
        for number in range(_EVENTS):
            assert driver.data("site-1", "METRIC", "n", number, number)
        time.sleep(2.5)  # longer than the bridge waits before it tries again
        assert driver.link.acknowledged == before
        assert driver.link.stats()["bridge_starts"] == 1
        disk.mend()
        driver.data("site-1", "TEXT", "note", "text", path="note.txt")
        _end(disk, driver)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_receiver_whose_own_disk_is_full_is_left_behind_and_catches_up(tmp_path, library, monkeypatch, error):
    disk = Disk(tmp_path, library, monkeypatch)
    runs = tmp_path / "runs"
    runs.mkdir()
    receivers = {"wandb": {"project": "tests"}, "jsonl": {"dir": str(disk.folder)}}
    with Driver(runs, receivers, state=runs / "state") as driver:
        logged = iter(range(1000))

        def log_some() -> list[int]:
            """What is logged by then."""
            for _ in range(_EVENTS):
                number = next(logged)
                assert driver.data("site-1", "METRIC", "n", number, number)
            assert driver.link.wait_acknowledged(30)
            return list(range(number + 1))

        before = log_some()
        wait_for(lambda: jsonl_numbers(disk.folder)["site-1"] == before, "lines")
        disk.fail(0, NEVER, error)
        meanwhile = log_some()
        wait_for(lambda: wandb_numbers(runs) == meanwhile, "rows beside the full disk")
        assert jsonl_numbers(disk.folder)["site-1"] == before
        disk.mend()
        wait_for(lambda: jsonl_numbers(disk.folder)["site-1"] == meanwhile, "the lines that were lacking")
        everything = log_some()
        driver.end()
    assert jsonl_numbers(disk.folder)["site-1"] == wandb_numbers(runs) == everything
