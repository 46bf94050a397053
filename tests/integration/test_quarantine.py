"""An event that no worker survives, and one that the disk did not keep, are set aside; their run goes on."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from bridge_driver import Driver, children_of, wait_for
from flarebridge.bridge_process import find_binary
from wandb_tools import logs_below, rows


@pytest.fixture(scope="module")
def deadly(tmp_path_factory) -> Path:
    """The preloaded library, compiled."""
    built = tmp_path_factory.mktemp("preload") / "deadly_file.so"
    source = Path(__file__).with_name("deadly_file.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(built), str(source), "-ldl"], check=True, timeout=60)
    return built


def _numbers(folder: Path) -> list[int]:
    (log,) = logs_below(folder).values()
    return [row["n"] for row in rows(log) if "n" in row]


def test_an_event_at_which_workers_die_is_left_out_and_kept(tmp_path, deadly, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", str(deadly))
    driver = Driver(tmp_path, {"wandb": {"project": "tests"}}, state=tmp_path / "state")
    for number in range(100):
        driver.data("site-1", "METRIC", "n", number, number)
        driver.data("site-2", "METRIC", "n", number, number)
        if number == 50:
            driver.data("site-1", "TEXT", "note", "this one", path="deadly.txt")
    driver.end()
    kept = list((tmp_path / "state" / "quarantine").glob("*.event"))
    assert len(kept) == 1
    assert b"this one" in kept[0].read_bytes()
    assert "3 workers have died at is left out" in (tmp_path / "state" / "bridge.log").read_text()
    for log in logs_below(tmp_path).values():
        assert [row["n"] for row in rows(log)] == list(range(100))
        assert not (log.parent / "files" / "deadly.txt").exists()


def test_workers_that_are_killed_from_outside_put_nothing_into_quarantine(tmp_path):
    with Driver(tmp_path, {"wandb": {"project": "tests"}}, state=tmp_path / "state") as driver:
        for number in range(6):
            driver.data("site-1", "METRIC", "n", number, number)
            assert driver.link.wait_acknowledged(30)
            (worker,) = wait_for(lambda: children_of(driver.pid()), "a worker")
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda worker=worker: children_of(driver.pid()) not in ([], [worker]), "the next worker")
        driver.end()
    assert not (tmp_path / "state" / "quarantine").exists()
    assert _numbers(tmp_path) == list(range(6))


def test_events_that_the_disk_did_not_keep_are_named_and_the_rest_gets_there(tmp_path):
    blocked = tmp_path / "runs"
    blocked.write_text("no folder yet")
    driver = Driver(tmp_path, {"wandb": {"dir": str(blocked)}}, state=tmp_path / "state")
    for number in range(40):
        driver.data("site-1", "METRIC", "n", number, number)
        driver.data("site-1", "METRIC", f"tag-of-{number}-", number, number)
        assert driver.link.wait_acknowledged(30)
    driver.link.put(driver.encoder.session_ended(0.0, 0))
    assert driver.link.wait_acknowledged(30)
    driver.process.ensure = lambda now: False  # it is not to come back by itself
    os.kill(driver.process.pid, signal.SIGTERM)
    driver.wait_gone()
    driver.link.close(0.1)
    journal = tmp_path / "state" / "journal.db"
    content = journal.read_bytes()
    assert content.count(b"tag-of-20-") == 1
    journal.write_bytes(content.replace(b"tag-of-20-", b"tag-of-2!-"))
    check = subprocess.run([find_binary(), "check", str(journal)], capture_output=True, text=True, timeout=60)
    assert "1 blocks of events are damaged" in check.stdout

    blocked.unlink()
    serve = [find_binary(), "serve", "--own", "--state", str(tmp_path / "state")]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "damaged on the disk" in (tmp_path / "state" / "bridge.log").read_text()
    (kept,) = (tmp_path / "state" / "quarantine").glob("*.damaged")
    assert b"tag-of-2!-" in kept.read_bytes()
    found = _numbers(tmp_path)
    assert len(found) >= 30
    assert found == sorted(set(found))
