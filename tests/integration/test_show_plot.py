"""`flarebridge show --plot`: the curves of runs in a terminal, in a pipe, and where neither colours nor UTF-8 are."""

import json
import subprocess
from pathlib import Path

import pytest
import run_log_writer as writer
from flarebridge.bridge_process import find_binary
from shown_terminal import DEADLINE, environment, terminal

_BRAILLE = range(0x2800, 0x2900)


def _run(folder: Path, site: str, rows: list[dict]) -> None:
    run_id = site.replace("-", "")
    run = writer.run_record(run_id, display_name=f"{site}-job-run")
    run.run.config.update.add(key="client", value_json=json.dumps(site))
    made = [writer.history(step, row) for step, row in enumerate(rows)]
    writer.write_run(folder / site, run_id, [writer.header(), run, *made, writer.exit_record(0)])


@pytest.fixture
def two_runs(tmp_path: Path) -> Path:
    for site, last in (("site-1", 1), ("site-2", 3)):
        _run(tmp_path, site, [{"train/loss": 9 - step * last / 50, "acc": step / 100} for step in range(100)])
    return tmp_path


def _plot(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [find_binary(), "show", *words],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def _has_braille(text: str) -> bool:
    return any(ord(character) in _BRAILLE for character in text)


def test_a_terminal_gets_colours_and_as_many_columns_as_it_has(two_runs):
    for columns in (40, 120):
        with terminal(two_runs, "--plot", columns=columns) as shown:
            assert shown.end() == 0
            assert shown.has_its_modes()
        assert "\033[36m" in shown.shown and "\033[35m" in shown.shown
        assert _has_braille(shown.shown)
        axes = [line.rstrip("\r") for line in shown.shown.split("\n") if "└" in line]
        assert [len(axis) for axis in axes] == [columns, columns]


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_without_colours_each_run_has_a_letter(two_runs, variables):
    with terminal(two_runs, "--plot", "acc", **variables) as shown:
        assert shown.end() == 0
    assert "\033" not in shown.shown
    assert not _has_braille(shown.shown)
    assert "a site-1 0.99  b site-2 0.99" in shown.shown
    assert "abab" in shown.shown


def test_a_pipe_gets_no_colours_and_80_columns_or_as_many_as_columns_says(two_runs):
    shown = _plot(two_runs, "--plot").stdout
    assert "\033" not in shown
    assert max(len(line) for line in shown.splitlines() if "┤" in line or "└" in line) == 80
    shown = _plot(two_runs, "--plot", COLUMNS="50").stdout
    assert max(len(line) for line in shown.splitlines() if "┤" in line or "└" in line) == 50


def test_one_run_without_colours_is_drawn_in_dots(two_runs):
    shown = _plot(two_runs, "site-2", "--plot", "acc").stdout
    assert _has_braille(shown)
    assert "site-1" not in shown


@pytest.mark.parametrize("locale", ["C", "de_DE.ISO-8859-1"])
def test_where_the_locale_is_not_utf_8_all_is_ascii(two_runs, locale):
    for words in (["site-1", "--plot"], ["--plot", "--x", "time"]):
        shown = _plot(two_runs, *words, LC_ALL=locale)
        assert shown.returncode == 0
        assert shown.stdout.isascii()
    assert _has_braille(_plot(two_runs, "site-1", "--plot", LC_ALL="", LANG="en_US.utf8").stdout)


def test_metrics_are_named_by_words_and_globs(two_runs):
    def charts(*words: str) -> list[str]:
        lines = _plot(two_runs, ".", "--plot", *words).stdout.splitlines()
        return [line for line in lines if line in ("acc", "train/loss")]

    assert charts() == ["train/loss", "acc"]
    assert charts("acc") == ["acc"]
    assert charts("acc", "*loss") == ["acc", "train/loss"]
    missing = _plot(two_runs, "--plot", "acc", "nix")
    assert missing.returncode == 66
    assert "acc\n" in missing.stdout
    assert missing.stderr == "flarebridge: no run has the metric nix; there are: train/loss, acc\n"
    place = _plot(two_runs, "--plot", "site-1")
    assert (place.returncode, place.stdout) == (66, "")
    assert "site-1 is no metric but a place; it stands before --plot" in place.stderr


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no run has a value yet"),
        ([{"loss": 0.5}], "0.5 ┤"),
        ([{"loss": float("nan")}], "no finite value"),
        ([{"loss": 1.0}, {"loss": float("inf")}, {"loss": 2.0}], "s: 1 infinite, the.."),
    ],
)
def test_few_rows_or_none_are_told_also_on_a_narrow_terminal(tmp_path, rows, words):
    _run(tmp_path, "s", rows)
    with terminal(tmp_path, ".", "--plot", columns=20, NO_COLOR="1") as shown:
        assert shown.end() == 0
    assert words in shown.shown
    chart = shown.shown.split("\r\n\r\n", 1)[1].split("\r\n")
    assert max(len(line) for line in chart) <= max(20, len("no run has a value yet"))


def test_a_thousand_runs_are_in_one_chart(tmp_path):
    for number in range(1000):
        _run(tmp_path, f"site-{number}", [{"loss": number + step} for step in range(3)])
    shown = _plot(tmp_path, "--plot")
    assert shown.returncode == 0
    assert "loss\n" in shown.stdout
    assert "a site-0 2  b site-1 3" in shown.stdout
    assert " runs more" in shown.stdout


def test_what_goes_with_no_chart_is_refused(two_runs):
    for words in (["--plot", "--json"], ["--plot", "--csv"], ["--log"], ["--x", "time"], ["--plot", "--x", "epoch"]):
        done = _plot(two_runs, *words)
        assert (done.returncode, done.stdout) == (64, "")
