"""Power cuts at any moment: what was acknowledged is there, once and in its order, whatever the disk kept of the rest.

FLAREBRIDGE_POWER_ROUNDS: how many cuts; each is a seed that repeats it.
"""

import itertools
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import recorded_disk
from bridge_driver import Driver
from delivered import assert_delivered, assert_jsonl_delivered
from flarebridge.bridge_process import find_binary
from preloaded import compiled

_ROUNDS = int(os.environ.get("FLAREBRIDGE_POWER_ROUNDS", "40"))
_SITES = 3
_EVENTS = 1500
_BEFORE = 1  # events before the first record: the session's opening


class _Recording:
    """A job that was recorded: its changes of the disk, with what was acknowledged between them.

    `lines_fail`: one of its two receivers can't write. `lines` is where that one writes.
    """

    def __init__(self, folder: Path, library: Path, lines_fail: bool = False):
        self.disk = folder / "disk"
        self.lines = folder / "blocked" if lines_fail else self.disk
        if lines_fail:
            self.lines.write_text("a file where a folder should be")
        self.disk.mkdir()
        self._recording = recorded_disk.Recording(folder / "trace")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._recording.environment(library, self.disk).items():
                patch.setenv(name, value)
            self._run()
        recorded_disk.remove(self.disk)

    def _run(self) -> None:
        draw = random.Random(1)
        receivers = {"wandb": {"project": "tests"}, "jsonl": {"dir": str(self.lines)}}
        driver = Driver(self.disk, receivers, state=self.disk / "state")
        done = threading.Event()
        teller = threading.Thread(target=self._tell, args=(driver, done))
        teller.start()
        for number in range(_EVENTS):
            # Large enough that the journal's WAL is written back some times.
            value = {"n": number // _SITES, "text": "t" * draw.choice([10, 10, 60_000])}
            assert driver.data(f"site-{number % _SITES}", "METRICS", "m", value, number // _SITES)
            if number % 10 == 0:
                time.sleep(0.005)  # some commits
        driver.end()
        done.set()
        teller.join()

    def _tell(self, driver: Driver, done: threading.Event) -> None:
        told = 0
        while not done.is_set():
            if driver.link.acknowledged > told:
                told = driver.link.acknowledged
                self._recording.acknowledged(told)
            time.sleep(0.001)

    def changes(self) -> Iterator[recorded_disk.Change]:
        return self._recording.changes()

    def moments(self, draw: random.Random, count: int) -> list[int]:
        """How many changes are made when the power goes; half of the moments are where the journal's file itself is
        written, which is when its WAL is written back."""
        changes, back = 0, []
        for change in self.changes():
            if change.path.endswith("journal.db") and change.kind in (b"W", b"S"):
                back.append(changes)
            changes += 1
        assert len(back) > 100, "the WAL was never written back"
        return sorted(draw.choice(back) if i % 2 else draw.randrange(changes) for i in range(count))


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """The preloaded library, compiled."""
    return compiled("recording_disk.c", tmp_path_factory.mktemp("preload"))


def _finish(state: Path) -> None:
    if (state / "journal.db").exists():
        serve = [find_binary(), "serve", "--own", "--state", str(state)]
        ended = subprocess.run(serve, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr


def _cut(recording: _Recording, seeds: random.Random, rounds: int) -> None:
    """At so many moments of the recording: what was acknowledged by then is delivered by a bridge that starts anew."""
    disk, changes, done, held = recorded_disk.Disk(), recording.changes(), 0, 0
    for seed, moment in enumerate(recording.moments(seeds, rounds)):
        for change in itertools.islice(changes, moment - done):
            disk.apply(change)
        done = moment
        disk.cut(random.Random(seed), recording.disk)
        _finish(recording.disk / "state")
        acknowledged = min(max(0, disk.acknowledged - _BEFORE), _EVENTS)
        assert_delivered(recording.disk, _SITES, acknowledged)
        assert_jsonl_delivered(recording.lines, _SITES, acknowledged)
        held = max(held, acknowledged)
        recorded_disk.remove(recording.disk)
        if recording.lines.exists():
            recorded_disk.remove(recording.lines)
    assert held > _EVENTS // 2, "nothing was acknowledged at any of the moments"


def test_what_was_acknowledged_survives_a_power_cut_at_any_moment(tmp_path, library):
    _cut(_Recording(tmp_path, library), random.Random(2), _ROUNDS)


def test_a_receiver_that_could_not_write_before_the_power_cut_gets_everything_after_it(tmp_path, library):
    recording = _Recording(tmp_path, library, lines_fail=True)
    recording.lines.unlink()
    _cut(recording, random.Random(3), _ROUNDS // 4)
