"""Sites that have not installed flarebridge train on: the job brings them what they need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from burst_job import Burst, values_in
from flarebridge.bridge_process import find_binary
from partly_installed import make_python
from running_job import RunningJob, logs_by_site

_SCRIPT = Path(__file__).parent / "burst" / "job.py"
_SITES = ("site-1", "site-2")
_SIMULATE = (
    "import sys; sys.path.insert(0, {here!r}); from pathlib import Path; import job; "
    "sys.exit(job.simulate(Path({job!r}), Path({workspace!r}), {sites!r}, 2))"
)


class _Job(Burst):
    """Defined here, run in the simulator by a Python in which some processes find no flarebridge."""

    def __init__(self, folder: Path, without: tuple[str, ...], program: str, *options: str, **tracking: object):
        """`without`: words of the processes' command lines; `program`: FLAREBRIDGE_BINARY, or nothing."""
        self.folder, self.workspace = folder, folder / "workspace"
        self.exported = folder / "jobs" / "burst"
        command = [sys.executable, str(_SCRIPT), "--folder", str(folder), "--export", str(folder / "jobs"), *options]
        python, environment = make_python(folder, without)
        cache = {"XDG_CACHE_HOME": environment["XDG_CACHE_HOME"]}
        subprocess.run(
            [*command, "--tracking", json.dumps(tracking)], check=True, timeout=120, env={**os.environ, **cache}
        )
        environment["FLAREBRIDGE_BINARY"] = program
        simulate = _SIMULATE.format(
            here=str(_SCRIPT.parent), job=str(self.exported), workspace=str(self.workspace), sites=list(_SITES)
        )
        RunningJob.__init__(self, [str(python), "-c", simulate], folder, environment)


@pytest.mark.parametrize("options", [(), ("--external",)], ids=["in_process", "external"])
def test_a_site_that_has_not_installed_it_is_tracked_beside_one_that_has(tmp_path, options):
    job = _Job(tmp_path, ("site-2",), find_binary(), "--count", "500", *options)
    job.finish()
    runs = logs_by_site(job.workspace / "server")
    for site in _SITES:
        assert values_in(runs[site]) == job.logged(site) and len(job.logged(site)) == 500
    assert "the job has brought version" in job.said("site-2")
    assert "the job has brought version" not in job.said("site-1")


def test_where_nothing_is_installed_the_training_goes_on_untracked(tmp_path):
    job = _Job(tmp_path, ("-c", *_SITES), "", "--count", "50", carry=True, client_side=True)
    job.finish()
    assert logs_by_site(job.workspace) == {}
    for site in _SITES:
        assert len(job.logged(site)) == 50
        assert "install the flarebridge wheel" in job.said(site)
    assert "install the flarebridge wheel" in job.said("server")
