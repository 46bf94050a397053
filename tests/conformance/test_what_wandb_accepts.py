"""What `wandb sync` and W&B's reader make of logs that its own SDK would not write, but flarebridge may.

The logs are made to measure, so that a change in wandb shows here, and not as a riddle in a test of ours.
"""

from pathlib import Path

import pytest
from run_log import as_inspected, inspect_with_wandb, read_records, scan
from run_log_writer import (
    exit_record,
    header,
    history,
    run_record,
    summary_update,
    with_unknown_field,
    write_run,
)
from strict_run import Run
from strict_server import StrictServer
from sync import sync
from wandb.proto import wandb_internal_pb2 as pb

_ID = "made0001"
_SUMMARY = {"loss": 0.5, "_step": 2}


def _history(*steps: int) -> list[pb.Record]:
    return [history(step, {"place": place}) for place, step in enumerate(steps)]


def _upload(folder: Path, records: list[pb.Record]) -> Run:
    """Lets wandb read and upload a log of the records, without a complaint. Gives what the server holds."""
    log = write_run(folder, _ID, records)
    inspected = inspect_with_wandb(log)
    assert inspected.complaint == ""
    assert inspected.records == [as_inspected(record) for record in read_records(log)]
    with StrictServer() as server:
        done = sync(log.parent, server)
        assert done.returncode == 0, done.stderr
        assert "rror" not in done.stderr
        assert server.violations == []
        held = server.run(_ID)
    assert (log.parent / f"{log.name}.synced").exists()
    assert (held.state, held.exit_codes) == ("finished", [0])
    return held


def _steps(held: Run) -> list[int]:
    return [row["_step"] for row in held.rows]


def _places(held: Run) -> list[int]:
    return [row["place"] for row in held.rows]


def test_a_log_needs_no_environment_record(tmp_path: Path):
    held = _upload(tmp_path, [header(), run_record(_ID), *_history(0, 1, 2), summary_update(_SUMMARY), exit_record()])
    assert _steps(held) == [0, 1, 2]
    assert held.summary == _SUMMARY


def test_a_field_unknown_to_wandb_is_skipped_in_every_kind_of_record(tmp_path: Path):
    records = [header(), run_record(_ID), *_history(0, 1, 2), summary_update(_SUMMARY), exit_record()]
    held = _upload(tmp_path, [with_unknown_field(record, 7301, b"\x08\x01" + b"x" * 20) for record in records])
    assert _steps(held) == [0, 1, 2]
    assert held.summary == _SUMMARY


def test_a_record_with_nothing_but_an_unknown_field_ends_wandb_core(tmp_path: Path):
    bare = b"\x08\x03" + with_unknown_field(pb.Record(), 7301, b"x").SerializeToString()
    log = write_run(tmp_path, _ID, [header(), run_record(_ID), bare, *_history(0), exit_record()])
    assert "no kind" in scan(log).reason
    with StrictServer() as server:
        done = sync(log.parent, server)
    assert done.returncode != 0
    assert "nil RecordType" in done.stderr


@pytest.mark.parametrize(
    ("written", "uploaded"),
    [
        ([0, 1, 1, 1, 2, 9], [0, 1, 2, 3, 4, 9]),
        ([5, 3, 4, 1, 9], [5, 6, 7, 8, 9]),
        ([0, 10, 10, 11, 12, 20], [0, 10, 11, 12, 13, 20]),
    ],
    ids=["the same again", "falling", "moves those behind it"],
)
def test_sync_gives_a_step_that_does_not_rise_the_next_number(tmp_path: Path, written: list, uploaded: list):
    """All rows arrive in their order, but with other steps than the log has, until a gap takes it up."""
    held = _upload(tmp_path, [header(), run_record(_ID), *_history(*written), exit_record()])
    assert _steps(held) == uploaded
    assert _places(held) == list(range(len(written)))


def test_a_later_run_record_changes_tags_notes_and_name(tmp_path: Path):
    later = run_record(_ID, tags=["a", "b"], notes="later", display_name="renamed")
    held = _upload(
        tmp_path,
        [header(), run_record(_ID, tags=["a"]), *_history(0, 1), later, *_history(2, 3), exit_record()],
    )
    assert (held.tags, held.notes, held.display_name) == (["a", "b"], "later", "renamed")
    assert _steps(held) == [0, 1, 2, 3]


def test_a_later_run_record_without_config_leaves_the_config(tmp_path: Path):
    first = run_record(_ID)
    first.run.config.update.add(nested_key=["lr"], value_json="0.1")
    held = _upload(tmp_path, [header(), first, *_history(0), run_record(_ID, tags=["b"]), *_history(1), exit_record()])
    assert (held.user_config, held.tags) == ({"lr": 0.1}, ["b"])


def test_a_summary_may_stand_before_its_history(tmp_path: Path):
    held = _upload(tmp_path, [header(), run_record(_ID), summary_update(_SUMMARY), *_history(0, 1, 2), exit_record()])
    assert held.summary == _SUMMARY


def test_a_torn_log_is_uploaded_up_to_its_last_whole_record_and_fails(tmp_path: Path):
    log = write_run(tmp_path, _ID, [header(), run_record(_ID), *_history(0, 1, 2), exit_record()])
    log.write_bytes(log.read_bytes()[:-3])
    with StrictServer() as server:
        done = sync(log.parent, server)
        assert server.violations == []
        held = server.run(_ID)
    assert done.returncode == 0  # nothing but its words tells
    assert "incomplete" in done.stderr
    assert not (log.parent / f"{log.name}.synced").exists()
    assert (_steps(held), held.state) == ([0, 1, 2], "failed")
