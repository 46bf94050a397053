"""Separate processes for the server, its clients and their jobs, as in production; some are stopped or killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nvflare
import pytest
from bridge_driver import processes_with, wait_for
from burst_job import exit_code_of, values_in
from flarebridge.bridge_process import find_binary
from plain_job import write_plain_job
from poc import Poc
from running_job import logs_by_site
from strict_server import StrictServer
from wandb_tools import rows, run_of

_SCRIPT = Path(__file__).parent / "burst" / "job.py"
_SITES = ("site-1", "site-2")
_VERSION = tuple(int(part) for part in nvflare.__version__.split(".")[:2])


@pytest.fixture(scope="module")
def poc(tmp_path_factory) -> Iterator[Poc]:
    with StrictServer() as wandb, Poc(tmp_path_factory.mktemp("poc"), wandb) as started:
        yield started


class _Submitted:
    """A burst job that was submitted; each writes what it logs into a folder of its own."""

    def __init__(self, poc: Poc, folder: Path, *options: str, tracking: dict):
        command = [sys.executable, str(_SCRIPT), "--folder", str(folder), "--export", str(folder / "jobs")]
        subprocess.run([*command, *options, "--tracking", json.dumps(tracking)], check=True, timeout=120)
        self._poc, self._values = poc, folder / "values"
        self.id = poc.submit(folder / "jobs" / "burst")

    def logged(self, site: str) -> list[tuple]:
        lines = (self._values / f"{site}.jsonl").read_text().splitlines()
        return [(step, value) for step, _key, value in map(json.loads, lines)]

    def wait_logged(self, count: int) -> None:
        """Waits until every site has logged so many records."""
        files = [self._values / f"{site}.jsonl" for site in _SITES]
        wait_for(lambda: all(file.exists() and file.read_text().count("\n") >= count for file in files), "training", 90)

    def runs(self) -> dict[str, Path]:
        """The run logs that come back with the job's results."""
        return logs_by_site(self._poc.results(self.id))


def test_a_jobs_results_bring_the_whole_runs(poc, tmp_path):
    job = _Submitted(poc, tmp_path, "--count", "2000", tracking={"client_side": True})
    assert poc.wait_done(job.id) == "FINISHED:COMPLETED"
    runs = job.runs()
    for site in _SITES:
        assert values_in(runs[site]) == job.logged(site)
        assert exit_code_of(runs[site]) == 0
        # On the site it stays on the site.
        assert values_in(logs_by_site(poc.place(site) / job.id)[site]) == job.logged(site)


@pytest.mark.skipif(_VERSION < (2, 8), reason="NVFlare has no list of allowed classes before 2.8")
def test_sites_that_refuse_a_job_with_our_components_run_it_once_they_allow_them(poc, tmp_path):
    job = write_plain_job(tmp_path)
    refused = poc.submit(job)
    assert poc.wait_done(refused) != "FINISHED:COMPLETED"
    places = [str(poc.place(name)) for name in ("server", *_SITES)]
    subprocess.run([find_binary(), "allow", *places], check=True, timeout=30)
    # Nothing was started again.
    allowed = poc.submit(job)
    assert poc.wait_done(allowed) == "FINISHED:COMPLETED"
    assert sorted(logs_by_site(poc.results(allowed))) == list(_SITES)


def test_what_a_site_sends_under_another_sites_name_is_in_its_own_run(poc, tmp_path):
    """In the forwarder's way and in NVFlare's: a provisioned server knows who sent it."""
    job = _Submitted(poc, tmp_path, "--count", "100", "--forger", tracking={})
    assert poc.wait_done(job.id) == "FINISHED:COMPLETED"
    results = poc.results(job.id)
    runs = logs_by_site(results)
    assert values_in(runs["site-2"]) == job.logged("site-2")
    forged = {key for row in rows(runs["site-1"]) for key in row if key in ("forwarded", "federated")}
    assert forged == {"forwarded", "federated"}
    said = "".join(path.read_text(errors="replace") for path in results.rglob("log.txt"))
    assert said.count("site-1 sent metrics under the name 'site-2'") == 1


def test_runs_of_mode_online_are_on_the_server_before_nvflare_clears_the_jobs_folder(poc, tmp_path):
    job = _Submitted(poc, tmp_path, "--count", "300", "--pause", "0.01", tracking={"mode": "online"})
    assert poc.wait_done(job.id) == "FINISHED:COMPLETED"
    runs = job.runs()
    for site in _SITES:
        run = poc.wandb.run(run_of(runs[site]).run_id)
        assert [(row.get("flarebridge/step", row["_step"]), row["m"]) for row in run.rows if "m" in row] == job.logged(
            site
        )
        assert run.state == "finished"
    assert not poc.wandb.violations


def test_a_server_process_that_is_stopped_for_longer_than_every_timeout_misses_nothing(poc, tmp_path):
    job = _Submitted(poc, tmp_path, "--count", "600", "--pause", "0.02", tracking={})
    job.wait_logged(50)
    server = poc.job_process("server", job.id)
    os.kill(server, signal.SIGSTOP)
    try:
        job.wait_logged(500)  # training goes on
    finally:
        os.kill(server, signal.SIGCONT)
    assert poc.wait_done(job.id) == "FINISHED:COMPLETED"
    for site, log in job.runs().items():
        assert values_in(log) == job.logged(site)
        assert exit_code_of(log) == 0


def test_a_killed_clients_run_holds_what_was_acknowledged_and_the_others_all(poc, tmp_path):
    job = _Submitted(poc, tmp_path, "--count", "300", "--pause", "0.02", tracking={})
    job.wait_logged(100)
    os.kill(poc.job_process("site-2", job.id), signal.SIGKILL)
    # NVFlare 2.7 and 2.8 wait 10 minutes for a site that has died: the job is ended by hand when the other has trained.
    wait_for(lambda: len(job.logged("site-1")) >= 300 or poc.is_done(job.id), "the other site's training", 90)
    poc.abort(job.id)
    poc.wait_done(job.id)
    runs = job.runs()
    survivors, victims = values_in(runs["site-1"]), values_in(runs["site-2"])
    # NVFlare may abort the job of the other one, too; its log is a beginning of what it logged in any case.
    assert survivors == job.logged("site-1")[: len(survivors)]
    assert len(survivors) >= 100
    assert victims == job.logged("site-2")[: len(victims)]
    assert len(victims) >= 50


def test_the_runs_of_an_aborted_job_have_what_was_logged_and_are_failed(poc, tmp_path):
    job = _Submitted(poc, tmp_path, "--count", "5000", "--pause", "0.02", tracking={})
    job.wait_logged(100)
    poc.abort(job.id)
    assert poc.wait_done(job.id).startswith("FINISHED:")
    bridges = str(poc.place("server") / job.id)
    wait_for(lambda: not processes_with(bridges), "the bridge's end")
    for site, log in logs_by_site(poc.results(job.id)).items():
        found = values_in(log)
        assert found == job.logged(site)[: len(found)]
        assert len(found) >= 100
        assert exit_code_of(log) == 1


def test_a_job_that_a_stop_in_wandb_ends_brings_its_runs_back_as_failed(poc, tmp_path):
    tracking = {"mode": "online", "on_stop": "abort"}
    job = _Submitted(poc, tmp_path, "--rounds", "200", "--count", "20", "--pause", "0.05", tracking=tracking)

    def run_of_site_2():
        return [run for run in poc.wandb.runs.values() if run.rows and job.id in str(run.user_config) and
                run.user_config.get("client") == "site-2"]  # fmt: skip

    poc.wandb.wait_for(lambda _held: run_of_site_2(), 90)
    poc.wandb.edit(run_of_site_2()[0].id, stopped=True)
    assert poc.wait_done(job.id) == "FINISHED:EXECUTION_EXCEPTION"
    runs = job.runs()
    assert sorted(runs) == sorted(_SITES)
    for site, log in runs.items():
        found = values_in(log)
        assert found == job.logged(site)[: len(found)]
        assert found
        assert exit_code_of(log) == 1
    assert not poc.wandb.violations


def test_a_killed_server_process_leaves_failed_runs_of_what_was_acknowledged(poc, tmp_path):
    job = _Submitted(poc, tmp_path, "--count", "5000", "--pause", "0.02", tracking={})
    job.wait_logged(100)
    run_dir = poc.place("server") / job.id
    os.kill(poc.job_process("server", job.id), signal.SIGKILL)
    wait_for(lambda: not processes_with(str(run_dir)), "the bridge's end", 60)
    runs = logs_by_site(run_dir)
    assert sorted(runs) == sorted(_SITES)
    for site, log in runs.items():
        found = values_in(log)
        assert found == job.logged(site)[: len(found)]
        assert len(found) >= 50
        assert exit_code_of(log) == 1
    poc.abort(job.id)
    poc.wait_done(job.id)
