"""The examples with flarebridge.wandb, as a person calls them: a plain script, and a job on two sites."""

import re
import subprocess
import sys
from pathlib import Path

from bridge_driver import processes_with, wait_for
from own_script import environment_of
from run_log import config, find_runs, read_records, rows, run, summary

_JOBS = Path(__file__).resolve().parents[2] / "jobs"


def _call(example: str, folder: Path, *options: str) -> str:
    """What the example printed; the page that its last line names is there."""
    command = [sys.executable, str(_JOBS / example), "--folder", str(folder), *options]
    done = subprocess.run(command, env=environment_of(folder), capture_output=True, text=True, timeout=600)
    log = folder / "job.log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text()[-5000:] if log.exists() else "")
    wait_for(lambda: not processes_with(str(folder)), "the end of the bridges")
    page = re.fullmatch(r"Their curves, for a browser: (.*)", done.stdout.splitlines()[-1]).group(1)
    assert page == str(folder / "report.html")
    assert "<html" in Path(page).read_text()[:2000]
    return done.stdout


def test_the_plain_script_trains_and_says_where_its_curves_are(tmp_path):
    _call("wandb-script/train.py", tmp_path, "--epochs", "1", "--batch_size", "256")
    (log,) = find_runs(tmp_path)
    assert (run(log).project, run(log).display_name, config(log)["batch_size"]) == ("demo", "digits", 256)
    losses = [row["loss"] for row in rows(log) if "loss" in row]
    assert len(losses) == 6
    found = summary(log)
    assert found["loss"]["min"] == min(losses)
    assert 0 <= found["accuracy"] <= 1
    assert found["samples.count"] == 8
    assert (found["digits.nrows"], found["right_table._type"]) == (10, "table-file")
    assert config(log)["_wandb"]["visualize"]["right"]["panel_config"]["panelDefId"] == "wandb/bar/v0"


def test_the_job_has_a_run_of_each_site_with_all_that_its_script_logs(tmp_path):
    _call("wandb-flare/job.py", tmp_path, "--rounds", "2", "--train_args", "--epochs 2 --clouds 40 --batch_size 4")
    logs = {config(log)["client"]: log for log in find_runs(tmp_path)}
    assert sorted(logs) == ["site-1", "site-2"]
    for log in logs.values():
        found = rows(log)
        assert [row["_step"] for row in found if "Test/Accuracy" in row] == [0, 1, 2, 3]
        assert all(
            {"Train/Loss", "Test/Loss", "Test/Result.path", "Test/Cloud.path"} <= row.keys() for row in found[:4]
        )
        assert any("gradients/of_points.0.weight._type" in row for row in found)
        said = summary(log)
        assert said["graph_0"]["_type"] == "graph-file"
        assert (log.parent / "files" / said["graph_0"]["path"]).is_file()
        assert said["Test/Accuracy"]["max"] == max(row["Test/Accuracy"] for row in found if "Test/Accuracy" in row)
        assert (config(log)["lr"], config(log)["clouds"]) == (3e-3, 40)
    assert [
        record for log in logs.values() for record in read_records(log) if record.WhichOneof("record_type") == "stats"
    ]
