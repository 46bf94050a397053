"""Random kills and stops of every process, at every load: what was acknowledged is there, once, in its order.

The list of what was acknowledged is kept outside all processes under test; the tests read the logs with a reader of
their own. FLAREBRIDGE_CRASH_ROUNDS=1000 is the long mode.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from bridge_driver import Driver, children_of, processes_with, wait_for
from delivered import assert_delivered, assert_jsonl_delivered
from flarebridge.bridge_process import find_binary
from wandb_tools import logs_below, rows

_ROUNDS = int(os.environ.get("FLAREBRIDGE_CRASH_ROUNDS", "50"))
_PARTS = 5  # the rounds, cut so that a failure names its part
_SITES = 20
_PRODUCER = Path(__file__).with_name("crash_producer.py")


class _Producer:
    """A training process; `acknowledged` is what it told until now."""

    def __init__(self, folder: Path, state: Path, rate: int, seconds: float, lines: Path):
        command = [sys.executable, str(_PRODUCER), *map(str, (folder, state, _SITES, rate, seconds, lines))]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.acknowledged = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.acknowledged = int(line)

    def wait(self) -> int:
        code = self.process.wait(120)
        self._reader.join()
        self.process.stdout.close()
        return code


def _kill_something(draw: random.Random, producer: _Producer, state: Path) -> str:
    """Gives what it was."""
    bridges = [pid for pid, command in processes_with(str(state)).items() if " serve " in command]
    workers = [worker for bridge in bridges for worker in children_of(bridge)]
    what = draw.choice(["bridge", "worker", "workers", "stop", "all", "shim"])
    victims = {
        "bridge": bridges, "stop": bridges, "worker": workers[:1], "workers": workers,
        "all": [producer.process.pid, *bridges, *workers], "shim": [producer.process.pid],
    }[what]  # fmt: skip
    for pid in victims:
        try:
            os.kill(pid, signal.SIGSTOP if what == "stop" else signal.SIGKILL)
        except ProcessLookupError:
            continue
    if what == "stop":
        time.sleep(draw.random() * 0.5)  # for so long it is stopped
        for pid in victims:
            os.kill(pid, signal.SIGCONT)
    return what if victims else "nothing"


def _round(seed: int, folder: Path, lines_fail: bool) -> str:
    """`lines_fail`: one of the two receivers can't write, until everything else is done."""
    draw = random.Random(seed)
    folder.mkdir()
    state, lines = folder / "state", folder / "lines"
    if lines_fail:
        lines.write_text("a file where a folder should be")
    rate, seconds = draw.choice([1000, 5000, 20000]), 1.0 + draw.random()
    producer = _Producer(folder, state, rate, seconds, lines)
    kills = []
    while producer.process.poll() is None and len(kills) < 4:
        time.sleep(draw.random() * 0.5)  # until the next kill
        if producer.process.poll() is None:
            kills.append(_kill_something(draw, producer, state))
    code = producer.wait()
    assert code in (0, -signal.SIGKILL), f"the training process ended with {code}"
    wait_for(lambda: not processes_with(str(state)), f"the end of {processes_with(str(state))}")
    if lines_fail:
        _serve(state)
        assert_delivered(folder, _SITES, producer.acknowledged)
        lines.unlink()
    if (state / "journal.db").exists():
        # Nobody was left to start the bridge again: what a person does then.
        done = _serve(state)
        assert done.returncode == 0, done.stderr
    assert_delivered(folder, _SITES, producer.acknowledged)
    assert_jsonl_delivered(lines, _SITES, producer.acknowledged)
    return "+".join(kills)


def _serve(state: Path) -> subprocess.CompletedProcess:
    serve = [find_binary(), "serve", "--own", "--state", str(state), "--finish-timeout", "3"]
    return subprocess.run(serve, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("part", range(_PARTS))
def test_what_was_acknowledged_survives_every_kill_once_and_in_order(tmp_path, part):
    done = []
    for number in range(part, _ROUNDS, _PARTS):
        folder = tmp_path / str(number)
        done.append(_round(number, folder, lines_fail=number // _PARTS % 5 == 1))
        subprocess.run(["rm", "-r", str(folder)], check=True)
    assert len(done) < 10 or any("bridge" in kills or "all" in kills for kills in done)


def test_what_stands_still_longer_than_the_time_outs_goes_on(tmp_path):
    """The shim gives a silent connection up after 10 s; nothing else has a limit for those that were heard of."""
    driver = Driver(tmp_path, {"wandb": {}}, state=tmp_path / "state")
    logged = itertools.count()

    def log_some() -> None:
        for number in itertools.islice(logged, 300):
            assert driver.data("site-1", "METRIC", "n", number, number)

    log_some()
    assert driver.link.wait_acknowledged(30)
    bridge = driver.pid()
    stopped = [bridge, *wait_for(lambda: children_of(bridge), "the worker")]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        log_some()
        time.sleep(13)  # longer than the shim waits
        log_some()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    log_some()
    driver.end()
    (log,) = logs_below(tmp_path).values()
    assert [row["n"] for row in rows(log)] == list(range(1200))
