"""The stop button of W&B's page: noticed, told to the job whose run it is, and nothing is lost by it."""

import os
import re
import signal
import time
from typing import Optional

import pytest
from bridge_driver import Driver, processes_with, wait_for
from burst_job import Burst, exit_code_of, values_in
from strict_server import StrictServer
from test_online import _ONLINE, _assert_uploaded, _uploaders, as_user  # noqa: F401
from uploads import environment, is_marked, make_run, start_sync
from wandb_tools import rows

_WITHIN = 45  # seconds; a sign of life is sent each 30 s where nothing else is


def _words(server: StrictServer, run, site: str) -> str:
    return f"the run of {site} was asked to stop in W&B ({server.url}/{run.entity}/{run.project}/runs/{run.id})"


def _told(driver: Driver) -> list[str]:
    return [text for _level, text in driver.reports if "was asked to stop" in text]


def _run_of_site(server: StrictServer, site: str):
    """The server's run of a site, once it has its config."""
    found = []

    def there(held: StrictServer) -> bool:
        found[:] = [run for run in held.runs.values() if run.user_config.get("client") == site and run.rows]
        return bool(found)

    server.wait_for(there, 60)
    return found[0]


def test_only_the_site_whose_run_was_stopped_is_named_once_and_both_runs_go_on(tmp_path, as_user):  # noqa: F811
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            for site in ("site-1", "site-2"):
                driver.data(site, "METRIC", "loss", 0.0, 0)
                driver.data(site, "METRIC", "loss", 0.5, 1)
            stopped = _run_of_site(server, "site-2")
            server.edit(stopped.id, stopped=True)
            for step in range(2, 40):
                for site in ("site-1", "site-2"):
                    assert driver.data(site, "METRIC", "loss", step * 0.5, step)
            wait_for(lambda: _told(driver), "the notice", _WITHIN)
            (uploader,) = _uploaders(driver)
            os.kill(uploader, signal.SIGKILL)  # the next one hears it, too
            for step in range(40, 60):
                for site in ("site-1", "site-2"):
                    assert driver.data(site, "METRIC", "loss", step * 0.5, step)
            driver.end()
        assert _told(driver) == [_words(server, stopped, "site-2")]
        assert (driver.state / "bridge.log").read_text().count("was asked to stop") == 1
        _assert_uploaded(server, tmp_path)
        for run in server.runs.values():
            assert [row["loss"] for row in run.rows] == [step * 0.5 for step in range(60)]
        assert not server.violations


def test_a_bridge_that_is_killed_behind_the_notice_loses_nothing_and_the_next_one_tells_it_again(tmp_path, as_user):  # noqa: F811
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            for site in ("site-1", "site-2"):
                for step in range(3):
                    driver.data(site, "METRIC", "loss", step * 0.5, step)
            stopped = _run_of_site(server, "site-1")
            server.edit(stopped.id, stopped=True)
            wait_for(lambda: _told(driver), "the notice", _WITHIN)
            bridge = driver.pid()
            os.kill(bridge, signal.SIGKILL)
            driver.pid(other_than=bridge)
            # The run has no worker in this bridge yet: what is asked of it waits until it has.
            for site in ("site-1", "site-2"):
                for step in range(3, 30):
                    driver.data(site, "METRIC", "loss", step * 0.5, step)
            wait_for(lambda: len(_told(driver)) > 1, "the notice of the next bridge", _WITHIN + 30)
            driver.end()
        assert _told(driver) == [_words(server, stopped, "site-1")] * 2
        _assert_uploaded(server, tmp_path)
        for run in server.runs.values():
            assert [row["loss"] for row in run.rows] == [step * 0.5 for step in range(30)]


@pytest.mark.parametrize("on_stop", ["warn", "abort"])
def test_in_a_job_it_is_told_or_ends_the_job_and_all_that_was_acknowledged_is_there(tmp_path, as_user, on_stop):  # noqa: F811
    """Rounds of a second each; one that is to go on takes a few, one that is to be ended would take minutes."""
    rounds = {"warn": "8", "abort": "200"}[on_stop]
    with StrictServer() as server:
        as_user(server)
        job = Burst(
            tmp_path, "--rounds", rounds, "--count", "20", "--pause", "0.05",
            tracking={"mode": "online", "on_stop": on_stop},
        )  # fmt: skip
        stopped = _run_of_site(server, "site-2")
        began = time.monotonic()
        server.edit(stopped.id, stopped=True)
        output = job.finish(exit_code=0 if on_stop == "warn" else 2)
        lasted = time.monotonic() - began
        wait_for(lambda: not processes_with(str(tmp_path)), "the bridge's end")
        said = job.said("server")
        words = _words(server, stopped, "site-2")
        assert said.count("was asked to stop") == (1 if on_stop == "warn" else 2)  # NVFlare's own line repeats it
        if on_stop == "warn":
            assert f'{words}; training goes on: on_stop="abort" would end the job' in said
        else:
            assert f'{words}; that ends the job: on_stop="abort"' in said
            assert "Aborting current RUN due to FATAL_SYSTEM_ERROR" in output
            assert lasted < 100
        logs = job.logs()
        safe = int(re.search(r"([\d,]+) logged records of 2 runs safe", said).group(1).replace(",", ""))
        assert sum(len(rows(log)) for log in logs.values()) == safe
        for site, log in logs.items():
            logged = job.logged(site)
            assert values_in(log) == logged[: len(rows(log))]
            assert on_stop == "abort" or len(rows(log)) == len(logged) == 160
            assert exit_code_of(log) == (0 if on_stop == "warn" else 1)
        _assert_uploaded(server, tmp_path, "finished" if on_stop == "warn" else "failed")
        assert not server.violations


def test_sync_that_watches_a_run_says_it_in_one_line(tmp_path):
    def longer(rows: int, exit_code: Optional[int]) -> bytes:
        return make_run(tmp_path / f"{rows}-{exit_code}", 1, rows, files=0, exit_code=exit_code).log.read_bytes()

    run = make_run(tmp_path / "runs", 1, rows=5, files=0, exit_code=None)
    with StrictServer() as server:
        watching = start_sync(tmp_path / "runs", environment(tmp_path, server), "--watch")
        server.wait_for(lambda held: held.runs and held.run(run.run_id).rows)
        server.edit(run.run_id, stopped=True)
        for rows_there, exit_code in ((7, None), (9, None), (9, 0)):
            content = longer(rows_there, exit_code)
            with run.log.open("ab") as log:
                log.write(content[run.log.stat().st_size :])
            server.wait_for(lambda held, wanted=rows_there: len(held.run(run.run_id).rows) == wanted)
        wait_for(lambda: is_marked(run.log), "the mark")
        watching.send_signal(signal.SIGINT)
        said, _complaints = watching.communicate(timeout=60)
        page = f"{server.url}/tester/made/runs/{run.run_id}"
        line = f"{run.log.parent.name} was asked to stop in W&B ({page}); the training hears nothing of it from here"
        assert said.count("asked to stop") == said.count(line) == 1
        assert not server.violations
