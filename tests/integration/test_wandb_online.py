"""A script that logs with flarebridge.wandb while its run is uploaded: the strict server's run is the log's."""

import os
import subprocess
import sys
from pathlib import Path

from bridge_driver import processes_with, wait_for
from run_log import find_runs
from strict_server import StrictServer
from uploads import environment, is_marked, sync
from wandb_tools import rows

_SCRIPT = """
import sys
import flarebridge.wandb as wandb

run = wandb.init(project="mine", entity="tester", name="named", config={"lr": 0.1}, tags=["a"], **arguments)
wandb.define_metric("loss", summary="min")
wandb.log({"page": wandb.Html("<p>hi</p>", inject=False), "loss": 2.0})
for step in range(20):
    wandb.log({"loss": 1.0 / (step + 1), "n": {"x": step}})
    if step == 10:
        print(run.url, flush=True)
        sys.stdin.readline()
wandb.finish()
"""


def _start(folder: Path, server: StrictServer, arguments: str, **more: str) -> subprocess.Popen:
    given = {name: os.environ[name] for name in ("PYTHONPATH", "FLAREBRIDGE_BINARY", "TMPDIR") if name in os.environ}
    code = f"arguments = {arguments}\n{_SCRIPT}"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env={**environment(folder, server, **given), **more}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _flat(row: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in row.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def _assert_uploaded(server: StrictServer, folder: Path) -> None:
    (log,) = find_runs(folder)
    held = server.run("live")
    assert [_flat(row) for row in held.rows] == rows(log)
    assert held.files[held.rows[0]["page"]["path"]] == b"<p>hi</p>"
    assert held.state == "finished"
    assert is_marked(log)


def test_with_a_key_a_run_is_uploaded_while_its_script_runs(tmp_path):
    with StrictServer() as server:
        process = _start(tmp_path, server, "{'id': 'live'}")
        assert process.stdout.readline() == f"{server.url}/tester/mine/runs/live\n"
        server.wait_for(lambda held: held.runs and len(held.run("live").rows) >= 10)
        _out, err = process.communicate("\n", timeout=120)
        assert process.returncode == 0, err
        wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
        _assert_uploaded(server, tmp_path)


def test_what_is_written_offline_is_uploaded_by_a_command_later(tmp_path):
    with StrictServer() as server:
        process = _start(tmp_path, server, "{'id': 'live', 'mode': 'offline'}")
        _out, err = process.communicate("\n", timeout=120)
        assert process.returncode == 0, err
        wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
        assert not server.runs
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        _assert_uploaded(server, tmp_path)
