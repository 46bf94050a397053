"""What `flarebridge sync` is told to take, where it is to go, and what a dry run says of it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from run_log_writer import exit_record, header, run_record, write_run
from strict_server import StrictServer
from uploads import BINARY, DEADLINE, environment, is_marked, make_run, start_sync, sync


def test_a_dry_run_tells_what_would_go_where_and_what_not_and_why(tmp_path):
    run, other, done = (make_run(tmp_path, number, rows=number * 1000) for number in (1, 2, 3))
    Path(f"{done.log}.synced").touch()
    with StrictServer() as server:
        told = sync(
            tmp_path, environment(tmp_path, server), "--dry-run", "--exclude", f"*{other.run_id}", "--project", "here"
        )
        assert told.returncode == 0, told.stderr
        size = f"{round(run.log.stat().st_size / 1000)} kB"
        assert told.stdout.splitlines() == [
            f"run 1: 1,000 rows, {size}, to {server.url} tester/here, run {run.run_id}; {run.log.parent}",
            f"left out, excluded: {other.log.parent}",
            f"left out, uploaded already: {done.log.parent}",
            "would upload 1 run, 1,000 rows, 2 left out",
        ]
        assert told.stderr == ""
        assert not server.calls


def test_a_dry_run_names_runs_that_wandb_uploads_itself(tmp_path):
    run = make_run(tmp_path, 1, rows=5)
    online = run.log.parent.with_name(run.log.parent.name.removeprefix("offline-"))
    run.log.parent.rename(online)
    told = sync(tmp_path, environment(tmp_path), "--dry-run")
    assert told.stdout.splitlines() == [
        f"left out, W&B's own online run: {online}",
        "would upload 0 runs, 0 rows, 1 left out",
    ]
    taken = sync(tmp_path, environment(tmp_path), "--dry-run", "--include-online")
    assert taken.stdout.splitlines()[-1] == "would upload 1 run, 5 rows"


def test_a_dry_run_needs_no_key_and_says_that_an_upload_would(tmp_path):
    make_run(tmp_path, 1, rows=5, exit_code=None)
    told = sync(tmp_path, environment(tmp_path), "--dry-run")
    assert told.returncode == 0
    assert "to https://api.wandb.ai tester/made, run made00001; without an end; " in told.stdout
    assert "no API key for api.wandb.ai" in told.stderr


def test_a_log_that_is_none_is_named_by_a_dry_run(tmp_path):
    make_run(tmp_path, 1, rows=5)
    broken = tmp_path / "offline-run-20260101_000000-broken" / "run-broken.wandb"
    broken.parent.mkdir()
    broken.write_bytes(b"nothing of a run")
    told = sync(tmp_path, environment(tmp_path), "--dry-run")
    assert f"left out, can't be read: {broken}" in told.stdout
    assert "would upload 1 run, 5 rows, 1 left out" in told.stdout


def test_id_job_type_and_tags_take_the_place_of_the_runs_own(tmp_path):
    tagged = run_record("own", project="made", entity="tester")
    tagged.run.tags.extend(["old", "kept", "gone"])
    write_run(tmp_path, "own", [header(), tagged, exit_record(0)])
    with StrictServer() as server:
        done = sync(
            tmp_path,
            environment(tmp_path, server),
            *("--id", "chosen", "--job-type", "train", "--replace-tags", "old=new, gone="),
            *("--entity", "team", "--project", "here"),
        )
        assert done.returncode == 0, done.stderr
        assert set(server.runs) == {("team", "here", "chosen")}
        run = server.run("chosen")
        assert (run.job_type, sorted(run.tags)) == ("train", ["kept", "new"])
        assert f"{server.url}/team/here/runs/chosen" in done.stdout
        assert not server.violations


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--id", "one"], "--id is for one run; there are 2 below the paths"),
        (["--id", "one", "--watch"], "--id is for one run, and --watch takes whatever comes"),
        (["--replace-tags", "old"], "--replace-tags takes old=new pairs"),
    ],
)
def test_choices_that_can_not_be_are_told_and_nothing_is_sent(tmp_path, options, words):
    for number in (1, 2):
        make_run(tmp_path, number, rows=1)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server), *options)
        assert done.returncode == 78
        assert words in done.stderr
        assert not server.calls


def test_excluded_runs_stay_and_are_counted_at_the_end(tmp_path):
    taken, left = make_run(tmp_path / "a", 1, rows=5), make_run(tmp_path / "b", 2, rows=5)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server), "--exclude", "*/b/*", "--exclude", "nothing")
        assert done.returncode == 0, done.stderr
        assert is_marked(taken.log) and not is_marked(left.log)
        assert done.stdout.splitlines()[-1].endswith(", 1 left out: 1 excluded")
        rest = sync(tmp_path, environment(tmp_path, server), "--exclude", "*/b/*")
        assert (rest.returncode, rest.stdout) == (0, "nothing to upload: 1 excluded, 1 uploaded already\n")


# --- clean ---


def _clean(*arguments: str, answer: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BINARY, "clean", *arguments], input=answer, capture_output=True, text=True, timeout=DEADLINE
    )  # fmt: skip


def test_folders_that_are_wholly_uploaded_are_removed_after_asking_and_no_others(tmp_path):
    gone, unmarked, open_, foreign, linked = (
        make_run(tmp_path, number, rows=5, exit_code=None if number == 3 else 0) for number in range(1, 6)
    )
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    (gone.log.parent / "files" / "link").symlink_to(precious)
    with StrictServer() as server:
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
    Path(f"{unmarked.log}.synced").unlink()
    (foreign.log.parent / "notes.txt").write_text("somebody's")
    (tmp_path / "latest-run").symlink_to(linked.log.parent)
    asked = _clean(str(tmp_path), answer="n\n")
    assert asked.returncode == 0
    assert "remove 2 folders? [y/N] nothing was removed" in asked.stdout
    assert gone.log.exists()
    done = _clean(str(tmp_path), answer="y\n")
    assert done.returncode == 0, done.stderr
    assert f"removed: {gone.log.parent}\n" in done.stdout
    assert f"stays: {unmarked.log.parent}: it is not marked as uploaded" in done.stdout
    assert f"stays: {foreign.log.parent}: it holds something of somebody else's: notes.txt" in done.stdout
    assert not gone.log.parent.exists() and not linked.log.parent.exists()
    assert all(run.log.exists() for run in (unmarked, open_, foreign))
    assert (precious / "file").read_text() == "kept"
    assert (tmp_path / "latest-run").is_symlink()


def test_a_marked_run_whose_rows_are_not_all_confirmed_stays(tmp_path):
    marked_elsewhere, short = make_run(tmp_path, 1, rows=5), make_run(tmp_path, 2, rows=5)
    with StrictServer() as server:
        assert sync(short.log.parent, environment(tmp_path, server)).returncode == 0
    note = Path(f"{short.log}.upload")
    note.write_text(note.read_text().replace('"wandb-history.jsonl":5', '"wandb-history.jsonl":3'))
    Path(f"{marked_elsewhere.log}.synced").touch()
    done = _clean("--yes", str(tmp_path))
    assert done.returncode == 0
    assert "there is no note of what the server has confirmed" in done.stdout
    assert "the server has confirmed 3 of 5 rows" in done.stdout
    assert marked_elsewhere.log.exists() and short.log.exists()


def test_a_run_that_went_behind_rows_of_elsewhere_is_counted_by_its_own(tmp_path):
    first = make_run(tmp_path / "elsewhere", 1, rows=50)
    later = make_run(tmp_path / "here", 1, rows=50, first=50)
    with StrictServer() as server:
        assert sync(tmp_path / "elsewhere", environment(tmp_path, server)).returncode == 0
        shutil.rmtree(first.log.parent)
        assert sync(tmp_path / "here", environment(tmp_path, server)).returncode == 0
    note = Path(f"{later.log}.upload")
    whole = note.read_text()
    state = json.loads(whole)
    assert state["base"]["wandb-history.jsonl"] == state["lines"]["wandb-history.jsonl"] == 50
    state["lines"]["wandb-history.jsonl"] = 49
    note.write_text(json.dumps(state))
    assert "the server has confirmed 49 of 50 rows" in _clean("--yes", str(tmp_path / "here")).stdout
    note.write_text(whole)
    done = _clean("--yes", str(tmp_path / "here"))
    assert f"removed: {later.log.parent}\n" in done.stdout
    assert not later.log.parent.exists()


def test_a_run_that_is_on_the_server_but_for_a_part_stays(tmp_path):
    run = make_run(tmp_path, 1, rows=5, files=1)
    (run.log.parent / "files" / next(iter(run.files))).unlink()
    with StrictServer() as server:
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 1
    assert f"stays: {run.log.parent}: it is not marked as uploaded" in _clean("--yes", str(tmp_path)).stdout
    assert run.log.exists()


def test_a_link_is_not_followed_when_it_is_named(tmp_path):
    run = make_run(tmp_path / "there", 1, rows=5)
    with StrictServer() as server:
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
    (tmp_path / "link").symlink_to(run.log.parent)
    done = _clean("--yes", str(tmp_path / "link"))
    assert f"stays: {tmp_path}/link: it is a link" in done.stdout
    assert run.log.exists()


def test_watch_starts_with_what_is_there_and_says_so(tmp_path):
    run = make_run(tmp_path, 1, rows=5)
    with StrictServer() as server:
        process = start_sync(tmp_path, environment(tmp_path, server), "--watch")
        try:
            server.wait_for(lambda held: held.runs and held.run(run.run_id).exit_code == 0)
        finally:
            process.terminate()
            out, err = process.communicate(timeout=DEADLINE)
    lines = out.splitlines()
    assert process.returncode == 0, err
    assert lines[0] == f"watching {tmp_path} for runs, which go to {server.url}; Ctrl-C ends it"
    assert lines[1].startswith(f"{run.log.parent.name}: taken, ")
    assert lines[2].startswith(f"run 1, {run.log.parent.name}: 5 rows, counted by the server, ")
    assert lines[3].startswith("stopped: 1 run, 5 rows, ")
