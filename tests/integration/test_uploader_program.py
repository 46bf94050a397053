"""The program that uploads, where it is missing or says what nobody understands."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from bridge_driver import Driver, wait_for
from strict_server import StrictServer
from test_online import _ONLINE, _assert_uploaded, _uploaders, as_user  # noqa: F401
from uploads import environment
from wandb_tools import logs_below, rows

# Writes to its bridge what is no frame, and stays; called again it is the real program.
_BABBLING = """#!/bin/sh
if mkdir {said!r} 2>/dev/null; then
  printf '\\377\\377\\377\\377 what is this' >&3
  exec sleep 600
fi
exec {program!r} "$@"
"""


# The first call is the real program; a later one is as soon as it may begin.
_LATE = """#!/bin/sh
if ! mkdir {first!r} 2>/dev/null; then
  until [ -e {may_begin!r} ]; do sleep 0.05; done
fi
exec {program!r} "$@"
"""


class _Program(NamedTuple):
    """copy: of the bridge's program, which this process's bridges are from now on; uploader: what is not beside it."""

    copy: str
    uploader: Path


@pytest.fixture
def program(tmp_path, monkeypatch) -> _Program:
    real = Path(os.environ["FLAREBRIDGE_BINARY"])
    copy = shutil.copy(real, tmp_path)
    monkeypatch.setenv("FLAREBRIDGE_BINARY", copy)
    return _Program(copy, real.with_name("flarebridge-upload"))


def test_without_the_program_that_uploads_the_run_is_written_and_the_user_is_told(tmp_path, as_user, program):  # noqa: F811
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 1.0, 0)
            words = f"uploads need the program {tmp_path}/flarebridge-upload, which is not there"
            wait_for(lambda: any(words in text for _level, text in driver.reports), "the message")
            driver.end()
        assert not server.calls
        (log,) = logs_below(tmp_path).values()
        assert len(rows(log)) == 1
        synced = subprocess.run([program.copy, "sync", tmp_path], capture_output=True, text=True)
        assert (synced.returncode, synced.stdout) == (78, "")
        assert words in synced.stderr
        shutil.copy(program.uploader, tmp_path)
        done = subprocess.run([program.copy, "sync", tmp_path], env=environment(tmp_path, server), capture_output=True)
        assert done.returncode == 0, done.stderr
        _assert_uploaded(server, tmp_path)


def test_one_that_the_bridge_can_not_understand_is_replaced_and_the_run_is_uploaded(tmp_path, as_user, program):  # noqa: F811
    babbling = tmp_path / "flarebridge-upload"
    babbling.write_text(_BABBLING.format(said=str(tmp_path / "said"), program=str(program.uploader)))
    babbling.chmod(0o755)
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 1.0, 0)
            told = "the uploader ended by signal 9"
            wait_for(lambda: any(told in text for _level, text in driver.reports), "its end")
            driver.end()
        _assert_uploaded(server, tmp_path)


def test_one_whose_bridge_is_gone_leaves_the_next_bridges_runs_alone(tmp_path, as_user, program):  # noqa: F811
    """It would be done with what a run has now, and nobody would upload what comes behind that."""
    late, may_begin = tmp_path / "flarebridge-upload", tmp_path / "may_begin"
    late.write_text(
        _LATE.format(first=str(tmp_path / "first"), may_begin=str(may_begin), program=str(program.uploader))
    )
    late.chmod(0o755)
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            for step in range(3):
                driver.data("site-1", "METRIC", "loss", float(step), step)
            wait_for(lambda: any("View run at" in text for _level, text in driver.reports), "the upload")
            (orphan,) = _uploaders(driver)
            os.kill(orphan, signal.SIGSTOP)
            bridge = driver.pid()
            os.kill(bridge, signal.SIGKILL)
            driver.pid(other_than=bridge)
            driver.data("site-1", "METRIC", "loss", 3.0, 3)
            wait_for(lambda: len(_uploaders(driver)) > 1, "the uploader of the next bridge")
            os.kill(orphan, signal.SIGCONT)
            wait_for(lambda: orphan not in _uploaders(driver), "the end of the one before")
            for step in range(4, 30):
                driver.data("site-1", "METRIC", "loss", float(step), step)
            may_begin.touch()
            driver.end()
        _assert_uploaded(server, tmp_path)
        (run,) = server.runs.values()
        assert [row["loss"] for row in run.rows] == [float(step) for step in range(30)]
