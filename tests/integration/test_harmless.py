"""`flarebridge sync` beside what is there already: rows of other machines, runs that W&B's own client uploads, what
people have set in the browser, files and answers of others. None of it is harmed, and what is not done is told."""

import shutil
from pathlib import Path

import pytest
from faulty_server import FaultyServer
from strict_server import StrictServer
from sync import sync as wandb_sync
from uploads import Logged, environment, is_marked, make_run, sync


def _steps(server: StrictServer, run_id: str) -> list[int]:
    return [row["_step"] for row in server.run(run_id).rows]


def _remove_folder(run: Logged) -> None:
    """As it is on another machine."""
    shutil.rmtree(run.log.parent)


# --- rows of elsewhere ---


def test_a_run_that_was_continued_on_another_machine_is_whole_as_with_wandb_sync(
    tmp_path,
):
    first = make_run(tmp_path / "one", 1, rows=50)
    later = make_run(tmp_path / "other", 1, rows=50, first=50)
    with StrictServer() as server, StrictServer() as wandbs:
        for part in (first, later):
            wandb_sync(part.log.parent, wandbs)
        Path(f"{first.log}.synced").unlink()
        Path(f"{later.log}.synced").unlink()
        assert sync(tmp_path / "one", environment(tmp_path, server)).returncode == 0
        _remove_folder(first)
        done = sync(tmp_path / "other", environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert "50 rows, counted by the server" in done.stdout
        assert server.run(first.run_id).rows == first.rows + later.rows == wandbs.run(first.run_id).rows
        assert is_marked(later.log)
        again = sync(tmp_path / "other", environment(tmp_path, server), "--again")
        assert again.returncode == 0, again.stderr
        assert _steps(server, first.run_id) == list(range(100))
        assert not server.violations


def test_rows_of_elsewhere_that_overlap_are_left_alone_and_nothing_is_changed(tmp_path):
    first = make_run(tmp_path / "one", 1, rows=50)
    other = make_run(tmp_path / "other", 1, rows=50, first=20)
    with StrictServer() as server:
        assert sync(tmp_path / "one", environment(tmp_path, server)).returncode == 0
        _remove_folder(first)
        held = server.run(first.run_id)
        upserts = len(held.upserts)
        refused = sync(tmp_path / "other", environment(tmp_path, server))
        assert refused.returncode == 1
        assert "the server has 50 rows of this run that come from no log here" in refused.stderr
        assert "Nothing was changed." in refused.stderr
        assert held.rows == first.rows
        assert len(held.upserts) == upserts
        assert held.exit_codes == [0]
        assert not is_marked(other.log)
        assert not server.violations


def test_parts_in_folders_of_different_places_go_in_the_order_of_their_times(tmp_path):
    # Their folders sort the other way round, and they come in one command.
    parts = [make_run(tmp_path / name, 1, rows=50, first=first) for name, first in (("c", 0), ("b", 50), ("a", 100))]
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server), "--jobs", "8")
        assert done.returncode == 0, done.stderr
        assert server.run(parts[0].run_id).rows == [row for part in parts for row in part.rows]
        assert server.run(parts[0].run_id).exit_codes == [0]
        assert all(is_marked(part.log) for part in parts)
        again = sync(tmp_path, environment(tmp_path, server), "--jobs", "8", "--again")
        assert again.returncode == 0, again.stderr
        assert server.run(parts[0].run_id).rows == [row for part in parts for row in part.rows]
        assert server.run(parts[0].run_id).exit_codes == [0, 0]
        assert not server.violations


@pytest.mark.parametrize("longer", ["neither", "copy", "original"])
def test_a_copy_of_a_run_is_no_second_part(tmp_path, longer):
    """A backup beside the run, or `latest-run` copied as a folder; one of them may have gone on."""
    run = make_run(tmp_path / "a", 1, rows=50)
    copied = tmp_path / "b" / "latest-run"
    shutil.copytree(run.log.parent, copied)
    copy = copied / run.log.name
    kept = copy if longer == "copy" else run.log
    whole = run.log.read_bytes()
    if longer != "neither":  # the other one was copied before the run's end
        (run.log if longer == "copy" else copy).write_bytes(whole[: len(whole) // 2])
    with StrictServer() as server:
        for _again in range(2):
            done = sync(tmp_path, environment(tmp_path, server), "--jobs", "8")
            assert done.returncode == 0, done.stderr
            assert server.run(run.run_id).rows == run.rows
            assert is_marked(kept)
        assert not server.violations
        sync(run.log.parent if longer == "copy" else copied, environment(tmp_path, server))  # by itself
        assert server.run(run.run_id).rows == run.rows


def test_a_lost_note_costs_no_row(tmp_path):
    run = make_run(tmp_path, 1, rows=50)
    with StrictServer() as server:
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        Path(f"{run.log}.upload").unlink()
        Path(f"{run.log}.synced").unlink()
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert not server.violations


# --- runs of others ---


def test_a_run_that_wandb_uploads_itself_is_left_alone_unless_it_is_asked_for(tmp_path):
    sdks, ours = (
        make_run(tmp_path, 1, rows=20),
        make_run(tmp_path, 2, rows=20, ours=True),
    )
    for run in (sdks, ours):
        folder = run.log.parent
        folder.rename(folder.with_name(folder.name.removeprefix("offline-")))
        run.log = folder.with_name(folder.name.removeprefix("offline-")) / run.log.name
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert f"{sdks.log.parent.name}: left alone, for W&B's own client uploads it" in done.stderr
        assert [run.id for run in server.runs.values()] == [ours.run_id]
        ours.assert_on(server)
        assert not is_marked(sdks.log)
        taken = sync(sdks.log.parent, environment(tmp_path, server), "--include-online")
        assert taken.returncode == 0, taken.stderr
        sdks.assert_on(server)
        assert not server.violations


@pytest.mark.parametrize("note", ["kept", "lost"])
def test_what_people_set_in_the_browser_stays(tmp_path, note):
    run = make_run(tmp_path, 1, rows=20)
    with StrictServer() as server:
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        assert server.run(run.run_id).display_name == "run 1"
        theirs = {
            "display_name": "the good one",
            "tags": ["keep"],
            "notes": "do not delete",
        }
        server.edit(run.run_id, **theirs)
        if note == "lost":
            Path(f"{run.log}.upload").unlink()
        done = sync(tmp_path, environment(tmp_path, server), "--again")
        assert done.returncode == 0, done.stderr
        held = server.run(run.run_id)
        assert {name: getattr(held, name) for name in theirs} == theirs
        assert not server.violations


# --- files and answers of others ---


def test_a_link_out_of_the_folder_is_not_followed_unless_it_is_chosen(tmp_path):
    run = make_run(tmp_path / "runs", 1, rows=5, files=2)
    private = tmp_path / "private.txt"
    private.write_text("private")
    linked, whole = list(run.files)
    path = run.log.parent / "files" / linked
    path.unlink()
    path.symlink_to(private)
    with StrictServer() as server:
        done = sync(tmp_path / "runs", environment(tmp_path, server))
        assert done.returncode == 1
        assert f"not uploaded: the file {linked}: it is a link or lies behind one; --follow-links" in done.stderr
        held = server.run(run.run_id)
        assert linked not in held.files
        assert held.files[whole] == run.files[whole]
        assert held.state == "finished"
        assert not is_marked(run.log)
        followed = sync(tmp_path / "runs", environment(tmp_path, server), "--follow-links")
        assert followed.returncode == 0, followed.stderr
        assert held.files[linked] == b"private"
        assert is_marked(run.log)
        assert not server.violations


def test_a_network_that_answers_in_the_servers_place_confirms_nothing(tmp_path):
    run = make_run(tmp_path, 1, rows=20)
    with FaultyServer(lambda _request: "page") as portal:
        done = sync(tmp_path, environment(tmp_path, portal), "--retry-for", "1")
        assert done.returncode == 1
        assert "an answer that is not W&B's (<!DOCTYPE html>" in done.stderr
        assert not is_marked(run.log)
        assert not Path(f"{run.log}.upload").exists()


# --- what is not whole ---


def test_what_is_behind_damage_is_sent_and_the_loss_is_told(tmp_path):
    run = make_run(tmp_path, 1, rows=2000)
    content = bytearray(run.log.read_bytes())
    assert len(content) > 5 * 32768
    content[40_000] ^= 1
    run.log.write_bytes(content)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 1
        assert " bytes of the log, which are damaged" in done.stderr
        held = server.run(run.run_id)
        steps = [row["_step"] for row in held.rows]
        assert steps == sorted(set(steps))
        assert steps[0] == 0
        assert steps[-1] == 1999
        assert 1000 < len(steps) < 2000
        assert held.state == "finished"
        assert not is_marked(run.log)
        assert not server.violations
