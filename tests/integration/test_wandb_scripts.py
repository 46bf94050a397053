"""`import flarebridge.wandb as wandb` beside W&B's own client: the same scripts leave the same runs, which W&B's own
tools and its server take. How they differ on purpose is said behind that."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import all_scripts  # noqa: F401
import pytest
import uploads
from bridge_driver import processes_with, wait_for
from compared_runs import comparable, flat, logs_below, own, said
from own_script import environment_of
from run_log import as_inspected, config, exit_code, kind_of, read_records, rows, run
from strict_run import Run
from strict_server import StrictServer
from sync import sync as wandb_sync
from wandb.util import get_core_path
from wandb_command import isolated_environment
from wandb_scripts import missing, names_of_scripts

_PLAYER = Path(__file__).with_name("script_player.py")
# What W&B's own upload changes on the way, and ours does not, or the other way round; see below.
_UPLOADED_OTHERWISE = ("integers_of_64_bits", "a_dict_of_the_config_that_is_set_anew", "a_tag_that_comes_twice")
_DEADLINE = 500  # seconds of all scripts
needs_pil = pytest.mark.skipif(bool(missing("images_of_small_floats")), reason="needs PIL")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Who played the scripts -> the folder with a folder for each of them; and the server of who was online."""
    with StrictServer() as server:
        online = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.key}
        modes = {"sdk": {}, "ours": {}, "online": {**online, "WANDB_MODE": "online"}}
        folders: dict[str, Any] = {who: tmp_path_factory.mktemp(who) for who in modes}
        players = [
            subprocess.Popen(
                [sys.executable, str(_PLAYER), "sdk" if who == "sdk" else "ours", str(folders[who])],
                env=environment_of(tmp_path_factory.mktemp("home"), WANDB_SILENT="true", OMP_NUM_THREADS="1", **mode),
            )
            for who, mode in modes.items()
        ]
        try:
            assert [player.wait(_DEADLINE) for player in players] == [0, 0, 0]
        finally:
            for player in players:
                player.kill()
        for who in ("ours", "online"):
            wait_for(lambda who=who: not processes_with(str(folders[who])), "the end of the bridges", 60)
        yield {**folders, "server": server}


@pytest.fixture(scope="module")
def uploaded(played, tmp_path_factory):
    """Who uploaded what we had written offline -> its server: W&B's own client, and flarebridge."""
    home = tmp_path_factory.mktemp("home")
    copies = {who: tmp_path_factory.mktemp(who) / "runs" for who in ("wandb", "flarebridge")}
    for copy in copies.values():  # both leave marks beside a log
        shutil.copytree(played["ours"], copy, symlinks=True)
    with StrictServer() as theirs, StrictServer() as ours:
        ours_done = uploads.start_sync(copies["flarebridge"], uploads.environment(home, ours))
        first, *others = [str(log.parent) for log in logs_below(copies["wandb"])]
        done = wandb_sync(Path(first), theirs, *others, seconds=_DEADLINE)
        assert done.returncode == 0, done.stderr
        assert ours_done.wait(uploads.DEADLINE) == 0
        yield {"wandb": theirs, "flarebridge": ours}


def _logs(played, name: str, *whose: str) -> list:
    """The runs' logs of a script, those of the same run side by side."""
    if missing(name):
        pytest.skip(f"needs {', '.join(missing(name))}")
    for who in whose:
        raised = played[who] / name / "raised"
        assert not raised.exists(), f"{who}: {raised.read_text()}"
    found = [logs_below(played[who] / name) for who in whose]
    assert len({len(logs) for logs in found}) == 1, found
    return list(zip(*found))


@pytest.mark.parametrize("name", names_of_scripts(differing=False))
def test_a_script_leaves_the_same_run_as_with_wandbs_client(played, name):
    for ours, theirs in _logs(played, name, "ours", "sdk"):
        assert said(ours) == said(theirs)


@pytest.mark.parametrize("name", [*names_of_scripts(differing=False), *names_of_scripts(differing=True)])
def test_wandbs_own_tools_and_its_server_take_the_run(played, uploaded, name):
    for offline, online in _logs(played, name, "ours", "online"):
        _assert_inspected(offline)
        by_wandb, by_us = (uploaded[who].run(run(offline).run_id) for who in ("wandb", "flarebridge"))
        if name not in _UPLOADED_OTHERWISE:
            uploads.same_run(by_us, by_wandb)
        if online.parent.name.startswith("run-"):
            _assert_held(played["server"].run(run(online).run_id), online)


def test_the_servers_have_no_complaint(played, uploaded):
    for server in (played["server"], *uploaded.values()):
        assert server.violations == []


def _assert_inspected(log: Path) -> None:
    """`wandb leet inspect` has all records, by the program behind it, which starts sooner."""
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", "--run-file", str(log)]
    done = subprocess.run(command, env=isolated_environment(log.parent), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    held = [json.dumps(as_inspected(item)) for item in read_records(log)]
    assert list(map(_loaded, done.stdout.splitlines())) == list(map(_loaded, held))


def _loaded(line: str) -> Any:
    """Numbers beyond 64 bits are rounded there."""
    return json.loads(line, parse_int=lambda text: int(text) if len(text) < 19 else float(text))


def _assert_held(held: Run, log: Path) -> None:
    """What is on the server is what is in the log and beside it."""
    assert comparable([flat(row) for row in held.rows]) == comparable(rows(log))
    assert comparable(held.user_config) == comparable(own(config(log)))
    assert held.exit_code == exit_code(log)
    files = log.parent / "files"
    media = {str(path.relative_to(files)): path.read_bytes() for path in files.glob("media/**/*") if path.is_file()}
    assert {name: held.files.get(name) for name in media} == media


def _flat_values(played, name: str, who: str) -> list[dict[str, Any]]:
    ((log,),) = _logs(played, name, who)
    return said(log)["rows"]


# --- how they differ on purpose ---


@needs_pil
def test_floats_of_0_to_1_are_as_bright_as_they_say(played):
    theirs, ours = (_flat_values(played, "images_of_small_floats", who) for who in ("sdk", "ours"))
    black, bright = bytes([0, 0, 0, 0, 0, 1]), bytes([0, 51, 102, 153, 204, 255])
    assert _pixels(theirs, "array") == _pixels(theirs, "tensor") == black
    assert _pixels(ours, "array") == _pixels(ours, "tensor") == bright


@needs_pil
def test_an_image_of_one_row_keeps_its_colours(played):
    theirs, ours = (_flat_values(played, "an_image_of_one_row", who)[0] for who in ("sdk", "ours"))
    assert (theirs["image.width"], theirs["image.height"]) == (3, 20)
    assert (ours["image.width"], ours["image.height"]) == (20, 1)


def test_gradients_are_in_the_row_of_their_step(played):
    theirs, ours = (_flat_values(played, "gradients_with_steps", who) for who in ("sdk", "ours"))
    key = "gradients/weight.bins"
    assert [(row.get("number"), row.get(key)) for row in ours] == [(0, [0, 0]), (1, [1, 1]), (2, [2, 2])]
    assert [(row.get("number"), row.get(key)) for row in theirs] != [(0, [0, 0]), (1, [1, 1]), (2, [2, 2])]


def test_the_names_of_what_is_watched_do_not_depend_on_earlier_runs(played):
    for ours, theirs in _logs(played, "a_second_run_of_a_watched_model", "ours", "sdk"):
        assert "gradients/weight.bins" in rows(ours)[0]
        second = config(theirs)["number"] == 1
        assert ("gradients/graph_1weight.bins" in rows(theirs)[0]) == second


def test_a_row_of_a_step_that_comes_late_is_kept(played):
    theirs, ours = (_flat_values(played, "steps_that_come_late", who) for who in ("sdk", "ours"))
    assert [row["at"] for row in theirs] == [5, 6]
    assert sorted(row["at"] for row in ours) == [3, 5, 6]


def test_integers_of_64_bits_are_whole(played):
    theirs, ours = (_flat_values(played, "integers_of_64_bits", who)[0] for who in ("sdk", "ours"))
    assert (ours["u64"], ours["beyond"]) == (2**64 - 1, 2**63)
    assert (theirs["u64"], theirs["beyond"]) == (float(2**64 - 1), float(2**63))


def test_a_long_array_in_a_config_is_a_list(played):
    ((ours, theirs),) = _logs(played, "a_config_of_a_long_array", "ours", "sdk")
    assert config(ours)["long"] == list(range(2000))
    assert "..." in config(theirs)["long"]


def test_a_tag_is_a_text_without_the_spaces_around_it(played):
    logs = _logs(played, "tags_as_a_text", "ours", "sdk")
    assert [sorted(run(ours).tags) for ours, _theirs in logs] == [["single"], ["a", "b"]]
    assert [sorted(run(theirs).tags) for _ours, theirs in logs] == [sorted("single"), [" b", "a"]]


def test_on_the_server_is_what_the_script_has_said_last(played, uploaded):
    for name in ("integers_of_64_bits", "a_dict_of_the_config_that_is_set_anew", "a_tag_that_comes_twice"):
        ((log,),) = _logs(played, name, "ours")
        theirs, ours = (uploaded[who].run(run(log).run_id) for who in ("wandb", "flarebridge"))
        if name == "integers_of_64_bits":
            assert (theirs.rows[0]["u64"], ours.rows[0]["u64"]) == (2**64, 2**64 - 1)
        elif name == "a_tag_that_comes_twice":
            assert (theirs.tags, ours.tags) == (["b", "a", "b"], ["b", "a"])
        else:
            assert (theirs.user_config["m"], ours.user_config["m"]) == ({"a": 1, "b": 2}, {"b": 2})


@needs_pil
def test_image_files_of_other_kinds_are_kept_as_png_without_a_loss(played):
    from PIL import Image

    ((log, theirs),) = _logs(played, "images_of_other_files", "ours", "sdk")
    for ours, other in zip(said(log)["rows"], rows(theirs)):
        (name,) = [key[: -len(".path")] for key in other if key.endswith(".path")]
        image = Image.open(theirs.parent / "files" / other[f"{name}.path"]).convert("RGB")
        assert ours[f"{name}.content"]["pixels"] == ("RGB", (4, 4), image.tobytes())


@needs_pil
def test_a_bare_figure_of_matplotlibs_is_what_matplotlib_draws(played):
    ours, theirs = (_flat_values(played, "a_bare_figure", who)[0] for who in ("ours", "sdk"))
    assert (ours["bare._type"], theirs["bare._type"]) == ("image-file", "plotly-file")
    assert ours["bare.content"]["pixels"] == theirs["image.content"]["pixels"]


@needs_pil
def test_pixels_lose_nothing_whatever_file_type_is_asked_for(played):
    ours, theirs = (_flat_values(played, "an_image_that_is_to_be_a_jpeg", who)[0] for who in ("ours", "sdk"))
    assert (ours["image.format"], theirs["image.format"]) == ("png", "jpg")
    assert ours["image.content"]["pixels"][2] == bytes(range(48))


def test_a_saved_file_is_as_it_was_at_the_call_and_lies_in_the_runs_folder(played):
    ((ours, theirs),) = _logs(played, "a_file_that_changes_behind_save", "ours", "sdk")
    assert (ours.parent / "files/saved.txt").read_text() == "as it was"
    assert not (ours.parent / "files/saved.txt").is_symlink()
    assert (theirs.parent / "files/saved.txt").is_symlink()


def test_a_histogram_leaves_out_what_is_not_finite(played):
    theirs, ours = (_flat_values(played, "histograms_with_numbers_that_are_not_finite", who) for who in ("sdk", "ours"))
    assert [row["h"] for row in theirs] == ["raised", "raised"]
    assert [(row["h.values"], row["h.bins"][0], row["h.bins"][-1]) for row in ours] == [([1, 1], 1, 2), ([1, 1], 1, 3)]


def test_a_run_tells_of_no_user_no_folder_of_the_script_and_no_repository(played):
    told = set()
    for log in logs_below(played["ours"]):
        words = (str(played["ours"]), str(Path(__file__).parent))
        contents = [path.read_bytes() for path in log.parent.rglob("*") if path.is_file()]
        assert not any(word.encode() in content for word in words for content in contents), log
        (environment,) = [item.environment for item in read_records(log) if kind_of(item) == "environment"]
        told |= {field.name for field, _value in environment.ListFields()}
    assert not told & {"username", "email", "git", "root", "args", "code_path", "code_path_local", "docker", "colab"}


def _pixels(rows_: list[dict[str, Any]], name: str) -> bytes:
    (found,) = [row[f"{name}.content"]["pixels"][2] for row in rows_ if f"{name}.content" in row]
    return found
