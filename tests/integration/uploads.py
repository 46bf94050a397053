"""Run logs to upload, `flarebridge sync` as a user calls it, and what has to be on the server afterwards."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import run_log_writer as writer
from strict_run import Run
from strict_server import StrictServer
from wandb.proto import wandb_internal_pb2 as pb

DEADLINE = 120  # seconds of one upload
_KEPT = ("PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
BINARY = os.environ.get("FLAREBRIDGE_BINARY", "flarebridge")


@dataclass
class Logged:
    """A run log and what it holds."""

    log: Path
    run_id: str
    rows: list[dict[str, Any]]
    console: list[str]
    files: dict[str, bytes]
    exit_code: Optional[int]

    def assert_on(self, server: StrictServer) -> None:
        """The server holds the run, each row once and in its place, and all else of it."""
        run = server.run(self.run_id)
        assert run.rows == self.rows
        assert [line.split(" ", 1)[1] for line in run.console] == self.console
        assert {name: run.files.get(name) for name in self.files} == self.files
        assert set(self.files) <= set(run.reported)
        assert run.exit_code == self.exit_code
        if self.rows:
            assert run.summary["loss"] == self.rows[-1]["loss"]


def make_run(
    folder: Path,
    number: int,
    rows: int,
    files: int = 1,
    exit_code: Optional[int] = 0,
    width: int = 0,
    first: int = 0,
    ours: bool = False,
) -> Logged:
    """A run of its own with rows, console lines and files. exit_code None: it has no end. width: characters of a text
    in each row. first: the first row's step, and how many seconds later than others it was begun: another part of the
    run. ours: with the mark by which flarebridge knows its own logs."""
    run_id = f"made{number:05d}"
    made = [
        {"loss": 1 / (step + 1), "epoch": {"number": step}, "text": f"{number} é" + "t" * width}
        for step in range(first, first + rows)
    ]
    console = [f"line {i} of {number}" for i in range(rows // 10)]
    names = {f"media/file{i}.txt": f"file {i} of {number}".encode() for i in range(files)}
    run = writer.run_record(run_id, project="made", entity="tester", display_name=f"run {number}")
    run.run.start_time.seconds += first
    if ours:
        run = writer.with_unknown_field(run, 7301, b"\x09" + b"\x01" * 8 + b"\x10\x01")
    records = [writer.header(), run]
    for i, row in enumerate(made, first):
        records += [writer.summary_update(row), writer.history(i, row)]
        if (i - first) % 10 == 9:
            output = pb.OutputRawRecord(output_type=pb.OutputRawRecord.STDOUT, line=console[(i - first) // 10] + "\n")
            output.timestamp.FromSeconds(writer.START_SECONDS + i)
            records.append(pb.Record(output_raw=output))
    records += [pb.Record(files=pb.FilesRecord(files=[pb.FilesItem(path=name)])) for name in names]
    if exit_code is not None:
        records.append(writer.exit_record(exit_code))
    log = writer.write_run(folder, run_id, records)
    for name, content in names.items():
        path = log.parent / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    rows_there = [
        {**row, "_step": i, "_runtime": float(i), "_timestamp": writer.START_SECONDS + i}
        for i, row in enumerate(made, first)
    ]
    return Logged(log, run_id, rows_there, console, names, exit_code)


def environment(home: Path, server: Optional[StrictServer] = None, **more: str) -> dict[str, str]:
    """A user's environment: nothing of the machine's W&B settings, quick repetitions."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS")
        if name in os.environ
    }
    given = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.key} if server else {}
    waits = {
        "WANDB_X_FILE_STREAM_RETRY_WAIT_MIN_SECONDS": "0.01",
        "WANDB_X_FILE_STREAM_RETRY_WAIT_MAX_SECONDS": "0.1",
        "WANDB_HTTP_TIMEOUT": "1",
    }
    return {**kept, "HOME": str(home), **waits, **given, **more}


def start_sync(folder: Path, environ: dict[str, str], *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [BINARY, "sync", *options, str(folder)], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def sync(folder: Path, environ: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    """`flarebridge sync [options] folder`, with a deadline."""
    return subprocess.run(
        [BINARY, "sync", *options, str(folder)], env=environ, capture_output=True, text=True, timeout=DEADLINE
    )  # fmt: skip


def kill_after(process: "subprocess.Popen[str]", seconds: float) -> None:
    """SIGKILL at that time, unless it has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_for_marks(runs: list[Logged], seconds: float = DEADLINE) -> None:
    """Until each run is marked as uploaded."""
    deadline = time.monotonic() + seconds
    while not all(is_marked(run.log) for run in runs):
        assert time.monotonic() < deadline, "not uploaded in time"
        time.sleep(0.05)  # between two looks


def is_marked(log: Path) -> bool:
    return Path(f"{log}.synced").exists()


def same_run(ours: Run, theirs: Run) -> None:
    """Two servers hold the same run, as far as a person can tell."""
    # Not the program: `wandb sync` names itself there.
    texts = ("display_name", "group", "job_type", "notes", "host", "sweep", "repo", "commit")
    for field in (*texts, "tags", "state", "exit_codes", "alerts", "preempting"):
        assert getattr(ours, field) == getattr(theirs, field), field
    for field in ("user_config", "rows"):
        # NaN is not equal to itself; as text it is.
        assert _text(getattr(ours, field)) == _text(getattr(theirs, field)), field
    assert _text(_said(ours.summary)) == _text(_said(theirs.summary)), "summary"
    assert len(ours.events) == len(theirs.events)
    for one, other in zip(ours.events, theirs.events):
        assert one.keys() == other.keys()
    # W&B's own gives console lines the time of their upload.
    assert [_without_time(line) for line in ours.console] == [_without_time(line) for line in theirs.console]
    assert set(ours.files) == set(theirs.files)
    for name in set(ours.files) - {"config.yaml", "wandb-metadata.json", "wandb-summary.json"}:
        assert ours.files[name] == theirs.files[name], name
    for name in {"wandb-metadata.json", "wandb-summary.json"} & set(ours.files):
        one, other = (_said(json.loads(held.files[name])) for held in (ours, theirs))
        assert _text(one) == _text(other), name
    assert _metrics(ours) == _metrics(theirs)
    assert _of_wandb(ours) == _of_wandb(theirs)


def _said(summary: dict[str, Any]) -> dict[str, Any]:
    """Of a null W&B's own sends nothing, which means the same to who reads it."""
    return {key: value for key, value in summary.items() if value is not None}


def _of_wandb(run: Run) -> dict[str, Any]:
    """Of the config what W&B's own pages read (`_wandb`), but for metrics and what `wandb sync` adds of itself: that
    it has synced (feature 76 of its telemetry) and with which version (12), and a new writer's id each time."""
    own = {name: value for name, value in run.config["_wandb"]["value"].items() if name != "m"}
    telemetry = {name: value for name, value in own["t"].items() if name != "12"}
    features = [feature for feature in telemetry.pop("3", []) if feature != 76]
    return {**own, "t": {**telemetry, "3": features}, "e": list(own.get("e", {}).values())}


def _metrics(run: Run) -> dict[str, Any]:
    """The run's metric definitions by name or glob. Their list's order is any: W&B's own gathers them in a hash map.
    Members are named by field numbers of MetricRecord: 1 name, 2 glob, 5 step metric as an index counted from 1."""
    listed = run.config["_wandb"]["value"].get("m", [])
    named = {
        metric.get("1") or metric["2"]: {**metric, "5": listed[metric["5"] - 1]["1"]} if "5" in metric else metric
        for metric in listed
    }
    assert len(named) == len(listed), "a metric is defined twice"
    return {name: _ordered(metric) for name, metric in named.items()}


def _ordered(metric: dict[str, Any]) -> dict[str, Any]:
    """Its options (6) and summaries (7) are sets, of which an empty one may be missing."""
    kept = {member: value for member, value in metric.items() if value != []}
    return {member: sorted(value) if isinstance(value, list) else value for member, value in kept.items()}


def _text(value: Any) -> str:
    """W&B's own sends 1.0 as 1."""
    return json.dumps(_with_whole_numbers(value), sort_keys=True)


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_whole_numbers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_time(line: str) -> str:
    return " ".join(word for i, word in enumerate(line.split(" ")) if not ("T" in word and ":" in word and i < 2))
