"""`flarebridge check`: whole is called whole, and what is not is named with its place."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from bridge_driver import Driver
from flarebridge.bridge_process import find_binary
from run_log import read_records
from uploads import make_run


def _check(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([find_binary(), "check", *arguments], capture_output=True, text=True, timeout=60)


def test_a_whole_run_and_one_that_goes_on(tmp_path):
    whole, open_ = make_run(tmp_path, 1, rows=20), make_run(tmp_path, 2, rows=20, exit_code=None)
    done = _check(str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert f"{whole.log}: whole, " in done.stdout
    assert "20 rows, without an end" in [line for line in done.stdout.splitlines() if str(open_.log) in line][0]


@pytest.mark.parametrize("what", ["cut", "changed"])
def test_a_log_that_is_not_whole_is_named_and_repaired_with_the_original_kept(tmp_path, what):
    run = make_run(tmp_path, 1, rows=2000)
    content = bytearray(run.log.read_bytes())
    if what == "cut":
        del content[-5:]
    else:
        content[len(content) // 2] ^= 1
    run.log.write_bytes(content)
    found = _check(str(run.log))
    assert found.returncode == 65
    assert ("cut off at byte" if what == "cut" else "damaged at byte") in found.stdout
    assert run.log.read_bytes() == content, "it was changed without being asked to"
    repaired = _check("--repair", str(run.log))
    assert repaired.returncode == 0, repaired.stdout
    assert (run.log.parent / f"{run.log.name}.before-repair").read_bytes() == content
    assert _check(str(run.log)).returncode == 0
    # What can be read is kept, also behind damage; the strict reader raises where something is not whole.
    records = read_records(run.log)
    assert run.log.stat().st_size < len(content)
    assert len(content) - run.log.stat().st_size < (100 if what == "cut" else 2 * 32768)
    if what == "changed":
        assert records[-1].exit.exit_code == 0 and records[-1].WhichOneof("record_type") == "exit"


def test_a_journal_that_a_bridge_left_and_one_that_is_damaged(tmp_path):
    driver = Driver(tmp_path, {"wandb": {"dir": "/proc/no-such-place"}}, state=tmp_path / "state")
    for step in range(10):
        driver.data("site-1", "METRIC", "loss", 0.5, step=step)
    assert driver.link.wait_acknowledged(30)
    journal = tmp_path / "state" / "journal.db"
    assert "a bridge works on it" in _check(str(journal)).stdout
    os.kill(driver.pid(), signal.SIGTERM)
    driver.process.ensure = lambda now: False  # it is not to come back by itself
    driver.wait_gone()
    driver.link.close(0.1)
    whole = _check(str(tmp_path / "state"))
    assert whole.returncode == 0, whole.stdout
    assert "whole, 10 events of 1 runs" in whole.stdout
    content = journal.read_bytes()
    assert content.count(b"loss") >= 1
    journal.write_bytes(content.replace(b"loss", b"lost", 1))
    damaged = _check(str(journal))
    assert damaged.returncode == 65
    assert "1 blocks of events are damaged" in damaged.stdout
    _repair(journal)
    # Of what is no journal at all, nothing can be kept but the file itself.
    journal.write_bytes(b"nothing of a journal" * 1000)
    assert _check(str(journal)).returncode == 65
    assert "some blocks of events could not be read" in _repair(journal)


def _repair(journal: Path) -> str:
    """Repairs a damaged journal, whose bytes must be kept and which must be whole then. Gives what it said."""
    before = journal.read_bytes()
    repaired = _check("--repair", str(journal))
    assert repaired.returncode == 0, repaired.stdout
    kept = repaired.stdout.rsplit(" ", 1)[1].strip()
    assert (journal.parent / kept).read_bytes() == before
    assert _check(str(journal)).returncode == 0
    return repaired.stdout


def test_nothing_there_is_told(tmp_path):
    assert _check(str(tmp_path)).returncode == 66
    assert _check(str(tmp_path / "none")).returncode == 66
