"""Every way of adding flarebridge to a job, each run in the real simulator."""

import json
import subprocess
import sys
from pathlib import Path

import nvflare
import pytest
from burst_job import Burst, exit_code_of, values_in
from plain_job import write_plain_job
from running_job import logs_by_site

_VERSION = tuple(int(part) for part in nvflare.__version__.split(".")[:2])
_BURST = Path(__file__).parent / "burst"
_SITES = ("site-1", "site-2")


def _run_plain_json_job(folder: Path, allowed: bool) -> subprocess.CompletedProcess:
    write_plain_job(folder)
    local = folder / "workspace" / "local"
    local.mkdir(parents=True)
    resources: dict = {"format_version": 2, "components": []}
    if allowed:
        resources["class_allow_list"] = ["nvflare.", "flarebridge."]
    (local / "resources.json").write_text(json.dumps(resources))
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import job\n"
        "folder = Path(sys.argv[2])\n"
        "sys.exit(job.simulate(folder / 'plain', folder / 'workspace', ['site-1', 'site-2'], 2))\n"
    )
    command = [sys.executable, "-c", script, str(_BURST), str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


def test_a_plain_json_job_needs_one_path_replaced(tmp_path):
    done = _run_plain_json_job(tmp_path, allowed=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    logs = logs_by_site(tmp_path / "workspace")
    # Silent sites have their runs, too.
    assert sorted(logs) == sorted(_SITES)
    assert [exit_code_of(log) for log in logs.values()] == [0, 0]


@pytest.mark.skipif(_VERSION < (2, 8), reason="NVFlare has no list of allowed classes before 2.8")
def test_a_site_that_does_not_allow_flarebridge_says_so(tmp_path):
    done = _run_plain_json_job(tmp_path, allowed=False)
    output = done.stdout + done.stderr
    assert "flarebridge" in output
    assert "allow_list" in output
    assert not list(tmp_path.rglob("run-*.wandb"))


@pytest.mark.parametrize("way", ["analytics_receiver", pytest.param("registry", id="recipe's own registry")])
def test_nvflares_own_ways_of_adding_a_receiver(tmp_path, way):
    if _VERSION < (2, 7):
        pytest.skip("NVFlare has no recipes before 2.7, and BaseFedJob is a part of its PyTorch support")
    # A receiver alone gets what NVFlare's own channel brings; the registry's entry brings forwarders.
    count, pause, most_lost = (300, "0", 0) if way == "registry" else (30, "0.03", 10)
    job = Burst(tmp_path, "--count", str(count), "--pause", pause, "--added_by", way)
    job.finish()
    logs = logs_by_site(job.workspace)
    for site in _SITES:
        found = set(values_in(logs[site]))
        assert found <= set(job.logged(site))
        assert len(found) >= count - most_lost


@pytest.mark.skipif(_VERSION < (2, 9), reason="NVFlare adds to the clients by the recipe from 2.9 on")
@pytest.mark.parametrize("writer", ["wandb", "bridge"])
def test_runs_of_the_sites_have_what_an_external_training_process_logs(tmp_path, writer):
    """By NVFlare's add_experiment_tracking(client_side=True), whose receiver of the local event alone gets nothing."""
    job = Burst(tmp_path, "--count", "30", "--external", "--writer", writer, "--added_by", "registry_clients")
    job.finish()
    for site in _SITES:
        logs = job.logs(site)
        assert list(logs) == [site]
        assert sorted(values_in(logs[site])) == job.logged(site)


def test_components_that_are_placed_by_hand_lose_nothing_of_an_external_training_process(tmp_path):
    job = Burst(tmp_path, "--external", "--added_by", "by_hand")
    job.finish()
    for site in _SITES:
        assert values_in(job.logs()[site]) == job.logged(site)


def test_a_job_may_be_run_again_in_its_workspace(tmp_path):
    for _ in range(2):
        (tmp_path / "values").mkdir(exist_ok=True)
        for old in (tmp_path / "values").glob("*.jsonl"):
            old.unlink()
        job = Burst(tmp_path, "--count", "50", tracking={"client_side": True})
        job.finish()
        for place in ("server", "site-1"):
            assert values_in(job.logs(place)["site-1"]) == job.logged("site-1")


def test_two_jobs_at_once_keep_to_themselves(tmp_path):
    jobs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        jobs.append(Burst(tmp_path / name, "--count", "100"))
    ids = set()
    for job in jobs:
        job.finish()
        for site in _SITES:
            log = job.logs()[site]
            assert values_in(log) == job.logged(site)
            ids.add(log.name)
    assert len(ids) == 4
