"""`flarebridge sync` brings all that a run log holds to the server, as `wandb sync` does with the same folder."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import run_log_writer as writer
from bridge_driver import Driver
from strict_run import Run
from strict_server import StrictServer
from sync import sync as wandb_sync
from uploads import environment, is_marked, same_run, sync
from wandb.proto import wandb_internal_pb2 as pb
from wandb.proto import wandb_telemetry_pb2 as telemetry_pb

_ID = "carried1"
_FEATURES = [[], ["STRUCTURED_CONSOLE_LOGS"]]


def _config(path: list[str], value: Any) -> pb.Record:
    record = pb.Record(config=pb.ConfigRecord())
    record.config.update.add(nested_key=path, value_json=json.dumps(value))
    return record


def _output(line: str, error: bool = False) -> pb.Record:
    stream = pb.OutputRawRecord.STDERR if error else pb.OutputRawRecord.STDOUT
    record = pb.Record(output_raw=pb.OutputRawRecord(output_type=stream, line=line))
    record.output_raw.timestamp.FromSeconds(writer.START_SECONDS)
    return record


def _run() -> pb.Record:
    """As the SDK writes it for a sweep's run in a git repository."""
    record = writer.run_record(_ID, entity="tester", sweep_id="sweep1", host="h1", tags=["a"])
    record.run.git.remote_url, record.run.git.commit = "https://git/x.git", "abc"
    record.run.config.update.add(key="lr", value_json="0.1")
    record.run.config.update.add(key="deep", value_json='{"x": {"y": 1}, "z": 2}')
    telemetry = record.run.telemetry
    telemetry.python_version, telemetry.cli_version = "3.11.8", "0.30.0"
    telemetry.huggingface_version, telemetry.platform = "4.1", "linux-x86_64"
    telemetry.imports_init.torch = telemetry.feature.watch = telemetry.env.jupyter = True
    telemetry.label.code_string = "c"
    return record


def _environment() -> pb.Record:
    machine = pb.EnvironmentRecord(
        os="Linux", python="CPython 3.11.8", program="train.py", code_path="src/train.py",
        code_path_local="train.py", args=["a"], host="h1", writer_id="writer1", docker="image",
    )  # fmt: skip
    machine.git.remote_url, machine.git.commit = "https://git/x.git", "abc"
    machine.disk["/"].total, machine.disk["/"].used = 5, 3
    machine.apple.name, machine.apple.ecpu_cores, machine.apple.ram_total_bytes = "M1", 4, 2**33
    machine.gpu_nvidia.add(name="A100", memory_total=7)
    machine.gpu_amd.add(id="0", model="mi")
    machine.trainium.name = machine.tpu.name = machine.coreweave.cluster_name = "c"
    machine.started_at.FromSeconds(writer.START_SECONDS)
    return pb.Record(environment=machine)


def _everything() -> list[pb.Record]:
    """A log of all kinds of records that are no row, no file and no artifact."""
    more = telemetry_pb.TelemetryRecord()
    more.imports_finish.transformers = more.feature.offline = True
    alert = pb.AlertRecord(title="title", text="text", level="WARN", wait_duration=60_000)
    mask = {"type": "mask", "key": "img", "value": {"0": "sky"}}
    return [
        writer.header(),
        _run(),
        pb.Record(telemetry=more),
        _environment(),
        _config(["_wandb", "visualize", "chart"], {"panel_type": "Vega2", "panel_config": {"fields": ["x"]}}),
        _config(["_wandb", "mask/class_labels", "img_wandb_delimeter_pred"], mask),
        _config(["_wandb", "framework"], "torch"),
        _config(["deep", "x", "y"], 3),
        writer.summary_update({"loss": 1, "object": {"a": 1, "b": 2}, "_step": 0}),
        writer.history(0, {"loss": 1}),
        _output("hello\n"),
        _output("error\n", error=True),
        _output("10 %\r20 %\n"),
        _output("x" * 5000 + "\n"),
        pb.Record(alert=alert),
        pb.Record(preempting=pb.RunPreemptingRecord()),
        writer.exit_record(1),
    ]


def _upload_both(folder: Path, *features: str) -> tuple[Run, Run]:
    """Uploads the folder "made" by flarebridge and by W&B's own, to a server each. Gives what the two hold."""
    ours, theirs = folder / "ours", folder / "theirs"
    for copy in (ours, theirs):
        shutil.copytree(folder / "made", copy)
    with StrictServer() as server, StrictServer() as other:
        server.features = other.features = list(features)
        done = sync(ours, environment(folder, server))
        assert done.returncode == 0, done.stderr
        for log in sorted(theirs.rglob("*.wandb")):
            wandb_sync(log.parent, other)
        assert not server.violations
        (run,), (wandbs,) = server.runs.values(), other.runs.values()
    return run, wandbs


@pytest.mark.parametrize("features", _FEATURES, ids=["plain", "structured"])
def test_everything_that_is_no_row_arrives_as_by_wandb_sync(tmp_path: Path, features: list[str]):
    log = writer.write_run(tmp_path / "made", _ID, _everything())
    run, wandbs = _upload_both(tmp_path, *features)
    contents = [_console_of(held) for held in (run, wandbs)]
    assert contents[0] == contents[1]
    for held in (run, wandbs):
        del held.streams["output.log"]
    # W&B's own cuts the file as it cuts the lines; a file of ours has all.
    assert run.files.pop("output.log").splitlines()[3] == b"x" * 5000
    wandbs.files.pop("output.log")
    # It uploads no metadata of a log that it has not written itself.
    assert json.loads(run.files.pop("wandb-metadata.json"))["apple"]["ramTotalBytes"] == str(2**33)
    wandbs.files.pop("wandb-metadata.json", None)
    same_run(run, wandbs)
    assert (run.sweep, run.program, run.preempting) == ("sweep1", "train.py", True)
    assert list(run.config["_wandb"]["value"]["e"]) == ["writer1"]
    assert [alert["title"] for alert in run.alerts] == ["title"]
    assert run.user_config["deep"] == {"x": {"y": 3}, "z": 2}
    assert is_marked(tmp_path / "ours" / log.parent.name / log.name)


def _console_of(run: Run) -> list[Any]:
    """Lines without their times; W&B's own gives them the time of the upload."""
    if run.console[0].startswith("{"):
        return [{name: value for name, value in json.loads(line).items() if name != "ts"} for line in run.console]
    return [line.replace(line.removeprefix("ERROR ").split(" ")[0], "time", 1) for line in run.console]


def test_a_value_that_is_no_json_is_left_out_and_counted(tmp_path: Path):
    """Of a row, of the summary, of the config: the rest of the record arrives, and nothing that is no JSON is sent."""
    row, summary, config = writer.history(1, {"loss": 2}), writer.summary_update({"good": 1}), _config(["lr"], 1)
    row.history.item.add(nested_key=["bad"], value_json="nope")
    summary.summary.update.add(nested_key=["bad"], value_json="{")
    config.config.update.add(nested_key=["bad"], value_json="")
    run = writer.run_record(_ID, entity="tester")
    records = [writer.header(), run, config, writer.history(0, {"loss": 1}), summary, row, writer.exit_record()]
    log = writer.write_run(tmp_path / "made", _ID, records)
    ours, theirs = _upload_both(tmp_path)
    assert ours.rows == theirs.rows
    assert ours.user_config == theirs.user_config == {"lr": 1}
    assert ours.summary["good"] == 1
    assert "bad" not in ours.summary
    assert is_marked(tmp_path / "ours" / log.parent.name / log.name)


def _part(number: int, steps: list[int], config: dict[str, Any], resume: bool) -> list[pb.Record]:
    run = writer.run_record(_ID, entity="tester")
    run.run.resume = resume
    run.run.start_time.seconds += 100 * number
    for key, value in config.items():
        run.run.config.update.add(key=key, value_json=json.dumps(value))
    records = [writer.header(), run]
    for name in ("visualize", "viz", "mask/class_labels", "bounding_box/class_labels", "framework"):
        records.append(_config(["_wandb", name, f"of{number}"], {"n": number}))
    for step in steps:
        logged = {"loss": step + 10 * number}
        records += [writer.summary_update({**logged, f"only{number}": 1, "_step": step}), writer.history(step, logged)]
    return [*records, writer.exit_record()]


@pytest.mark.parametrize(
    ("steps", "resume"),
    [([0, 1, 2], True), ([0, 2, 3, 9, 10], True), ([30, 31], True), ([0, 1, 2], False)],
    ids=["from 0", "with gaps", "far ahead", "not resumed"],
)
def test_a_resumed_part_counts_on_as_by_wandb_sync(tmp_path: Path, steps: list[int], resume: bool):
    made = tmp_path / "made"
    writer.write_run(made / "1", _ID, _part(0, list(range(5)), {"lr": 1, "both": 1}, resume=False))
    writer.write_run(made / "2", _ID, _part(1, steps, {"new": 2, "both": 2}, resume))
    run, wandbs = _upload_both(tmp_path)
    assert run.rows == wandbs.rows
    assert run.summary == wandbs.summary
    assert run.user_config == wandbs.user_config
    own, theirs = (dict(held.config["_wandb"]["value"]) for held in (run, wandbs))
    for held in (own, theirs):
        del held["t"]
    assert {**own, "cli_version": None} == {**theirs, "cli_version": None}  # the log tells none
    assert ("lr" in run.user_config, "of0" in own["visualize"]) == (resume, resume)
    assert run.user_config["both"] == 2


def test_a_run_of_ours_arrives_as_by_wandb_sync(tmp_path: Path):
    with Driver(tmp_path, {"wandb": {"project": "made", "entity": "tester", "config": {"lr": 0.1}}}) as driver:
        for step in range(3):
            driver.data("site-1", "METRICS", "metrics", {"loss": 1 / (step + 1)}, step=step)
        driver.end()
    (log,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    shutil.copytree(log.parent, tmp_path / "made" / log.parent.name, ignore=shutil.ignore_patterns("logs"))
    run, wandbs = _upload_both(tmp_path)
    same_run(run, wandbs)
    own = run.config["_wandb"]["value"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", own["cli_version"])
    assert own["e"]


def test_alerts_of_a_log_are_raised_once_however_often_it_is_uploaded(tmp_path: Path):
    writer.write_run(tmp_path / "made", _ID, _everything())
    with StrictServer() as server:
        for _ in range(2):
            done = sync(tmp_path / "made", environment(tmp_path, server), "--again")
            assert done.returncode == 0, done.stderr
        assert len(server.run(_ID).alerts) == 1
        assert not server.violations


def test_a_value_that_is_nested_too_deep_is_named_and_takes_nothing_with_it(tmp_path: Path):
    deep = ["a"] * 100_000
    row, summary = writer.history(0, {"loss": 1.0}), writer.summary_update({"loss": 1.0})
    for items in (row.history.item, summary.summary.update):
        items.add(nested_key=deep, value_json="2")
    lists = _config(["lists"], 1)
    lists.config.update[0].value_json = "[" * 100_000 + "]" * 100_000
    records = [writer.header(), writer.run_record(_ID, entity="tester"), _config(deep, 1), lists, _config(["lr"], 0.1)]
    log = writer.write_run(tmp_path / "made", _ID, [*records, summary, row, writer.exit_record(0)])
    with StrictServer() as server:
        done = sync(tmp_path / "made", environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert "not uploaded: 4 values that are nested deeper than 500" in done.stderr
        run = server.run(_ID)
        assert (run.user_config, [row["loss"] for row in run.rows]) == ({"lr": 0.1}, [1.0])
        assert is_marked(log)
        assert not server.violations
