"""How busy a site's machine is: in the run of that site, whoever writes it, from the process that trains there."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from bridge_driver import processes_with, wait_for
from burst_job import Burst, values_in
from own_script import DEADLINE, log_below, play, start
from run_log import read_records, rows
from strict_server import StrictServer
from uploads import environment, sync

_NVML = Path(__file__).with_name("fake_nvml.c")
_FAST = 0.2  # seconds between two samples


@pytest.fixture(scope="module")
def gpus(tmp_path_factory) -> str:
    """A folder of libraries, with a driver of two GPUs; the first one's temperature is its asker's process id."""
    folder = tmp_path_factory.mktemp("driver")
    built = folder / "libnvidia-ml.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(built), str(_NVML)], check=True, timeout=60)
    return str(folder)


def _samples(log: Path) -> list[tuple[float, dict]]:
    """(time, values) of each sample, in the log's order."""
    return [
        (
            record.stats.timestamp.seconds + record.stats.timestamp.nanos / 1e9,
            {item.key: float(item.value_json) for item in record.stats.item},
        )
        for record in read_records(log)
        if record.WhichOneof("record_type") == "stats"
    ]


def _assert_whole(log: Path) -> set:
    """Samples in the order of their times, with all that they tell. Gives the processes that took them."""
    samples = _samples(log)
    assert len(samples) >= 3
    times = [time for time, _ in samples]
    assert times == sorted(set(times))
    assert min(row["_timestamp"] for row in rows(log)) - 60 < times[0]
    for _, values in samples:
        assert {"cpu", "memory_percent", "proc.memory.rssMB", "disk./.usagePercent", "network.sent"} <= values.keys()
        assert (values["gpu.0.gpu"], values["gpu.1.memoryAllocated"]) == (75, 25)
    return {values["gpu.0.temp"] for _, values in samples}


def test_each_sites_run_has_the_samples_of_that_sites_process_on_both_sides(tmp_path, gpus):
    tracking = {"system_interval": _FAST, "client_side": True, "exclude": ["system"], "include": ["m"]}
    job = Burst(tmp_path, "--count", "30", "--pause", "0.1", tracking=tracking, LD_LIBRARY_PATH=gpus)
    job.finish()
    askers = []
    for site in ("site-1", "site-2"):
        on_the_server, here = _assert_whole(job.logs()[site]), _assert_whole(job.logs(site)[site])
        assert len(on_the_server) == 1 and on_the_server == here  # no second process measures for the run
        askers += on_the_server
        assert values_in(job.logs()[site]) == job.logged(site)
        # Nobody has logged them.
        assert f"{site}: 30 logged records safe on the server's disk" in job.said(site)
        assert "30 logged records of 1 run safe on this machine's disk" in job.said(site)
    assert "60 logged records of 2 runs safe on this machine's disk" in job.said("server")
    assert len(set(askers)) == 2


@pytest.mark.parametrize("kept", ["by the site", "by the job", "as the runs are told nothing"])
def test_where_they_may_not_leave_none_is_in_any_run(tmp_path, gpus, kept):
    tracking: dict = {"system_interval": _FAST, "client_side": True}
    more = {"LD_LIBRARY_PATH": gpus}
    if kept == "by the site":
        policy = tmp_path / "policy.json"
        policy.write_text('{"kinds": ["scalars", "params", "texts"]}')
        more["FLAREBRIDGE_POLICY"] = str(policy)
    elif kept == "by the job":
        tracking["policy"] = {"kinds": ["scalars"]}
    else:
        tracking["wandb_args"] = {"system": False}
    job = Burst(tmp_path, "--count", "10", "--pause", "0.1", tracking=tracking, **more)
    job.finish()
    for site in ("site-1", "site-2"):
        for log in (job.logs()[site], job.logs(site)[site]):
            assert values_in(log) == job.logged(site)
            assert not _samples(log)


def test_a_scripts_run_has_the_samples_of_its_process_as_its_settings_say_and_they_are_uploaded(tmp_path, gpus):
    code = """
    run = wandb.init(settings=wandb.Settings({settings}))
    wandb.log({{"pid": os.getpid()}})
    time.sleep(1)
    run.finish()
    """
    for name, settings, variables, there in (
        ("often", "x_stats_sampling_interval=0.1", {}, True),
        ("by the environment", "", {"WANDB_X_STATS_SAMPLING_INTERVAL": "0.1"}, True),
        ("off", "x_stats_sampling_interval=0.1, x_disable_stats=True", {}, False),
        ("off by the environment", "x_stats_sampling_interval=0.1", {"WANDB_X_DISABLE_STATS": "true"}, False),
        ("rarely", "", {}, False),
    ):
        folder = tmp_path / name
        folder.mkdir()
        _, said = play(folder, code.format(settings=settings), LD_LIBRARY_PATH=gpus, **variables)
        assert "settings that change nothing" not in said
        log = log_below(folder)
        if there:
            (row,) = rows(log)
            assert _assert_whole(log) == {row["pid"]}
        assert bool(_samples(log)) is there, name
    with StrictServer() as server:
        done = sync(tmp_path / "often", environment(tmp_path / "home", server))
        assert done.returncode == 0, done.stderr
        (run,) = server.runs.values()
        assert not server.violations
    assert [event["system.gpu.0.gpu"] for event in run.events] == [75] * len(_samples(log_below(tmp_path / "often")))


def test_processes_that_share_a_run_have_samples_of_their_own(tmp_path):
    code = """
    settings = wandb.Settings(mode="shared", x_label="{label}", x_primary={primary}, x_stats_sampling_interval=0.1)
    wandb.init(id="together", settings=settings)
    wandb.log({{"pid": os.getpid()}})
    time.sleep(1)
    """
    processes = [start(tmp_path, code.format(label=f"rank{number}", primary=not number)) for number in (0, 1)]
    for process in processes:
        _out, said = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, said
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
    keys = [set(values) for _time, values in _samples(log_below(tmp_path))]
    for label in ("/l:rank0", "/l:rank1"):
        assert sum({f"cpu{label}", f"memory_percent{label}"} <= one for one in keys) >= 3
        assert all(key.endswith(label) for one in keys if f"cpu{label}" in one for key in one)


def test_an_interval_that_wandbs_client_refuses_is_refused(tmp_path):
    code = "wandb.init(settings=wandb.Settings(x_stats_sampling_interval={}))"
    for given in ("0.01", "'often'"):
        _, said = play(tmp_path, code.format(given), status=1)
        assert "x_stats_sampling_interval" in said and "UsageError" in said


def test_when_a_bridge_is_killed_each_sample_is_there_once(tmp_path):
    process = start(
        tmp_path,
        """
        wandb.init(id="bridge-dies", settings=wandb.Settings(x_stats_sampling_interval=0.1))
        print("begun", flush=True)
        sys.stdin.readline()
        time.sleep(1)
        """,
    )
    assert process.stdout.readline() == "begun\n"
    (log,) = wait_for(lambda: list(tmp_path.rglob("run-bridge-dies.wandb")), "the log")
    size = log.stat().st_size
    wait_for(lambda: log.stat().st_size > size, "samples in the log")
    for pid in [pid for pid, command in processes_with(str(tmp_path)).items() if " serve " in command]:
        os.kill(pid, signal.SIGKILL)
    process.communicate("\n", timeout=DEADLINE)
    assert process.returncode == 0
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
    times = [time for time, _ in _samples(log_below(tmp_path))]
    assert len(times) >= 5
    assert times == sorted(set(times))
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 30
