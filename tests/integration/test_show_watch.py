"""`flarebridge show --watch`: what a person sees while runs come, go on and end, and what the terminal is left as."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import run_log_writer as writer
from bridge_driver import Driver, wait_for
from flarebridge.bridge_process import find_binary
from shown_terminal import DEADLINE, environment, terminal
from wandb.proto import wandb_internal_pb2 as pb

_ENTER, _LEAVE = "\033[?1049h\033[?25l\033[?7l", "\033[?7h\033[?25h\033[?1049l"


class _Run:
    """A run log that grows row by row."""

    def __init__(self, folder: Path, site: str):
        run_id = site.replace("-", "")
        run = writer.run_record(run_id, display_name=f"{site}-job-run")
        run.run.config.update.add(key="client", value_json=json.dumps(site))
        self._records: list[pb.Record] = []
        self.log = writer.write_run(folder / site, run_id, [])
        self.add(writer.header(), run)

    def add(self, *records: pb.Record) -> None:
        self._records += records
        for number, record in enumerate(self._records, 1):
            record.num = number
        whole = writer.container(record.SerializeToString() for record in self._records)
        with self.log.open("ab") as log:
            log.write(whole[self.log.stat().st_size :])

    def rows(self, first: int, last: int, **values: float) -> None:
        self.add(*(writer.history(step, {"loss": 1 / (step + 1), **values}) for step in range(first, last)))


def _screen(shown: str) -> list[str]:
    """The lines of the last picture that was drawn."""
    picture = shown.rsplit("\033[H", 1)[1].split("\033[J")[0].split("\033[?")[0]
    return [re.sub(r"\033\[[\d;]*[A-Za-z]", "", line).strip("\r") for line in picture.split("\n")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_status_0_and_gives_the_terminal_back(tmp_path, number):
    run = _Run(tmp_path, "site-1")
    run.rows(0, 5)
    with terminal(tmp_path, ".", "--watch", "--every", "0.1") as shown:
        shown.wait_for(r"site-1 .* running")
        assert shown.end(number) == 0
        assert shown.has_its_modes()
        assert shown.shown.startswith(_ENTER)
        assert shown.shown.endswith(_LEAVE)


def test_an_empty_folder_is_waited_in_and_runs_appear_grow_and_end(tmp_path):
    with terminal(tmp_path, ".", "--watch", "--every", "0.1") as shown:
        shown.wait_for(r"no run below \. yet; waiting for the first one")
        first = _Run(tmp_path, "site-1")
        shown.wait_for(r"1 run, 1 running.*site-1")
        first.rows(0, 3)
        shown.wait_for(r"loss +site-1 +0\.33333 +0\.33333 +1")
        second = _Run(tmp_path, "site-2")
        second.rows(0, 1)
        shown.wait_for(r"2 runs, 2 running")
        first.rows(3, 5)
        shown.wait_for(r"loss +site-1 +0\.2 +0\.2 +1")
        first.add(writer.exit_record(0))
        shown.wait_for(r"2 runs, 1 running.*site-1 +finished")
        first.log.with_name(first.log.name + ".synced").touch()
        shown.wait_for(r"site-1 +finished[^\n]+ yes ")
        assert shown.end(signal.SIGINT) == 0
    assert max(len(line) for line in _screen(shown.shown)) < 200


def test_curves_grow_and_fit_the_screen_also_when_it_is_resized(tmp_path):
    run = _Run(tmp_path, "site-1")
    run.rows(0, 10, acc=1.0)
    with terminal(tmp_path, ".", "--watch", "--plot", "--every", "0.1", columns=70, lines=40) as shown:
        shown.wait_for(r"site-1 0\.1.*acc.*site-1 1")
        assert len(_screen(shown.shown)) <= 40
        drawn = len(shown.shown)
        shown.resize(30, 12)
        shown.wait_for(r"more: name those|more lines: make", drawn)
        assert len(_screen(shown.shown)) <= 12
        axes = [line for line in _screen(shown.shown) if "└" in line]
        assert [len(axis) for axis in axes] == [30]
        drawn = len(shown.shown)
        run.rows(10, 100)
        shown.wait_for(r"site-1 0\.01", drawn)
        assert shown.end(signal.SIGTERM) == 0


def test_charts_of_many_runs_fit_the_screen_with_all_that_is_below_them(tmp_path):
    for number in range(30):
        _Run(tmp_path, f"site-{number}").rows(0, 5, acc=float(number), lr=0.1, f1=0.5)
    with terminal(tmp_path, ".", "--watch", "--plot", "--every", "0.1", columns=80, lines=44) as shown:
        shown.wait_for(r"30 runs, 30 running.*metrics? more: name those")
        assert not any("make the terminal higher" in line for line in _screen(shown.shown))
        assert shown.end(signal.SIGINT) == 0


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(tmp_path):
    _Run(tmp_path, "site-1").rows(0, 3)
    with terminal(tmp_path, ".", "--watch", "--every", "0.1") as shown:
        shown.wait_for("site-1")
        shown.process.send_signal(signal.SIGTSTP)
        shown.wait_for(re.escape(_LEAVE))
        wait_for(lambda: _state(shown.process.pid) == "T", "a stopped process", DEADLINE)
        drawn = len(shown.shown)
        shown.process.send_signal(signal.SIGCONT)
        shown.wait_for(re.escape(_ENTER) + ".*site-1", drawn)
        assert shown.end(signal.SIGINT) == 0
        assert shown.shown.endswith(_LEAVE)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_a_log_that_is_cut_replaced_or_removed_is_shown_as_it_is_then(tmp_path):
    run = _Run(tmp_path, "site-1")
    run.rows(0, 50)
    whole = run.log.read_bytes()
    with terminal(tmp_path, ".", "--watch", "--plot", "--every", "0.1") as shown:
        shown.wait_for(r"site-1 +running[^\n]* 50 ")
        os.truncate(run.log, len(whole) // 2)
        shown.wait_for(r"site-1 +running[^\n]* 2\d ")
        other = run.log.with_name("other")
        other.write_bytes(whole)
        os.replace(other, run.log)
        shown.wait_for(r"site-1 +running[^\n]* 2\d .*site-1 +running[^\n]* 50 ")
        run.log.unlink()
        shown.wait_for("waiting for the first one")
        assert shown.end(signal.SIGINT) == 0


def test_elsewhere_than_on_a_terminal_each_change_is_a_block(tmp_path):
    run = _Run(tmp_path, "site-1")
    run.rows(0, 1)
    output = tmp_path / "output"
    with (
        output.open("w") as out,
        subprocess.Popen(
            [find_binary(), "show", str(tmp_path), "--watch", "--every", "0.1"], stdout=out, env=environment()
        ) as process,
    ):
        try:
            for count in (1, 2, 3):
                wait_for(lambda wanted=count: _blocks(output) >= wanted, f"{count} blocks", DEADLINE)
                run.rows(count, count + 1)
        finally:
            process.terminate()
        assert process.wait(DEADLINE) == 0
    assert "\033" not in output.read_text()
    assert ": 1 run, 1 running; changed 20" in output.read_text()


def _blocks(output: Path) -> int:
    return len(re.findall(r"^metric .*\n(?:.+\n)+\n", output.read_text(), re.MULTILINE))


def test_of_a_log_only_what_has_come_is_read_and_nothing_is_drawn_while_nothing_comes(tmp_path):
    run = _Run(tmp_path, "site-1")
    run.add(*(writer.history(step, {"loss": 1.0, "text": "x" * 100_000}) for step in range(100)))
    size = run.log.stat().st_size
    with terminal(tmp_path, ".", "--watch", "--every", "0.1") as shown:
        shown.wait_for(r"site-1 +running[^\n]* 100 ")
        pictures, read = shown.shown.count("\033[H"), _bytes_read(shown.process.pid)
        assert read > size
        for step in range(100, 110):
            run.add(writer.history(step, {"loss": 1.0}))
            shown.wait_for(rf"site-1 +running[^\n]* {step + 1} ")
        assert _bytes_read(shown.process.pid) - read < size / 2
        assert shown.shown.count("\033[H") <= pictures + 10
        assert shown.end(signal.SIGINT) == 0


def _bytes_read(pid: int) -> int:
    return int(re.search(r"^rchar: (\d+)$", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)[1])


def test_a_job_is_watched_while_it_runs(tmp_path):
    with (
        Driver(tmp_path, {"wandb": {}}) as driver,
        terminal(tmp_path, ".", "--watch", "--plot", "loss", "--every", "0.1") as shown,
    ):
        for step in range(3):
            driver.data("site-1", "METRIC", "loss", 0.5 + step, step=step)
        shown.wait_for(r"site-1 1\.5")
        driver.end()
        shown.wait_for(r"1 run, 0 running.*site-1 2\.5")
        assert shown.end(signal.SIGINT) == 0


def test_what_can_not_be_watched_is_refused(tmp_path):
    for words, status in (
        (["--watch", "--json"], 64),
        (["--watch", "--csv"], 64),
        (["--watch", "--wait", "1"], 64),
        (["--every", "1"], 64),
        (["--watch", "--every", "0"], 64),
        (["./missing", "--watch"], 66),
    ):
        done = subprocess.run(
            [find_binary(), "show", *words], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE
        )
        assert (done.returncode, done.stdout) == (status, ""), words
        assert done.stderr
