"""Tables and charts of `flarebridge.wandb` beside those of W&B's own client: files, artifacts, rows, definitions."""

import base64
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uploads
from bridge_driver import children_of, processes_with, wait_for
from own_script import environment_of, log_below, play, start
from run_log import config, find_runs, read_records, rows, summary
from strict_server import StrictServer
from sync import sync
from wandb_table_scripts import CHARTS, RAISES, TABLES

_PLAYER = Path(__file__).with_name("wandb_table_scripts.py")
_SCHEME = "wandb-client-artifact://"


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> dict[str, Path]:
    """Who logged the tables -> the run's log."""
    logs = {}
    for who in ("sdk", "ours"):
        folder = tmp_path_factory.mktemp(who)
        environment = environment_of(tmp_path_factory.mktemp("home"), WANDB_SILENT="true")
        subprocess.run([sys.executable, str(_PLAYER), who, str(folder)], env=environment, check=True, timeout=300)
        wait_for(lambda folder=folder: not processes_with(str(folder)), "the end of the bridge")
        (logs[who],) = find_runs(folder)
    return logs


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else ("float", value)
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return [_comparable(item) for item in value] if isinstance(value, list) else value


def _artifacts(log: Path) -> dict[str, Any]:
    """By the client's id."""
    found = [record.artifact for record in read_records(log) if record.WhichOneof("record_type") == "artifact"]
    assert len({artifact.client_id for artifact in found}) == len(found)
    return {artifact.client_id: artifact for artifact in found}


def _contents(artifact: Any) -> dict[str, bytes]:
    """An artifact's files by their paths; sizes and digests have to be right."""
    found = {}
    manifest = hashlib.md5(b"wandb-artifact-manifest-v1\n")
    for entry in artifact.manifest.contents:
        content = Path(entry.local_path).read_bytes()
        assert os.path.isabs(entry.local_path)
        assert (entry.size, entry.digest) == (len(content), base64.b64encode(hashlib.md5(content).digest()).decode())
        manifest.update(f"{entry.path}:{entry.digest}\n".encode())
        found[entry.path] = content
    assert list(found) == sorted(found)
    assert artifact.digest == manifest.hexdigest()
    return found


def _cells(value: Any, files: dict[str, bytes]) -> Any:
    """With what is in files in the place of their names."""
    if isinstance(value, dict) and "path" in value and "sha256" in value:
        content = files[value["path"]]
        assert hashlib.sha256(content).hexdigest() == value["sha256"]
        kept = {key: item for key, item in value.items() if key not in ("path", "sha256")}
        return {**kept, "folder": str(Path(value["path"]).parent), "content": content}
    return [_cells(item, files) for item in value] if isinstance(value, list) else value


def _table(log: Path, key: str) -> Any:
    """All that is known of the table that stands in a row under a key."""
    (row,) = [row for row in rows(log) if f"{key}._type" in row]
    values = {name[len(key) + 1 :]: value for name, value in row.items() if name.startswith(f"{key}.")}
    return _known_of(log, values)


def _known_of(log: Path, values: dict[str, Any]) -> Any:
    content = (log.parent / "files" / values.pop("path")).read_bytes()
    assert (values.pop("sha256"), values.pop("size")) == (hashlib.sha256(content).hexdigest(), len(content))
    client_id, name = values.pop("artifact_path").removeprefix(_SCHEME).split("/", 1)
    artifact = _artifacts(log)[client_id]
    sequence, same_name = values.pop("_latest_artifact_path").removeprefix(_SCHEME).split("/", 1)
    assert (sequence, same_name) == (f"{artifact.sequence_client_id}:latest", name)
    assert (len(artifact.client_id), len(artifact.sequence_client_id)) == (128, 128)
    files = _contents(artifact)
    kept = json.loads(files[name])
    kept["data"] = _cells(kept["data"], files)
    rest = type(artifact)()
    rest.CopyFrom(artifact)
    for field in ("client_id", "sequence_client_id", "digest"):
        rest.ClearField(field)
    del rest.manifest.contents[:]
    return _comparable([values, name, json.loads(content), kept, str(rest)])


@pytest.mark.parametrize("key", [*TABLES, "in/side", "sp ace.é", "around.table"])
def test_a_table_is_as_wandbs_client_leaves_it(played, key):
    theirs, ours = (_table(played[who], key) for who in ("sdk", "ours"))
    assert ours == theirs


@pytest.mark.parametrize("key", [name for name in CHARTS if name not in ("nested", "visualized")])
def test_a_chart_is_as_wandbs_client_leaves_it(played, key):
    table = f"{key}_table" if "own" not in key else f"Custom Chart Tables/{key}_table"
    theirs, ours = (_table(played[who], table) for who in ("sdk", "ours"))
    assert ours == theirs


def test_what_charts_show_is_in_the_config_and_dicts_around_them_in_their_names(played):
    theirs, ours = (config(played[who])["_wandb"] for who in ("sdk", "ours"))
    assert ours["visualize"] == theirs["visualize"]
    assert ours["viz"] == theirs["viz"]
    assert _table(played["ours"], "nested.chart_table") == _table(played["sdk"], "nested.chart_table")
    assert _table(played["ours"], "visualized") == _table(played["sdk"], "visualized")


def test_the_summary_has_the_tables_too(played):
    for who in ("sdk", "ours"):
        found = summary(played[who])
        assert all(found[f"{key}._type"] == "table-file" for key in TABLES), who


def test_a_table_that_is_set_in_the_summary_is_as_wandbs_client_leaves_it(played):
    found = []
    for log in played.values():
        (item,) = [item for record in read_records(log) for item in record.summary.update if item.key == "best"]
        found.append(_known_of(log, json.loads(item.value_json)))
    assert found[0] == found[1]


@pytest.mark.parametrize("who", ["wandb", "flarebridge"])
def test_sync_uploads_the_tables_with_their_artifacts(played, tmp_path, who):
    folder = tmp_path / played["ours"].parent.name  # sync leaves a mark beside the log
    shutil.copytree(played["ours"].parent, folder)
    with StrictServer() as server:
        if who == "wandb":
            done = sync(folder, server, seconds=300)
        else:
            done = uploads.sync(folder, uploads.environment(tmp_path / "home", server))
            assert uploads.is_marked(folder / played["ours"].name)
        assert (done.returncode, server.violations) == (0, []), done.stderr
        held = {artifact.input["clientID"]: artifact for artifact in server.artifacts.made}
        assert held.keys() == _artifacts(played["ours"]).keys()
        for client_id, artifact in _artifacts(played["ours"]).items():
            assert held[client_id].state == "COMMITTED"
            assert held[client_id].contents.keys() == _contents(artifact).keys()


@pytest.mark.parametrize("name", RAISES)
def test_what_is_no_table_raises_as_wandbs_client_does(played, name):
    theirs, ours = ([row[f"raised {name}"] for row in rows(played[who]) if f"raised {name}" in row] for who in played)
    assert ours == theirs


def test_a_table_that_has_grown_is_written_anew_and_one_that_has_not_is_the_same(tmp_path):
    play(
        tmp_path,
        """
        wandb.init()
        table = wandb.Table(columns=["a"], data=[[1]])
        wandb.log({"t": table})
        wandb.log({"t": table})
        table.add_data(2)
        wandb.log({"t": table})
        wandb.finish()
        """,
    )
    log = log_below(tmp_path)
    found = rows(log)
    assert [row["t.nrows"] for row in found] == [1, 1, 2]
    assert found[0]["t.artifact_path"] == found[1]["t.artifact_path"] != found[2]["t.artifact_path"]
    assert len(_artifacts(log)) == 2
    assert [json.loads((log.parent / "files" / row["t.path"]).read_bytes())["data"] for row in found] == [
        [[1]], [[1]], [[1], [2]],
    ]  # fmt: skip


def test_what_a_table_can_not_hold_is_told_and_harms_nothing(tmp_path):
    _, told = play(
        tmp_path,
        """
        wandb.init()
        class Own:
            def __str__(self): return "own"
        odd = [[Own(), 2**70, 1+2j, "\\ud800", b"\\xff", {3: {4: [object]}}]]
        wandb.log({"odd": wandb.Table(columns=list("abcdef"), data=odd), "loss": 1})
        deep = []
        for _ in range(40): deep = [deep]
        wandb.log({"deep": wandb.Table(columns=["a"], data=[[deep]], allow_mixed_types=True), "loss": 2})
        wandb.log({"inner": wandb.Table(columns=["a"], data=[[wandb.Table()]]), "loss": 3})
        wandb.log({"list": [wandb.Table()], "loss": 4})
        wandb.log({"large": wandb.Table(columns=["a"], data=[["x" * 1000] for _ in range(2000)]), "loss": 5})
        wandb.finish()
        """,
    )
    log = log_below(tmp_path)
    found = rows(log)
    assert [row["loss"] for row in found] == [1, 2, 3, 4, 5]
    kept = json.loads((log.parent / "files" / found[0]["odd.path"]).read_bytes())
    assert kept["data"][0][:5] == ["own", float(2**70), "1+2j", "?", [255]]
    assert found[1]["deep._type"] == "table-file"
    assert found[4]["large.nrows"] == 2000
    assert all(f"{name}: " in told for name in ("inner", "list"))


def _workers(folder: Path) -> list[int]:
    bridges = [pid for pid, line in processes_with(str(folder)).items() if " serve " in line]
    return [child for bridge in bridges for child in children_of(bridge)]


def test_a_table_is_written_once_however_often_its_worker_dies(tmp_path):
    process = start(
        tmp_path,
        """
        wandb.init()
        for number in range(60):
            wandb.log({"t": wandb.Table(columns=["a"], data=[[number]] * 50), "n": number})
            print(number, flush=True)
            sys.stdin.readline()
        wandb.finish()
        """,
    )
    for number in range(60):
        assert process.stdout.readline() == f"{number}\n"
        if number % 10 == 5:
            os.kill(wait_for(lambda: _workers(tmp_path), "the worker")[0], signal.SIGKILL)
        process.stdin.write("\n")
        process.stdin.flush()
    process.communicate(timeout=120)
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
    log = log_below(tmp_path)
    found = rows(log)
    assert [row["n"] for row in found] == list(range(60))
    records = [record.artifact for record in read_records(log) if record.WhichOneof("record_type") == "artifact"]
    assert len({record.client_id for record in records}) == 60
    for row in found:
        content = json.loads((log.parent / "files" / row["t.path"]).read_bytes())
        assert content["data"] == [[row["n"]]] * 50
        client_id = row["t.artifact_path"].removeprefix(_SCHEME).split("/")[0]
        assert client_id in {record.client_id for record in records}
