"""The program that uploads, where it is missing or says what nobody understands."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from bridge_driver import Driver, wait_for
from strict_server import StrictServer
from test_online import _ONLINE, _assert_uploaded, as_user  # noqa: F401
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
