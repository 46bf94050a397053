"""What a person types: exit statuses, messages, the order of flags, environment and file, and `show`."""

import csv
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from bridge_driver import Driver
from flarebridge.bridge_process import find_binary
from run_log_writer import header, history, run_record, with_unknown_field, write_run
from uploads import make_run
from wandb_tools import logs_below, rows


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLAREBRIDGE_")}
    return subprocess.run(
        [find_binary(), *arguments], capture_output=True, text=True, timeout=60, env={**clean, **environment}
    )


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 64, "subcommand is required"),
        (["bogus"], 64, 'no command "bogus"'),
        (["serve"], 64, "--state is required"),
        (["serve", "--state", "{tmp}/s"], 78, "needs --endpoint, or --own"),
        (["serve", "--state", "/proc/no-such-place", "--own"], 73, "/proc/no-such-place"),
        (["serve", "--state", "{tmp}/s", "--own", "--max-runs", "0"], 64, "--max-runs"),
        (["worker"], 64, "started by the bridge"),
        (["show", "{tmp}/missing"], 66, "missing"),
        (["show", "{tmp}"], 66, "no run below"),
        (["show", "/etc/passwd"], 65, "not a W&B run log"),
        (["show", "--json", "--csv", "{tmp}"], 64, "--csv"),
    ],
)
def test_what_is_typed_wrong_is_told_in_one_line_and_by_the_status(tmp_path, arguments, status, words):
    done = _run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert done.returncode == status
    assert words in done.stderr
    assert done.stderr.startswith("flarebridge: ")
    assert done.stdout == ""


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path):
    file = tmp_path / "bridge.toml"
    file.write_text(f'[serve]\nstate = "{tmp_path}/state"\nendpoint = "file://"\n')
    command = ["--config", str(file), "serve"]
    assert "file:// is neither" in _run(*command).stderr
    assert "environment:// is neither" in _run(*command, FLAREBRIDGE_ENDPOINT="environment://").stderr
    flagged = _run(*command, "--endpoint", "flag://", FLAREBRIDGE_ENDPOINT="environment://")
    assert "flag:// is neither" in flagged.stderr


def test_the_environment_of_serve_is_for_serve_alone(tmp_path):
    """A folder may be called as the command is."""
    (tmp_path / "serve").mkdir()
    environment = {**os.environ, "FLAREBRIDGE_STATE": str(tmp_path / "state")}
    for command in ("show", "sync"):
        done = subprocess.run(
            [find_binary(), command, "serve"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 66, done.stderr
    named = _run("--config", "serve", "serve", FLAREBRIDGE_STATE=str(tmp_path / "state"))
    assert "--state is required" not in named.stderr


def test_help_and_version_are_answers(tmp_path):
    assert _run("--version").stdout.startswith("flarebridge 0.")
    assert re.fullmatch(r"flarebridge 0\.[\d.]+\nwith .+\n", _run("--version", "--verbose").stdout)
    for command in ([], ["serve"], ["show"]):
        done = _run(*command, "--help")
        assert done.returncode == 0
        assert "Usage:" in done.stdout


@pytest.fixture
def two_runs(tmp_path: Path) -> dict[str, Path]:
    with Driver(tmp_path, {"wandb": {"project": "p", "config": {"lr": 0.1}}}) as driver:
        for step in range(50):
            driver.data("site-1", "METRICS", "m", {"loss": step / 7, 'a "b", c': step, "n": float("nan")}, step=step)
        driver.data("site-2", "METRIC", "loss", 0.5, step=0)
        driver.end()
    return {name.removesuffix("-job-run"): log for name, log in logs_below(tmp_path).items()}


def test_show_prints_a_run_as_table_json_and_csv_with_the_same_rows(two_runs):
    log = two_runs["site-1"]
    table = _run("show", str(log.parent)).stdout
    for words in ("site-1-job-run", "finished", "project  p", "lr", "the last 20 of 50"):
        assert words in table
    whole = json.loads(_run("show", "--json", str(log)).stdout)
    expected = rows(log)
    assert json.dumps(whole["rows"]) == json.dumps(expected)
    assert whole["run"]["name"] == "site-1-job-run"
    assert whole["run"]["exit_code"] == 0
    assert whole["config"]["lr"] == 0.1
    assert whole["summary"]["loss"] == 49 / 7
    lines = list(csv.DictReader(_run("show", "--csv", str(log)).stdout.splitlines()))
    assert [json.loads(line["loss"]) for line in lines] == [row["loss"] for row in expected]
    assert [json.loads(line['a "b", c']) for line in lines] == list(range(50))


def test_show_takes_time_for_each_value_of_a_run_with_many_keys_and_reads_records_of_any_size(tmp_path):
    wide = write_run(
        tmp_path / "wide",
        "made0001",
        [header(), run_record("made0001"), *[history(i, {f"m_{k}": 1.0 for k in range(30000)}) for i in range(3)]],
    )
    begun = time.monotonic()
    for form in ((), ("--csv",)):
        assert _run("show", *form, str(wide)).stdout.count("m_29999") == 1
    assert time.monotonic() - begun < 10  # one turn for each pair of keys took 14 s for each form
    large = write_run(
        tmp_path / "large",
        "made0002",
        [header(), run_record("made0002"), history(0, {"text": "x" * (70 << 20)}), history(1, {"behind": 1})],
    )
    assert "behind" in _run("show", "--csv", "--rows", "1", str(large)).stdout
    assert "whole, 4 records, 2 rows" in _run("check", str(large)).stdout


def test_show_lists_the_runs_below_a_folder(two_runs, tmp_path):
    """Sorted by site, with five digits; as JSON with all."""
    listed = [line.split() for line in _run("show", str(tmp_path)).stdout.splitlines()]
    title = ["run", "state", "written", "started", "lasted", "rows", "uploaded", "folder"]
    assert listed[0] == title
    folders = {name: str(log.parent.relative_to(tmp_path)) for name, log in two_runs.items()}
    for line, site, count in ((listed[1], "site-1", "50"), (listed[2], "site-2", "1")):
        assert (line[0], line[1], line[2], *line[-3:]) == (site, "finished", "server", count, "no", folders[site])
    assert ["loss", "site-1", "7", "0", "7"] in listed
    assert ["site-2", "0.5", "0.5", "0.5"] in listed
    first, second = json.loads(_run("show", "--json", str(tmp_path)).stdout)
    assert (first["short"], second["short"], first["rows"], first["uploaded"]) == ("site-1", "site-2", 50, False)
    assert first["metrics"]["loss"] == {"last": 7.0, "lowest": 0.0, "highest": 7.0}
    assert first["last_row"] >= first["started"] > 0
    assert _run("show", "--csv", str(tmp_path)).returncode == 64
    assert _run("show", "--wait", "5", str(tmp_path)).returncode == 0


def test_show_tells_where_a_run_was_written(two_runs, tmp_path):
    """On the server, at the site, by another program; of a log of earlier versions, which have marks only, nothing."""
    with Driver(tmp_path / "client", {"wandb": {}}, side="client") as driver:
        driver.data("site-3", "METRIC", "loss", 0.5, step=0)
        driver.end()
    write_run(tmp_path, "other", [header(), run_record("other", display_name="other")])
    ours = with_unknown_field(run_record("earlier", display_name="earlier"), 7301, b"\x09" + b"\x01" * 8 + b"\x10\x01")
    write_run(tmp_path, "earlier", [header(), ours])
    runs = json.loads(_run("show", "--json", str(tmp_path)).stdout)
    written = {run["short"]: run["written"] for run in runs}
    assert written == {"site-1": "server", "site-2": "server", "site-3": "site", "other": "other", "earlier": ""}
    assert re.search(r"^  written  site$", _run("show", str(tmp_path), "site-3").stdout, re.MULTILINE)
    assert "written" not in _run("show", str(tmp_path), "earlier").stdout


def test_show_takes_a_run_by_its_short_name(two_runs, tmp_path):
    def shown(*words: str) -> str:
        done = subprocess.run(
            [find_binary(), "show", "--json", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["run"]["id"]

    ids = {site: re.fullmatch(r"run-(.*)\.wandb", log.name)[1] for site, log in two_runs.items()}
    assert shown("site-1") == ids["site-1"]
    assert shown(".", "site-2") == ids["site-2"]
    assert shown(str(tmp_path), ids["site-2"][:6]) == ids["site-2"]
    assert shown("latest") in ids.values()
    missing = _run("show", str(tmp_path), "site-3")
    assert (missing.returncode, missing.stdout) == (66, "")
    assert "no run of this name below" in missing.stderr


def test_show_waits_for_runs_that_go_on_and_says_if_they_did_not_end(tmp_path):
    with Driver(tmp_path, {"wandb": {}}) as driver:
        driver.data("site-1", "METRIC", "loss", 0.5, step=0)
        driver.pid()
        waited = _run("show", "--wait", "1", str(tmp_path))
        assert waited.returncode == 3
        driver.end()


def test_a_torn_log_is_shown_up_to_its_last_whole_record(two_runs):
    log = two_runs["site-1"]
    content = log.read_bytes()
    log.write_bytes(content[: len(content) // 2])
    done = _run("show", "--json", str(log))
    assert done.returncode == 0
    whole = json.loads(done.stdout)
    assert 0 < len(whole["rows"]) < 50
    assert whole["run"]["exit_code"] is None


def test_of_a_damaged_log_what_lies_behind_the_damage_is_shown_and_the_loss_told_in_bytes(tmp_path):
    run = make_run(tmp_path, 1, rows=2000)
    content = bytearray(run.log.read_bytes())
    content[len(content) // 2] ^= 1
    run.log.write_bytes(content)
    shown = _run("show", "--json", str(run.log))
    assert shown.returncode == 65
    whole = json.loads(shown.stdout)
    steps = [row["_step"] for row in whole["rows"]]
    missing = set(range(2000)) - set(steps)
    assert steps == sorted(steps)
    # One gap in the middle of the rows, of no more than a block; the end lies behind it.
    assert 0 < len(missing) == max(missing) - min(missing) + 1
    assert steps[0] == 0
    assert steps[-1] == 1999
    assert whole["run"]["exit_code"] == 0
    assert whole["run"]["damaged"] is True
    lost = whole["run"]["damaged_bytes"]
    assert 0 < lost < 2 * 32768
    words = f"damaged: {lost} bytes can't be read"
    table = _run("show", str(run.log))
    assert (table.returncode, words in table.stdout) == (65, True)
    rows_only = _run("show", "--csv", str(run.log))
    assert (rows_only.returncode, words in rows_only.stderr) == (65, True)
    assert len(rows_only.stdout.splitlines()) == len(steps) + 1
