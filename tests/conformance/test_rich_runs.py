"""Definitions of metrics, the summary, what is said of a run, alerts and media, beside W&B's SDK.

The same calls are made of the SDK, offline, and of a bridge and its workers; both logs are judged by value.
"""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import uploads
from bridge_driver import Driver, children_of, wait_for
from strict_run import Run
from strict_server import StrictServer
from sync import sync
from wandb_tools import _environment, inspect, logs_below, records, rows

_BOX = {"position": {"minX": 0, "maxX": 1, "minY": 0, "maxY": 1}, "class_id": 1, "box_caption": "c"}
# Of each case the metrics have names of their own. (what, name, arguments)
_CALLS: list[tuple] = [
    ("define", "a_min", {"summary": "min"}), ("define", "a_max", {"summary": "max"}),
    ("define", "a_mean", {"summary": "mean"}), ("define", "a_last", {"summary": "last"}),
    ("define", "a_first", {"summary": "first"}), ("define", "a_none", {"summary": "none"}),
    ("define", "a_several", {"summary": "min,max,mean,first,last"}), ("define", "val/*", {"summary": "max"}),
    ("define", "val/own", {"summary": "min"}), ("define", "n.c", {"summary": "max"}),
    ("define", "a\\.dot", {"summary": "max"}), ("define", "hid", {"hidden": True}),
    ("define", "stepped", {"step_metric": "epoch"}),
    ("define", "unsynced", {"step_metric": "epoch", "step_sync": False}),
    ("define", "twice", {"summary": "min"}), ("define", "twice", {"summary": "max"}),
    ("define", "anew", {"summary": "min"}), ("define", "anew", {"summary": "mean", "overwrite": True}),
    ("define", "by_hand", {"summary": "max"}), ("define", "deleted", {"summary": "min,first"}),
    *[
        ("log", "", {name: value for name in ("a_min", "a_max", "a_mean", "a_last", "a_first", "a_none", "a_several",
                                              "val/x", "val/own", "a.dot", "hid", "twice", "anew", "by_hand", "deleted",
                                              "plain")}
         | {"n": {"c": value, "d": value}})
        for value in (3, 1.5, 7, -2, 4)
    ],
    ("log", "", {"stepped": 1}), ("log", "", {"epoch": 5, "stepped": 2}), ("log", "", {"stepped": 3}),
    ("log", "", {"unsynced": 4}), ("log", "", {"plain": 5}),
    ("summary", "by_hand", 99), ("summary", "free", {"x": [1, None, "t"]}),
    ("log", "", {"by_hand": 1}),
    ("delete", "deleted", None), ("log", "", {"deleted": 8}),
    ("delete", "plain", None),
    ("define", "by_hand", {"summary": "mean"}), ("log", "", {"by_hand": 2}),
    ("define", "copied", {"summary": "copy"}), ("log", "", {"copied": 6}), ("log", "", {"copied": 5}),
    ("alert", "a title", {"text": "its text", "level": "WARN"}),
]  # fmt: skip

_SDK = """
import json, sys, wandb
run = wandb.init(project="p", name="sdk", id="sdkrun01", mode="offline", dir=".",
                 settings=wandb.Settings(x_disable_stats=True, console="off"))
for what, name, more in json.load(open("calls.json")):
    if what == "define": run.define_metric(name, **more)
    if what == "log": run.log(more)
    if what == "summary": run.summary[name] = more
    if what == "delete": del run.summary[name]
    if what == "alert": run.alert(name, **more)
    if what == "media":
        made = {"html": lambda v: wandb.Html(v, inject=False),
                "molecule": lambda v: wandb.Molecule(v[0], caption=v[1]),
                "video": lambda v: wandb.Video(v[0], caption=v[1], format="gif")}
        kind, values = more
        objects = [made[kind](value) for value in values]
        value = objects if len(objects) > 1 else objects[0]
        *around, key = name.split(">")
        for component in reversed(around): key, value = component, {key: value}
        run.log({key: value})
run.finish()
"""


def _play_sdk(folder: Path, calls: list[tuple]) -> Path:
    (folder / "calls.json").write_text(json.dumps(calls))
    subprocess.run([sys.executable, "-c", _SDK], cwd=folder, env=_environment(folder), check=True, timeout=120)
    return logs_below(folder)["sdk"]


def _send(driver: Driver, what: str, name: str, more: Any) -> None:
    if what == "define":
        more = {**more, **({"summary": more["summary"].split(",")} if "summary" in more else {})}
        driver.data("s", "OPERATION", name, {"op": "define_metric", **more})
    elif what == "log":
        driver.data("s", "METRICS", "metrics", more)
    elif what == "summary":
        driver.data("s", "OPERATION", name, {"op": "summary", "value": more})
    elif what == "delete":
        driver.data("s", "OPERATION", name, {"op": "summary_delete"})
    elif what == "alert":
        driver.data("s", "OPERATION", name, {"op": "alert", **more})
    else:
        *around, key = name.split(">")
        kind, values = more
        objects = [_medium(kind, value) for value in values]
        value = {"_type": "list", "items": objects} if len(objects) > 1 else objects[0]
        driver.data("s", "MEDIA", key, {**value, "in": around})


def _medium(kind: str, value: Any) -> dict:
    if kind == "html":
        return {"_type": "html-file", "ext": ".html", "data": value.encode()}
    path, caption = value
    extension = {"molecule": ".pdb", "video": ".gif"}[kind]
    return {"_type": f"{kind}-file", "ext": extension, "data": Path(path).read_bytes(), "caption": caption}


def _play_ours(folder: Path, calls: list[tuple], **arguments: Any) -> Path:
    with Driver(folder, {"wandb": {"project": "p", **arguments}}, run_name="ours") as driver:
        driver.start_run("s")
        for call in calls:
            _send(driver, *call)
        driver.end()
    return logs_below(folder)["s-job-ours"]


def _set(tree: dict, path: list[str], value: Any) -> None:
    for component in path[:-1]:
        inner = tree.get(component)
        tree[component] = inner if isinstance(inner, dict) else {}
        tree = tree[component]
    tree[path[-1]] = value


def _summary(log: Path) -> dict:
    """As it stands at the log's end, nested, with what was deleted, without W&B's own."""
    tree: dict[str, Any] = {}
    for record in records(log):
        for item in record.summary.update:
            _set(tree, list(item.nested_key) or [item.key], json.loads(item.value_json))
        for item in record.summary.remove:
            tree.pop((list(item.nested_key) or [item.key])[0], None)
    return {key: value for key, value in tree.items() if not key.startswith("_")}


def _user_rows(log: Path) -> list[dict]:
    return [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows(log)]


def _definitions(config: dict) -> dict[str, dict]:
    """`_wandb.m` by name, with the step metric's name in place of its number; without those that define nothing."""
    listed = config["_wandb"]["value"]["m"]
    found = {}
    for metric in listed:
        step = listed[metric["5"] - 1]["1"] if "5" in metric else None
        of_metric = {"step": step, "options": sorted(metric.get("6", [])), "summary": sorted(metric.get("7", []))}
        found[metric.get("1") or metric["2"]] = of_metric
    return found


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Path:
    return _play_sdk(tmp_path_factory.mktemp("sdk"), _CALLS)


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    return _play_ours(tmp_path_factory.mktemp("ours"), _CALLS)


@pytest.fixture(scope="module")
def their_run(theirs) -> Run:
    """What `wandb sync` brings to a server of the SDK's log."""
    with StrictServer() as reference:
        assert sync(theirs.parent, reference).returncode == 0
        assert reference.violations == []
        return reference.run("sdkrun01")


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer() as running:
        yield running


def test_rows_have_the_values_that_the_sdk_writes_step_metrics_among_them(ours, theirs):
    assert _user_rows(ours) == _user_rows(theirs)


def test_the_summary_is_that_of_the_sdk(ours, theirs):
    assert _summary(ours) == _summary(theirs)


def test_killed_workers_change_nothing_of_it(theirs, tmp_path):
    with Driver(tmp_path, {"wandb": {"project": "p"}}, run_name="ours") as driver:
        driver.start_run("s")
        for number, call in enumerate(_CALLS):
            _send(driver, *call)
            if number % 15 == 14:
                for child in wait_for(lambda: children_of(driver.pid()), "a worker"):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
        driver.end()
    ours = logs_below(tmp_path)["s-job-ours"]
    assert _user_rows(ours) == _user_rows(theirs)
    assert _summary(ours) == _summary(theirs)
    kinds = [record.WhichOneof("record_type") for record in records(ours)]
    assert (kinds.count("alert"), kinds.count("metric")) == (1, sum(what == "define" for what, *_ in _CALLS))


def test_an_alert_is_that_of_the_sdk(ours, theirs):
    alerts = [[record.alert for record in records(log) if record.HasField("alert")] for log in (ours, theirs)]
    assert alerts[0] == alerts[1] and len(alerts[0]) == 1


def test_wandbs_own_reader_takes_the_log(ours, tmp_path):
    assert len(inspect(ours, tmp_path)) == len(list(records(ours)))


@pytest.mark.parametrize("tool", ["wandb", "flarebridge"])
def test_uploads_bring_the_same_definitions_and_summary(ours, their_run, tool, server, tmp_path):
    Path(f"{ours}.synced").unlink(missing_ok=True)
    if tool == "wandb":
        done = sync(ours.parent, server)
    else:
        done = uploads.sync(ours.parent, uploads.environment(tmp_path, server))
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.violations == []
    (our_run,) = server.runs.values()
    assert _definitions(our_run.config) == _definitions(their_run.config)
    for key, value in their_run.summary.items():
        assert key.startswith("_") or our_run.summary[key] == value, key
    assert [(a["title"], a["severity"], a["waitDuration"]) for a in our_run.alerts] == [
        (a["title"], a["severity"], a["waitDuration"]) for a in their_run.alerts
    ]


def test_a_run_online_brings_them_as_it_grows(tmp_path, server, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", server.key)
    calls = [*_CALLS, ("log", "", {"end": 1})]
    with Driver(tmp_path, {"wandb": {"project": "p", "mode": "online"}}, run_name="ours") as driver:
        driver.start_run("s")
        for call in calls:
            _send(driver, *call)
        driver.data("s", "OPERATION", "run", {"op": "run", "name": "renamed", "tags": ["t"], "notes": "n"})
        server.wait_for(lambda s: any(run.alerts and run.display_name == "renamed" for run in s.runs.values()))
        driver.end()
    server.wait_for(lambda s: all(run.complete for run in s.runs.values()))
    (run,) = server.runs.values()
    assert server.violations == []
    assert run.summary["a_several"] == {"min": -2, "max": 7, "mean": 2.7, "first": 3, "last": 4}
    assert (run.tags, run.notes) == (["t"], "n")
    assert _definitions(run.config)["stepped"]["step"] == "epoch"


def test_a_value_that_is_not_finite_spoils_nothing(tmp_path):
    values = [1.0, math.nan, 3.0, math.inf]
    calls = [("define", "loss", {"summary": "min,max,mean"}), *[("log", "", {"loss": value}) for value in values]]
    assert _summary(_play_ours(tmp_path, calls)) == {"loss": {"min": 1, "max": 3, "mean": 2}}


def _without_steps(value: Any) -> Any:
    """Paths of media without the number in them, which is the SDK's own counter."""
    if isinstance(value, dict):
        return {key: _without_steps(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_steps(item) for item in value]
    if isinstance(value, str) and value.count("_") >= 2 and "." in value:
        name, _number, rest = value.rsplit("_", 2)
        return f"{name}_{rest}"
    return value


def _media(log: Path) -> dict[str, bytes]:
    folder = log.parent / "files"
    found = [path for path in folder.rglob("*") if path.is_file() and "media" in path.parts]
    return {_without_steps(str(path.relative_to(folder))): path.read_bytes() for path in found}


def test_media_are_the_files_and_objects_of_the_sdk(tmp_path, server):
    pdb, gif = tmp_path / "x.pdb", tmp_path / "x.gif"
    pdb.write_text("ATOM\n")
    gif.write_bytes(b"GIF89a")
    calls = [
        ("media", "page", ("html", ["<p>x</p>"])),
        ("media", "around>deep>page", ("html", ["<p>y</p>"])),
        ("media", "with/slash", ("html", ["<p>z</p>"])),
        ("media", "pages", ("html", ["<p>x</p>", "<p>y</p>"])),
        ("media", "mol", ("molecule", [(str(pdb), "q")])),
        ("media", "mols", ("molecule", [(str(pdb), None), (str(pdb), "late")])),
        ("media", "film", ("video", [(str(gif), "z")])),
        ("media", "films", ("video", [(str(gif), "z"), (str(gif), None)])),
    ]
    for name in ("sdk", "ours"):
        (tmp_path / name).mkdir()
    theirs, ours = _play_sdk(tmp_path / "sdk", calls), _play_ours(tmp_path / "ours", calls)
    assert _without_steps(_user_rows(ours)) == _without_steps(_user_rows(theirs))
    assert _without_steps(_summary(ours)) == _without_steps(_summary(theirs))
    assert _media(ours) == _media(theirs)
    assert sync(ours.parent, server).returncode == 0
    assert server.violations == []
    (run,) = server.runs.values()
    uploaded = {_without_steps(name): content for name, content in run.files.items() if name.startswith("media/")}
    assert uploaded == _media(ours)


def test_classes_of_masks_and_boxes_are_where_wandb_looks_for_them(tmp_path, server):
    mask = {"height": 2, "width": 2, "data": b"\1\0\1\0", "class_labels": {"1": "cat"}}
    image = {
        "_type": "image-file", "pixels": {"height": 2, "width": 2, "channels": 1, "data": b"\0\1\2\3"},
        "masks": {"pred": mask}, "boxes": {"gt": {"box_data": [_BOX], "class_labels": {"1": "cat"}}},
    }  # fmt: skip
    with Driver(tmp_path, {"wandb": {"project": "p"}}, run_name="ours") as driver:
        driver.start_run("s")
        driver.data("s", "MEDIA", "img", image, step=1)
        driver.end()
    log = logs_below(tmp_path)["s-job-ours"]
    for upload in (lambda to: sync(log.parent, to), lambda to: uploads.sync(log, uploads.environment(tmp_path, to))):
        with StrictServer() as to:
            done = upload(to)
            assert done.returncode == 0, done.stdout + done.stderr
            assert to.violations == []
            (run,) = to.runs.values()
            own = run.config["_wandb"]["value"]
            for kind, layer in (("mask/class_labels", "pred"), ("bounding_box/class_labels", "gt")):
                name = f"img_wandb_delimeter_{layer}"
                assert own[kind] == {name: {"type": kind, "key": name, "value": {"1": "cat"}}}
            assert len([name for name in run.files if name.startswith("media/")]) == 3
        Path(f"{log}.synced").unlink(missing_ok=True)
