"""Power cuts at any moment: what was acknowledged is there, once and in its order, whatever the disk kept of the rest.

FLAREBRIDGE_POWER_ROUNDS: how many cuts; each is a seed that repeats it.
"""

import itertools
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import recorded_disk
from bridge_driver import Driver, children_of
from delivered import assert_delivered, assert_jsonl_delivered
from flarebridge.bridge_process import find_binary
from preloaded import compiled

_ROUNDS = int(os.environ.get("FLAREBRIDGE_POWER_ROUNDS", "40"))
_SITES = 3
_EVENTS = 1500
_BEHIND = 400  # changes behind a kill: what the next bridge does before it has stored anything of its own
_BEFORE = 1  # events before the first record: the session's opening


class _Recording:
    """A job that was recorded: its changes of the disk, with what was acknowledged between them.

    `lines_fail`: one of its two receivers can't write. `lines` is where that one writes. `kills`: its bridge and its
    workers are killed now and then.
    """

    def __init__(self, folder: Path, library: Path, lines_fail: bool = False, kills: bool = False, sites: int = _SITES):
        self.sites = sites
        self.disk = folder / "disk"
        self.lines = folder / "blocked" if lines_fail else self.disk
        if lines_fail:
            self.lines.write_text("a file where a folder should be")
        self.disk.mkdir()
        self._recording = recorded_disk.Recording(folder / "trace")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._recording.environment(library, self.disk).items():
                patch.setenv(name, value)
            self._run(kills)
        recorded_disk.remove(self.disk)

    def _run(self, kills: bool) -> None:
        draw = random.Random(1)
        receivers = {"wandb": {"project": "tests"}, "jsonl": {"dir": str(self.lines)}}
        driver = Driver(self.disk, receivers, state=self.disk / "state")
        done = threading.Event()
        teller = threading.Thread(target=self._tell, args=(driver, done))
        teller.start()
        for number in range(_EVENTS):
            # Large enough that the journal's WAL is written back some times.
            value = {"n": number // self.sites, "text": "t" * draw.choice([10, 10, 60_000])}
            assert driver.data(f"site-{number % self.sites}", "METRICS", "m", value, number // self.sites)
            if number % 10 == 0:
                time.sleep(0.005)  # some commits
            if kills and number % 300 == 150:
                self._kill_one(driver, draw)
        driver.end()
        done.set()
        teller.join()

    def _kill_one(self, driver: Driver, draw: random.Random) -> None:
        bridge = driver.pid()
        with suppress(ProcessLookupError):
            os.kill(draw.choice([bridge, draw.choice([bridge, *children_of(bridge)])]), signal.SIGKILL)
        self._recording.killed()

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
        written, which is when its WAL is written back, or, where there are kills, behind one of them."""
        changes, back, killed = 0, [], []
        for change in self.changes():
            if change.path.endswith("journal.db") and change.kind in (b"W", b"S"):
                back.append(changes)
            if change.kind == recorded_disk.KILLED:
                killed.append(changes)
            changes += 1
        assert len(back) > 100, "the WAL was never written back"
        chosen = [min(changes, at + draw.randrange(_BEHIND)) for at in killed * count] or back
        return sorted(draw.choice(chosen) if i % 2 else draw.randrange(changes) for i in range(count))


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
        assert_delivered(recording.disk, recording.sites, acknowledged)
        assert_jsonl_delivered(recording.lines, recording.sites, acknowledged)
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


def test_what_was_acknowledged_survives_a_power_cut_behind_kills(tmp_path, library):
    _cut(_Recording(tmp_path, library, kills=True, sites=1), random.Random(4), _ROUNDS // 4)


def test_a_bridge_brings_to_the_disk_what_a_killed_one_wrote_before_it_writes(tmp_path, library, monkeypatch):
    recording, left = recorded_disk.Recording(tmp_path / "trace"), tmp_path / "left"
    left.mkdir()
    with Driver(tmp_path, {"jsonl": {}}) as driver:
        driver.data("site", "METRICS", "m", {"n": 0}, 0)
        assert driver.link.wait_acknowledged(60)
        for name in ("journal.db", "journal.db-wal"):  # as they are when it is killed now
            shutil.copy(driver.state / name, left)
        driver.end()
    for name, value in recording.environment(library, left).items():
        monkeypatch.setenv(name, value)
    _finish(left)
    kinds = [c.kind for c in recording.changes() if c.path.endswith("journal.db-wal") and c.kind != b"C"]
    assert kinds[0] == b"S"
    assert b"W" in kinds
