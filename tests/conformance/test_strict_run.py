"""The rules by which the server takes data: each breach is refused and changes nothing."""

import copy
import json
from typing import Any

import pytest
from strict_run import CONSOLE, EVENTS, HISTORY, MAX_LINE_BYTES, SUMMARY, Breach, Run, check_names


@pytest.fixture
def run() -> Run:
    """A run with two rows, an event, a console line and an uploaded file."""
    made = Run("e", "p", "r")
    made.upsert({"config": '{"lr": {"value": 0.1}, "_wandb": {"value": {"t": {}}}}', "tags": ["a"], "notes": "n"})
    made.requested.add("a.txt")
    made.files["a.txt"] = b"a"
    made.stream({
        "files": {
            HISTORY: {"offset": 0, "content": ['{"_step":0,"x":NaN}', '{"_step":1,"x":-Infinity}']},
            EVENTS: {"offset": 0, "content": ['{"system.cpu":1}']},
            CONSOLE: {"offset": 0, "content": ["time text"]},
            SUMMARY: {"offset": 0, "content": ['{"x":1}']},
        }
    })  # fmt: skip
    return made


def _part(name: str, offset: Any, *lines: Any) -> dict[str, Any]:
    return {"files": {name: {"offset": offset, "content": list(lines)}}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (_part(HISTORY, 3, "{}"), "gap"),
        (_part(EVENTS, 2, "{}"), "gap"),
        (_part(CONSOLE, 2, "x"), "gap"),
        (_part(HISTORY, 1, '{"_step":1,"x":2}'), "other content"),
        (_part(EVENTS, 0, '{"system.cpu":2}'), "other content"),
        (_part(HISTORY, 2, "{"), "not JSON"),
        (_part(HISTORY, 2, "[]"), "no object"),
        (_part(HISTORY, 2, '{"_step":2.0}'), "step"),
        (_part(HISTORY, 2, '{"_step":-1}'), "step"),
        (_part(HISTORY, -1, "{}"), "offset"),
        (_part(HISTORY, True, "{}"), "offset"),
        (_part(HISTORY, 2, 7), "no text"),
        (_part("secrets.txt", 0, "x"), "no stream"),
        (_part(CONSOLE, 1, "x" * (MAX_LINE_BYTES + 1)), "bytes"),
        (_part(CONSOLE, 1, *["x" * (6 << 20)] * 2), "in one request"),
        ({"uploaded": ["absent.txt"]}, "not here"),
        ({"complete": True}, "only one"),
        ({"exitcode": 0}, "only one"),
        ({"complete": True, "exitcode": "0"}, "complete"),
        ({"complete": 1, "exitcode": 0}, "complete"),
        ({"surprise": 1}, "not of the file stream"),
        ([], "not of the file stream"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_breach_is_refused_and_changes_nothing(run: Run, body: Any, words: str):
    before = copy.deepcopy(run)
    with pytest.raises(Breach, match=words):
        run.stream(body)
    assert run == before


def test_one_bad_part_refuses_the_whole_request(run: Run):
    before = copy.deepcopy(run)
    with pytest.raises(Breach):
        run.stream({"files": {**_part(HISTORY, 2, "{}")["files"], **_part(EVENTS, 7, "{}")["files"]}})
    assert run == before


def test_the_same_lines_again_are_no_breach(run: Run):
    run.stream(_part(HISTORY, 1, '{"_step":1,"x":-Infinity}', '{"_step":2}'))
    assert [row["_step"] for row in run.rows] == [0, 1, 2]


def test_console_and_summary_may_be_written_anew(run: Run):
    run.stream({"files": {**_part(CONSOLE, 0, "time new")["files"], **_part(SUMMARY, 0, '{"x":2}')["files"]}})
    assert (run.console, run.summary) == (["time new"], {"x": 2})


def test_nothing_follows_a_completion_until_the_run_is_opened_again(run: Run):
    assert (run.state, run.exit_code) == ("running", None)
    run.stream({"complete": True, "exitcode": 3})
    assert (run.state, run.exit_code) == ("failed", 3)
    for body in ({}, _part(HISTORY, 2, "{}"), {"complete": True, "exitcode": 0}):
        with pytest.raises(Breach, match="after its completion"):
            run.stream(body)
    run.upsert({})
    run.stream({"complete": True, "exitcode": 0})
    assert (run.state, run.exit_codes) == ("finished", [3, 0])


def test_a_completion_waits_for_the_files(run: Run):
    run.requested.add("late.txt")
    with pytest.raises(Breach, match="late.txt"):
        run.stream({"complete": True, "exitcode": 0})
    run.files["late.txt"] = b""
    run.stream({"uploaded": ["late.txt"], "complete": True, "exitcode": 0})
    assert run.reported == ["late.txt"]


def test_an_upsert_leaves_what_is_null(run: Run):
    run.upsert({"tags": None, "config": None, "notes": None, "displayName": "shown"})
    assert (run.tags, run.user_config, run.notes, run.display_name) == (["a"], {"lr": 0.1}, "n", "shown")
    run.upsert({"tags": [], "config": "{}"})
    assert (run.tags, run.user_config) == ([], {})


@pytest.mark.parametrize(
    "variables",
    [{"config": "{"}, {"config": "[]"}, {"config": '{"lr": 0.1}'}, {"config": '{"lr": {"value": NaN}}'},
     {"tags": [""]}, {"tags": ["x" * 65]}],
)  # fmt: skip
def test_an_upsert_that_is_not_right_is_refused(run: Run, variables: dict[str, Any]):
    before = copy.deepcopy(run)
    with pytest.raises(Breach):
        run.upsert(variables)
    assert run == before


def test_names_are_checked():
    check_names("p", "r")
    for project, run_id in (
        ("", "r"),
        ("a/b", "r"),
        ("p" * 129, "r"),
        ("p", ""),
        ("p", "a/b"),
        ("p", "r" * 65),
    ):
        with pytest.raises(Breach):
            check_names(project, run_id)


def test_the_bucket_tells_where_a_resumed_run_goes_on(run: Run):
    bucket = run.bucket()
    assert (bucket["historyLineCount"], bucket["eventsLineCount"], bucket["logLineCount"]) == (2, 1, 1)
    assert json.loads(json.loads(bucket["historyTail"])[0])["_step"] == 1
    assert json.loads(bucket["wandbConfig"]) == {"t": {}}
