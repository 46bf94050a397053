"""What flarebridge writes is read by W&B's own tools, whole and unchanged.

The runs are made by a real bridge and real workers, driven by a real link without NVFlare, so that
every kind of value can be sent.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bridge_driver import Driver, wait_for
from wandb_server import WandbServer
from wandb_tools import inspect, logs_below, records, rows, run_of, summary, sync

_ROWS = 400
_CHECKPOINT = b"\xc2\xc8\x03"  # field 7304, ours: what the log says before it
_RECEIVERS = {
    "wandb": {
        "project": "conformance", "entity": "tester", "job_type": "train", "notes": "two\nlines", "tags": ["a", "b c"],
        "config": {"lr": 0.1, "layers": [1, 2], "nested": {"x": {"y": None}}, "name": "ünï"},
    }
}  # fmt: skip


def _metrics(step: int) -> dict:
    return {
        "loss": 1 / (step + 1),
        "count": step,
        "large": 2**53 + step,
        "nested": {"inner": {"value": step * 0.5}},
        "text": f"row {step} é",
        "flag": step % 2 == 0,
        "list": [1, 2.5, "x"],
        "not a number": math.nan,
        "infinite": -math.inf,
        "padding": "p" * 12_000,  # the log is to have a checkpoint, of which there is one in 4 MiB
    }


def _flat(metrics: dict) -> dict:
    """As W&B shows it: nested keys joined by dots."""
    flat = {key: value for key, value in metrics.items() if key != "nested"}
    return {**flat, "nested.inner.value": metrics["nested"]["inner"]["value"]}


def _comparable(value: Any) -> Any:
    """The value with NaN, which equals nothing, as a text. wandb-core sends 1.0 as 1: Python calls them equal."""
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _same(left: dict, right: dict) -> bool:
    return _comparable(left) == _comparable(right)


def _user_part(row: dict) -> dict:
    return {key: value for key, value in row.items() if not key.startswith("_")}


@pytest.fixture(scope="module")
def run_log(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with Driver(folder, _RECEIVERS, run_name="conformance") as driver:
        driver.start_run("site-1")
        for step in range(_ROWS):
            driver.data("site-1", "METRICS", "metrics", _metrics(step), step=step)
        wait_for(lambda: any(_CHECKPOINT in log.read_bytes() for log in folder.rglob("run-*.wandb")), "a checkpoint")
        driver.data("site-1", "PARAMETERS", "params", {"optimizer": "sgd", "depth": 3})
        driver.data("site-1", "TAG", "stage", "final")
        driver.data("site-1", "TEXT", "text", "what happened\n", path="notes/log.txt")
        driver.data("site-1", "LOG_RECORD", "console", "a line")
        driver.data("site-1", "TEXT", "remark", "as history", step=_ROWS)
        driver.end()
    return logs_below(folder)["site-1-job-conformance"]


def test_the_log_is_more_than_a_block_and_strictly_right(run_log):
    kinds = [record.WhichOneof("record_type") for record in records(run_log)]
    assert run_log.stat().st_size > 3 * 32768
    assert kinds[:3] == ["header", "run", "environment"]
    assert kinds[-2:] == ["exit", "final"]
    assert None not in kinds
    assert [record.num for record in records(run_log)] == list(range(1, len(kinds) + 1))


def test_every_row_holds_what_was_logged(run_log):
    found = rows(run_log)
    assert len(found) == _ROWS + 1
    for step, row in enumerate(found[:_ROWS]):
        assert row["_step"] == step
        assert _same(_user_part(row), _flat(_metrics(step)))
    assert _user_part(found[-1]) == {"remark": "as history"}
    assert all(found[i]["_runtime"] <= found[i + 1]["_runtime"] for i in range(_ROWS))


def test_the_run_record_says_who_it_is(run_log):
    run = run_of(run_log)
    assert (run.project, run.entity, run.job_type, run.notes) == ("conformance", "tester", "train", "two\nlines")
    assert run.display_name == "site-1-job-conformance"
    assert run.run_group == "conformance-job"
    assert list(run.tags) == ["a", "b c", "stage:final"]
    assert run.telemetry.feature.lib_cpp
    assert abs(run.start_time.ToSeconds() - time.time()) < 300


def test_wandbs_own_reader_yields_the_same_records(run_log, tmp_path):
    theirs = inspect(run_log, tmp_path)
    ours = list(records(run_log))
    assert [record["num"] for record in theirs] == [record.num for record in ours]
    assert [record["type"] for record in theirs] == [record.WhichOneof("record_type") for record in ours]


def test_wandb_sync_uploads_the_run_completely(run_log, tmp_path):
    with WandbServer() as server:
        done = sync(run_log.parent, server.url, server.key, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "rror" not in done.stderr, done.stderr
        assert server.violations == []
        (run,) = server.runs.values()
    assert (run_log.parent / f"{run_log.name}.synced").exists()
    assert run.exit_code == 0
    assert len(run.rows) == _ROWS + 1
    for step, row in enumerate(run.rows[:_ROWS]):
        nested = {key: value for key, value in _metrics(step).items() if key != "nested"}
        nested["nested"] = _metrics(step)["nested"]
        assert row["_step"] == step
        assert _same(_user_part(row), nested)
    assert run.user_config == {
        **_RECEIVERS["wandb"]["config"], "optimizer": "sgd", "depth": 3, "stage": "final",
        "job_id": "job", "client": "site-1", "run_name": "conformance",
    }  # fmt: skip
    assert run.tags == ["a", "b c", "stage:final"]
    assert (run.project, run.group, run.job_type, run.notes) == (
        "conformance",
        "conformance-job",
        "train",
        "two\nlines",
    )
    assert run.files["notes/log.txt"] == b"what happened\n"
    assert run.summary["count"] == _ROWS - 1
    assert run.summary["remark"] == "as history"
    assert any("a line" in line for line in run.lines("output.log"))
    local = {key: value for key, value in summary(run_log).items() if not key.startswith("_") and "." not in key}
    assert all(_same({key: run.summary[key]}, {key: value}) for key, value in local.items())


def test_the_server_notices_a_breach_of_the_protocol():
    """The judge itself is judged: lines behind a gap, other content and lines after the end are breaches."""
    with WandbServer() as server:
        server.graphql("mutation UpsertBucket", {"name": "r"})
        line = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{}"]}}}
        assert server.file_stream("r", line) == 200
        assert server.file_stream("r", {"files": {"wandb-history.jsonl": {"offset": 2, "content": ["{}"]}}}) == 400
        assert server.file_stream("r", {"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{1}"]}}}) == 400
        assert server.file_stream("r", {"complete": True, "exitcode": 0}) == 200
        assert server.file_stream("r", line) == 400
        assert server.file_stream("unknown", line) == 404
        assert len(server.violations) == 4
