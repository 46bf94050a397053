"""Two receivers of a run: one that fails is told and left behind, the other goes on, and what may pass is caught up."""

import json
import os
import signal
import subprocess
from pathlib import Path

import msgpack
import pytest
from bridge_driver import Driver, children_of, wait_for
from delivered import jsonl_numbers, wandb_numbers
from flarebridge.bridge_process import find_binary

_SITE = "site-1"


def _jsonl_numbers(folder: Path) -> list[int]:
    return jsonl_numbers(folder)[_SITE]


class _Job:
    """A session with both receivers that logs n = 0, 1, 2, ... for one site."""

    def __init__(self, folder: Path, receivers: dict):
        self.driver = Driver(folder, receivers, state=folder / "state")
        self.logged = 0

    def log(self, count: int = 100) -> None:
        for _ in range(count):
            assert self.driver.data(_SITE, "METRIC", "n", self.logged, self.logged)
            self.logged += 1
        assert self.driver.link.wait_acknowledged(30)

    def all(self) -> list[int]:
        return list(range(self.logged))

    def visible(self, receiver: str) -> list[int]:
        """What can be read while the run goes on: W&B's row of the last step is open until a higher one comes."""
        return self.all()[:-1] if receiver == "wandb" else self.all()


def _kill_worker(driver: Driver) -> None:
    for worker in wait_for(lambda: children_of(driver.pid()), "a worker"):
        os.kill(worker, signal.SIGKILL)


def test_both_receivers_get_each_event_once(tmp_path):
    job = _Job(tmp_path, {"wandb": {}, "jsonl": {}})
    job.log()
    _kill_worker(job.driver)
    job.log()
    job.driver.end()
    assert wandb_numbers(tmp_path) == _jsonl_numbers(tmp_path) == job.all()
    (file,) = (tmp_path / "jsonl").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0]["type"] == "RUN"
    assert lines[-1]["type"] == "END"


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("blocked_one, free_one", [("jsonl", "wandb"), ("wandb", "jsonl")])
def test_while_one_cannot_write_the_other_goes_on_and_it_catches_up(tmp_path, blocked_one, free_one, kill):
    numbers = {"wandb": wandb_numbers, "jsonl": _jsonl_numbers}
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    job = _Job(tmp_path, {free_one: {}, blocked_one: {"dir": str(blocked)}})
    job.log()
    wait_for(lambda: numbers[free_one](tmp_path) == job.visible(free_one), f"what {free_one} writes")
    if kill:
        _kill_worker(job.driver)
        job.log()
        wait_for(lambda: numbers[free_one](tmp_path) == job.visible(free_one), "what it writes after a death")

    def told() -> list[str]:
        return [text for level, text in job.driver.reports if level == "error" and f"{blocked_one}: " in text]

    wait_for(told, "word of the failure")
    blocked.unlink()
    job.log()
    wait_for(lambda: blocked.is_dir() and numbers[blocked_one](blocked) == job.visible(blocked_one), "what it lacked")
    job.log()
    job.driver.end()
    assert numbers[free_one](tmp_path) == numbers[blocked_one](blocked) == job.all()
    assert len(told()) == 1
    assert not (tmp_path / "state" / "journal.db").exists()
    assert not (tmp_path / "state" / "quarantine").exists()


def test_a_receiver_that_there_is_not_holds_up_nobody_and_its_events_are_kept(tmp_path):
    job = _Job(tmp_path, {"wandb": {}, "no/such": {}})
    job.log()
    job.driver.end()
    assert wandb_numbers(tmp_path) == job.all()
    assert not (tmp_path / "state" / "journal.db").exists()
    (file,) = (tmp_path / "state" / "quarantine").iterdir()
    assert file.name.endswith(".no_such.events")
    with file.open("rb") as kept:
        events = list(msgpack.Unpacker(kept, raw=False))
    assert len(events) == 101  # and the run's end
    assert [event[6] for event in events[:100]] == job.all()
    log = (tmp_path / "state" / "bridge.log").read_text()
    assert 'there is no receiver "no/such"' in log
    assert "no/such is given up" in log


def test_a_run_that_ended_while_one_could_not_write_is_finished_by_a_later_start(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    job = _Job(tmp_path, {"wandb": {}, "jsonl": {"dir": str(blocked)}})
    job.log()
    job.driver.end()
    assert wandb_numbers(tmp_path) == job.all()
    assert "jsonl: " in (tmp_path / "state" / "bridge.log").read_text().split("not delivered")[1]
    blocked.unlink()
    serve = [find_binary(), "serve", "--own", "--state", str(tmp_path / "state")]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert wandb_numbers(tmp_path) == _jsonl_numbers(blocked) == job.all()
    assert not (tmp_path / "state" / "journal.db").exists()
