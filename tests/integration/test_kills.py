"""The bridge or a worker is killed in the middle of a job: the runs are complete, nothing is in them twice."""

import os
import signal
from pathlib import Path

import pytest
from bridge_driver import children_of, processes_with, wait_for
from hello_pt import Job, in_log
from test_simulator import _SITES, _assert_complete
from wandb_tools import DamagedLog, records

_KILLS = 5
# Long enough for five kills with the waits before a restart.
_LONG = ("--streamed_to_clients", "--no-streamed_to_server", "--num_rounds", "12", "--log_every", "1")


def _bridges(job: Job) -> list[int]:
    return sorted(pid for pid, command in processes_with(str(job.root)).items() if " serve " in command)


def _workers(job: Job) -> list[int]:
    return [worker for bridge in _bridges(job) for worker in children_of(bridge)]


def _rows_written(job: Job) -> int:
    return sum(log.stat().st_size for log in job.root.glob("site-*/**/*.wandb"))


def _rows_so_far(log: Path) -> int:
    try:
        return len(in_log(log))
    except DamagedLog:  # read in the middle of a write
        return 0


def _kill_in_the_middle(job: Job, victims) -> int:
    """Kills one of the victims after the other, each after the logs have grown since the last kill."""
    kills = 0
    size = 0
    while kills < _KILLS:
        enough = size + 2000
        wait_for(lambda enough=enough: not job.running or (_rows_written(job) > enough and victims(job)), "a victim")
        alive = victims(job)
        if not job.running or not alive:
            break
        os.kill(alive[kills % len(alive)], signal.SIGKILL)
        size = _rows_written(job)
        kills += 1
    return kills


def _assert_nothing_lost(job: Job) -> None:
    for site in _SITES:
        (log,) = job.logs(site).values()
        _assert_complete(log, job.logged(site))
        assert len(in_log(log)) > 300


@pytest.mark.parametrize("victims", [_bridges, _workers], ids=["bridge", "worker"])
def test_killed_five_times_in_the_middle_of_a_job_the_runs_are_complete(tmp_path, victims):
    job = Job(tmp_path, *_LONG)
    kills = _kill_in_the_middle(job, victims)
    output = job.finish()
    assert kills == _KILLS, output[-2000:]
    wait_for(lambda: not _bridges(job), "the bridges' end")
    _assert_nothing_lost(job)


def test_an_interrupted_jobs_runs_are_finished_as_failed_by_the_bridge_it_leaves_behind(tmp_path):
    """Ctrl-C: the simulator kills all of its descendants; the bridge is none of them."""
    job = Job(tmp_path, "--num_rounds", "50")
    paths = wait_for(lambda: len(found := list(job.root.glob("server/**/*.wandb"))) == 2 and found, "the runs")
    wait_for(lambda: all(_rows_so_far(path) > 20 for path in paths), "rows")
    logs = job.logs("server")
    job.interrupt()
    wait_for(lambda: not _bridges(job), "the bridge's end")
    for site in _SITES:
        found = in_log(logs[site])
        assert len(found) > 20
        assert set(found) <= set(job.logged(site))
        assert len(set(found)) == len(found)
        (exit_code,) = [r.exit.exit_code for r in records(logs[site]) if r.WhichOneof("record_type") == "exit"]
        assert exit_code == 1
