"""A job that hangs is killed with all of its processes, and leaves told what it was at."""

import sys

import pytest
import running_job
from bridge_driver import all_processes_with, wait_for
from running_job import RunningJob

# As NVFlare's simulator: a process of its own session, and a forked child that goes on with its parent's program.
_HANGS = """
import multiprocessing, os, signal, sys
with open(sys.argv[1] + "/site-1/log.txt", "w") as log:
    log.writelines(f"line {number}\\n" for number in range(100))
print("Connection reset by peer")
print("nothing of interest\\n" * 1000, flush=True)
multiprocessing.get_context("fork").Process(target=signal.pause).start()
if os.fork() == 0:
    os.setsid()
    multiprocessing.get_context("fork").Process(target=signal.pause).start()
signal.pause()
"""


@pytest.fixture
def hanging(tmp_path) -> RunningJob:
    (tmp_path / "site-1").mkdir()
    job = RunningJob([sys.executable, "-c", _HANGS, str(tmp_path)], tmp_path, {})
    wait_for(lambda: len(all_processes_with(str(tmp_path))) == 4, "the job's processes")
    return job


def test_a_job_that_is_killed_leaves_no_process_that_has_its_parents_command_line(tmp_path, hanging):
    hanging.kill()
    assert all_processes_with(str(tmp_path)) == {}


def test_a_job_that_does_not_end_is_told_of_by_its_processes_its_errors_and_the_logs_of_its_places(
    tmp_path, hanging, monkeypatch
):
    processes = all_processes_with(str(tmp_path))
    monkeypatch.setattr(running_job, "_DEADLINE", 0)
    with pytest.raises(AssertionError) as failure:
        hanging.finish()
    lines = str(failure.value).splitlines()
    trees = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert sorted(int(words[0]) for words in trees) == sorted(processes)
    assert any(int(words[1]) == hanging.pid for words in trees)
    assert "Connection reset by peer" in lines
    assert "line 99" in lines and "line 85" in lines and "line 84" not in lines
    assert len(str(failure.value)) < 20_000
    assert all_processes_with(str(tmp_path)) == {}
