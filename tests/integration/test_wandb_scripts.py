"""`import flarebridge.wandb as wandb` beside W&B's own client: the same scripts leave the same runs."""

import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb_media_scripts  # noqa: F401
from bridge_driver import processes_with, wait_for
from run_log import config, exit_code, find_runs, read_records, rows, run, summary
from wandb_scripts import SCRIPTS, missing

_PLAYER = Path(__file__).with_name("script_player.py")
_OF_THE_CLIENTS = ("_wandb", "_timestamp", "_runtime")  # values that are not the script's


def _environment(home: Path, **more: str) -> dict[str, str]:
    """No key, no server, no settings of the machine's."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_") and key != "NETRC"}
    return {**own, "HOME": str(home), "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1", **more}


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> dict[str, Path]:
    """Who played the scripts -> the folder with a folder for each of them."""
    folders = {}
    for who in ("sdk", "ours"):
        folders[who] = folder = tmp_path_factory.mktemp(who)
        home = tmp_path_factory.mktemp(f"home-of-{who}")
        environment = _environment(home, WANDB_MODE="offline")
        subprocess.run([sys.executable, str(_PLAYER), who, str(folder)], env=environment, check=True, timeout=500)
    wait_for(lambda: not processes_with(str(folders["ours"])), "the end of the bridges")
    return folders


def _logs(folder: Path) -> list[Path]:
    """In the order in which they were begun, as far as their names tell; those of one second by what they hold."""
    return sorted(find_runs(folder), key=lambda log: str(sorted(config(log).items())))


def _own(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not key.startswith(_OF_THE_CLIENTS)}


def _comparable(value: Any) -> Any:
    """NaN equals itself; numbers are compared as JSON has them."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return value


def _said(log: Path) -> dict[str, Any]:
    """All that a script has said, as its run log has it."""
    record = run(log)
    return _comparable(
        {
            "rows": [_with_content(_own(row), log) for row in rows(log)],
            "config": _own(config(log)),
            # Of a null that was logged W&B's client has nothing here; readers take both for nothing.
            "summary": {
                key: value for key, value in _with_content(_own(summary(log)), log).items() if value is not None
            },
            "definitions": _definitions(log),
            "called": (record.display_name, record.notes, record.run_group, record.job_type, sorted(record.tags)),
            "belongs": (record.project or "uncategorized", record.entity),
            "exit": exit_code(log),
            "alerts": [
                str(record.alert) for record in read_records(log) if record.WhichOneof("record_type") == "alert"
            ],
        }
    )


def _with_content(row: dict[str, Any], log: Path) -> dict[str, Any]:
    """What is in the files that a row names, in the place of their names, which nobody may rely on."""
    found = dict(row)
    for key in [key for key in row if key.endswith(".path")]:
        name = key[: -len(".path")]
        media = {part: found.pop(f"{name}.{part}") for part in ("path", "sha256", "size")}
        found[name] = _content(media, log)
    return {key: _loaded(value, key, log) for key, value in found.items()}


def _loaded(value: Any, key: str, log: Path) -> Any:
    if isinstance(value, dict):
        media = {part: value[part] for part in ("path", "sha256", "size") if part in value} if "path" in value else {}
        kept = {part: _loaded(item, part, log) for part, item in value.items() if part not in media}
        return {**kept, "content": _content(media, log)} if media else kept
    if isinstance(value, list) and key.endswith("filenames"):
        folder = "media/object3D/" if not value[0].startswith("media/") else ""
        return [_content({"path": folder + path}, log) for path in value]
    return [_loaded(item, key, log) for item in value] if isinstance(value, list) else value


def _content(media: dict[str, Any], log: Path) -> Any:
    """JSON as values, images as pixels, all else as bytes; size and sum have to be those of the file."""
    path = log.parent / "files" / media["path"]
    content = path.read_bytes()
    assert media.get("size", len(content)) == len(content)
    assert media.get("sha256", hashlib.sha256(content).hexdigest()) == hashlib.sha256(content).hexdigest()
    assert hashlib.sha256(content).hexdigest()[:20] in path.name
    if path.suffix == ".json":
        return {"folder": str(Path(media["path"]).parent), "json": _without_addresses(json.loads(content))}
    if path.suffix == ".png":
        from PIL import Image

        image = Image.open(path)
        return {"folder": str(Path(media["path"]).parent), "pixels": (image.mode, image.size, image.tobytes())}
    return {"folder": str(Path(media["path"]).parent), "bytes": content}


def _without_addresses(content: Any) -> Any:
    """W&B's client numbers the layers of a graph by their places in memory."""
    for number, node in enumerate(content.get("nodes", ()) if isinstance(content, dict) else ()):
        if isinstance(node.get("id"), int):
            node["id"] = number
    return content


def _definitions(log: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in read_records(log):
        if record.WhichOneof("record_type") == "metric":
            metric = record.metric
            name = metric.name or metric.glob_name
            metric.ClearField("_control")
            found[name] = str(metric)
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_leaves_the_same_run_as_with_wandbs_client(played, name):
    if missing(name):
        pytest.skip(f"needs {', '.join(missing(name))}")
    theirs, ours = (_logs(played[who] / name) for who in ("sdk", "ours"))
    assert len(ours) == len(theirs)
    for ours_log, theirs_log in zip(ours, theirs):
        assert _said(ours_log) == _said(theirs_log)
