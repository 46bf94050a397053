"""What a job's arguments, or the disk, did not let be written is finished later with other arguments."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from bridge_driver import Driver, wait_for
from flarebridge.bridge_process import find_binary
from wandb_tools import logs_below, rows, run_of

_ROWS = 30


def _leave_some(folder: Path, receivers: dict, sites: tuple = ("site-1",)) -> Driver:
    """A job that has ended, and whose bridge could not write it and has left."""
    driver = Driver(folder, receivers, state=folder / "state")
    for step in range(_ROWS):
        for site in sites:
            driver.data(site, "METRIC", "loss", float(step), step)
    wait_for(lambda: any(level == "error" for level, _text in driver.reports), "the error")
    driver.end()
    assert (driver.state / "journal.db").exists(), "nothing is left to be finished"
    return driver


def _serve(driver: Driver, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [find_binary(), "serve", "--own", "--state", str(driver.state), "--finish-timeout", "3", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def _assert_whole(folder: Path, driver: Driver, project: str, sites: tuple = ("site-1",)) -> None:
    logs = logs_below(folder)
    assert len(logs) == len(sites)
    for log in logs.values():
        assert run_of(log).project == project
        assert [row["loss"] for row in rows(log) if "loss" in row] == [float(step) for step in range(_ROWS)]
    assert not (driver.state / "journal.db").exists(), "the journal is not empty"


def _told(driver: Driver) -> str:
    """What the log says to type, from the last line that does."""
    log = (driver.state / "bridge.log").read_text()
    (line,) = {line.split("with: ")[1] for line in log.splitlines() if "--set" in line and "with: " in line}
    return line


def test_a_project_that_is_refused_is_given_later_by_the_command_that_was_told(tmp_path):
    sites = ("site-1", "site-2")
    driver = _leave_some(tmp_path, {"wandb": {"project": "team/model"}}, sites)
    told = _told(driver)
    assert told == f"flarebridge serve --own --state {driver.state} --set wandb.project=PROJECT"
    assert any(told in text for _level, text in driver.reports), driver.reports
    assert driver.link.stats()["finish"] == told
    done = _serve(driver, *told.replace("PROJECT", "model").split("--state ")[1].split()[1:])
    assert done.returncode == 0, done.stderr
    _assert_whole(tmp_path, driver, "model", sites)


def test_a_folder_that_cannot_be_made_is_given_later(tmp_path):
    driver = _leave_some(tmp_path, {"wandb": {"project": "tests", "dir": "/proc/no-such-place"}})
    assert _told(driver).endswith(" --set wandb.dir=DIR")
    elsewhere = tmp_path / "elsewhere" / "runs"
    done = _serve(driver, "--set", f"wandb.dir={elsewhere}")
    assert done.returncode == 0, done.stderr
    assert [elsewhere in log.parents for log in logs_below(tmp_path).values()] == [True]
    _assert_whole(tmp_path, driver, "tests")


def test_a_run_that_was_begun_goes_on_in_another_folder(tmp_path):
    """Its folder was taken away while it went on: what was there is there, what the journal has comes elsewhere."""
    begun, elsewhere = tmp_path / "begun", tmp_path / "elsewhere"
    driver = Driver(tmp_path, {"wandb": {"project": "tests", "dir": str(begun)}}, state=tmp_path / "state")
    for step in range(10):
        driver.data("site-1", "METRIC", "loss", float(step), step)
    wait_for(lambda: any(len(rows(log)) >= 9 for log in logs_below(begun).values()), "the first rows")
    begun.rename(tmp_path / "kept")
    begun.write_text("no folder any more")
    for step in range(10, _ROWS):
        driver.data("site-1", "METRIC", "loss", float(step), step)
    wait_for(lambda: any(level == "error" for level, _text in driver.reports), "the error")
    driver.end()
    done = _serve(driver, "--set", f"wandb.dir={elsewhere}")
    assert done.returncode == 0, done.stderr
    found = [
        {row["loss"] for log in logs_below(place).values() for row in rows(log)}
        for place in (tmp_path / "kept", elsewhere)
    ]
    assert found[0] | found[1] == {float(step) for step in range(_ROWS)}
    assert found[1] >= {float(step) for step in range(10, _ROWS)}
    assert not (driver.state / "journal.db").exists()


def test_what_was_set_is_kept_when_the_bridge_is_killed_on_the_way(tmp_path):
    """The second start says nothing of it, and goes on with it."""
    driver = _leave_some(tmp_path, {"wandb": {"project": "team/model", "dir": "/proc/no-such-place"}})
    command = [find_binary(), "serve", "--own", "--state", str(driver.state), "--set", "wandb.project=model"]
    bridge = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        log = driver.state / "bridge.log"
        wait_for(lambda: "have other arguments from now on" in log.read_text(), "the setting")
    finally:
        os.kill(bridge.pid, signal.SIGKILL)
        bridge.wait(30)
    driver.wait_gone()
    done = _serve(driver, "--set", f"wandb.dir={tmp_path / 'elsewhere'}")
    assert done.returncode == 0, done.stderr
    _assert_whole(tmp_path, driver, "model")


def test_an_argument_that_is_refused_again_changes_nothing(tmp_path):
    driver = _leave_some(tmp_path, {"wandb": {"project": "team/model", "mode": "often"}})
    assert _told(driver).endswith(" --set wandb.project=PROJECT --set wandb.mode=MODE")
    for options, words in (
        (["wandb.project=a/b"], "W&B refuses the project name"),
        (["wandb.project=model"], "mode must be offline or online"),
        (["jsonl.dir=/tmp"], "no run here with a receiver jsonl"),
    ):
        done = _serve(driver, *(word for option in options for word in ("--set", option)))
        assert done.returncode == 78, done.stderr
        assert words in done.stderr
        assert done.stderr.startswith("flarebridge: --set")
    done = _serve(driver, "--set", "wandb.project=model", "--set", "wandb.mode=offline", "--set", "wandb.tags=a,b")
    assert done.returncode == 0, done.stderr
    assert list(run_of(next(iter(logs_below(tmp_path).values()))).tags) == ["a", "b"]
    _assert_whole(tmp_path, driver, "model")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--own", "--set", "wandb.projet=x"], 'no argument of wandb "projet"; is it "project"?'),
        (["--own", "--set", "wadb.project=x"], 'no receiver "wadb"; is it "wandb"?'),
        (["--own", "--set", "wandb.colour=x"], "there are id, project, entity"),
        (["--own", "--set", "project=x"], "is not RECEIVER.ARGUMENT=VALUE"),
        (["--own", "--set", "wandb.prefix_scalars=perhaps"], "must be true or false"),
        (["--own", "--set", "wandb.config=x"], "is a dict"),
        (["--endpoint", "ipc:///tmp/x", "--own", "--set", "wandb.project=x"], "without --endpoint"),
    ],
)
def test_what_is_typed_wrong_is_told_with_the_nearest_name(tmp_path, options, words):
    done = subprocess.run(
        [find_binary(), "serve", "--state", str(tmp_path / "state"), *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 78
    assert words in done.stderr
