"""The page of a job's group, in which the runs of all its sites are: told once where there are many runs."""

import pytest
from bridge_driver import Driver, wait_for
from run_log_writer import exit_record, header, run_record, write_run
from strict_server import StrictServer
from uploads import environment, sync


def test_the_groups_page_is_told_once_for_all_sites_before_their_runs(tmp_path, monkeypatch):
    sites = [f"site-{number}" for number in range(3)]
    with StrictServer() as server:
        for name, value in environment(tmp_path, server).items():
            monkeypatch.setenv(name, value)
        receivers = {"wandb": {"project": "pro ject", "entity": "tester", "mode": "online"}}
        with Driver(tmp_path, receivers, run_name="a run/é") as driver:
            for site in sites:
                driver.start_run(site)
                driver.data(site, "METRIC", "loss", 0.5, 1)
            told = lambda: [text for _level, text in driver.reports if "View " in text]  # noqa: E731
            wait_for(lambda: len([text for text in told() if "View run at" in text]) == len(sites), "the runs' pages")
            driver.end()
        assert told()[0] == f"View group at {server.url}/tester/pro%20ject/groups/a%20run%2F%C3%A9-job"
        assert sum("View group at" in text for text in told()) == 1
        assert {run.group for run in server.runs.values()} == {"a run/é-job"}
        assert not server.violations


@pytest.mark.parametrize("app", ["", "https://pages.example.com"])
def test_sync_tells_each_group_once_at_its_end(tmp_path, app):
    for number in range(5):
        run = run_record(f"run{number}", project="made", entity="tester")
        run.run.run_group = ["one", "t w/o", ""][number % 3]
        write_run(tmp_path / "runs", f"run{number}", [header(), run, exit_record(0)])
    with StrictServer() as server:
        more = {"WANDB_APP_URL": app} if app else {}
        done = sync(tmp_path / "runs", environment(tmp_path, server, **more))
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        pages = f"{app or server.url}/tester/made/groups"
        assert lines[-3:-1] == [f"View group at {pages}/one", f"View group at {pages}/t%20w%2Fo"]
        assert lines[-1].startswith("5 runs, 0 rows, ")
        assert sum("View group at" in line for line in lines) == 2
