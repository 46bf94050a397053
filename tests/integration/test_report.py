"""`flarebridge report`: what is typed, what is in the file, and what a real browser makes of it, without a network."""

import base64
import math
import os
import re
import stat
import struct
import subprocess
from pathlib import Path

import pytest
from bridge_driver import Driver
from browser import Browser
from flarebridge.bridge_process import find_binary
from reports import HOSTILE, data_of, made, report, write
from run_log_writer import header, history, run_record, write_run


def _values(series: dict) -> list[float]:
    raw = base64.b64decode(series["mean"])
    return list(struct.unpack(f"<{len(raw) // 8}d", raw))


# --- the command ---


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    """The folder of a job of three sites, as a bridge and its workers write it."""
    folder = tmp_path_factory.mktemp("job")
    with Driver(folder, {"wandb": {"project": "p", "config": {"lr": 0.1}}}) as driver:
        for step in range(40):
            for number, site in enumerate(("site-1", "site-2", "site-3")):
                loss = math.exp(-step / 10) + number / 10
                driver.data(site, "METRICS", "m", {"train/loss": loss, "accuracy": 1 - loss}, step=step)
        driver.end()
    return folder


def test_a_job_becomes_one_file_with_every_value_of_every_site(job, tmp_path):
    told = made(job, "-o", tmp_path / "report.html").stdout
    assert re.fullmatch(rf"{tmp_path}/report.html: 3 runs, 120 rows, 2 metrics; 0.\d MB\n", told)
    data = data_of((tmp_path / "report.html").read_text())
    assert [run["name"] for run in data["runs"]].count("site-2-job-run") == 1
    assert {run["state"] for run in data["runs"]} == {"finished"}
    assert ["lr", "0.1"] in data["config"]["same"]
    for series in data["series"]:
        number = int(data["runs"][series["run"]]["name"][5]) - 1
        loss = [math.exp(-step / 10) + number / 10 for step in range(40)]
        is_loss = data["keys"][series["key"]] == "train/loss"
        assert _values(series) == (loss if is_loss else [1 - value for value in loss])
    assert made(job, "-o", "-").stdout.startswith("<!DOCTYPE html>")


def test_a_report_is_replaced_as_a_whole_and_nothing_else_is_left_beside_it(job, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "report.html").write_text("old")
    os.chmod(folder / "report.html", 0o600)
    subprocess.run([find_binary(), "report", job], cwd=folder, check=True, capture_output=True, timeout=60)
    assert [file.name for file in folder.iterdir()] == ["report.html"]
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    (folder / "link.html").symlink_to("../elsewhere.html")
    for _ in range(2):  # the link leads nowhere, then to a file
        made(job, "-o", folder / "link.html")
        assert (folder / "link.html").is_symlink()
        assert not (tmp_path / "elsewhere.html").is_symlink()


def test_what_is_typed_wrong_is_told_and_nothing_is_written(job, tmp_path):
    log = next(job.rglob("run-*.wandb"))
    before = log.read_bytes()
    for arguments, status, words in (
        ([tmp_path], 66, f"no run below {tmp_path}"),
        ([tmp_path / "missing"], 66, "missing"),
        ([], 64, "path is required"),
        (["/etc/passwd", "-o", tmp_path / "r.html"], 65, "not a W&B run log"),
        ([job, "-o", tmp_path], 73, "it is a folder"),
        ([job, "-o", log], 73, "it is the log of a run"),
        ([job, "-o", "/dev/null"], 73, "-o - writes to standard output"),
        ([job, "-o", "/proc/no-such-place/r.html"], 73, "/proc/no-such-place"),
    ):
        done = report(*arguments)
        assert (done.returncode, done.stdout) == (status, ""), done.stderr
        assert words in done.stderr
    assert log.read_bytes() == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert list(tmp_path.iterdir()) == []
    assert "needs no network" in report("--help").stdout


def test_of_a_damaged_log_is_shown_what_can_be_read_and_the_status_says_so(tmp_path):
    whole = write(tmp_path / "a", "whole", [{"loss": 1.0}] * 10)
    damaged = write(tmp_path / "b", "damaged", [{"loss": 2.0, "text": "x" * 1000}] * 200)
    content = bytearray(damaged.read_bytes())
    content[70000] ^= 1
    damaged.write_bytes(content)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "run-none.wandb").write_bytes(b"nothing of W&B's")
    done = made(tmp_path, "-o", tmp_path / "r.html", status=65)
    assert f"{damaged}: damaged: " in done.stderr
    assert "run-none.wandb" in done.stderr
    data = data_of((tmp_path / "r.html").read_text())
    rows = {run["log"]: run["rows"] for run in data["runs"]}
    assert rows[str(whole)] == 10
    assert 150 < rows[str(damaged)] < 200
    assert [run["state"] for run in data["runs"]] == ["finished", "finished", "unreadable"]


# --- the page in a browser ---


_CARD = "cards.find((card) => card.metric.name === {name!r})"
# How many pixels of a chart have a colour, those of its axes left out.
_COLORED = """(() => {{
  const {{plot}} = {card}.chart, {{left, top, width, height}} = plot.bbox;
  const {{data}} = plot.ctx.getImageData(left, top, width, height);
  let colored = 0;
  for (let i = 0; i < data.length; i += 4) {{
    const rgb = data.subarray(i, i + 3);
    if (data[i + 3] > 0 && Math.max(...rgb) - Math.min(...rgb) > 40) ++colored;
  }}
  return colored;
}})()"""


def _card(name: str) -> str:
    return _CARD.format(name=name)


def _colored(browser: Browser, name: str) -> int:
    return browser.run(_COLORED.format(card=_card(name)))


def _point_at_step(browser: Browser, name: str, step: float) -> str:
    """Puts the pointer on a chart at a step; what it then says."""
    place = browser.run(
        f"(() => {{ const {{plot}} = {_card(name)}.chart, box = plot.over.getBoundingClientRect(); "
        f"return [box.left + plot.valToPos({step}, 'x'), box.top + box.height / 2]; }})()"
    )
    browser.point_at(*place)
    return browser.wait(f"{_card(name)}.tip && {_card(name)}.tip.innerText")


def test_each_metric_is_a_chart_with_the_curves_of_all_sites_and_the_values_that_were_logged(page, job):
    browser = page(job)
    browser.wait("cards.every((card) => card.chart)")
    assert browser.run("cards.map((card) => card.metric.name)") == ["accuracy", "train/loss"]
    assert sorted(browser.run("labels")) == ["site-1", "site-2", "site-3"]
    assert _colored(browser, "train/loss") > 500
    said = _point_at_step(browser, "train/loss", 10).split("\n")
    assert said[0] == "step 10"
    values = dict(zip(said[1::2], said[2::2]))
    assert values["site-1"] == "0.36788"
    assert values["site-3"] == "0.56788"
    assert values["mean ± deviation"] == "0.46788 ± 0.0816"
    assert "3 runs: 3 finished · 120 rows · 2 metrics" in browser.run("document.getElementById('summary').textContent")
    cells = browser.run("[...document.querySelectorAll('#values tr:nth-child(2) td')].map((cell) => cell.textContent)")
    assert sorted(cells) == ["0.020242", "0.12024", "0.22024"]


def test_sites_axes_smoothing_and_tables_do_what_their_labels_say(page, job):
    browser = page(job)
    browser.wait("cards.every((card) => card.chart)")
    before = _colored(browser, "train/loss")
    browser.click("#legend li:nth-child(1) input")
    browser.wait(f"{_card('train/loss')}.chart.layers.runs.length === 2")
    assert _colored(browser, "train/loss") < before
    browser.click("#none")
    browser.wait(f"{_card('train/loss')}.chart.layers.runs.length === 0")
    assert _colored(browser, "train/loss") == 0
    browser.click("#all")
    browser.wait(f"{_card('train/loss')}.chart.layers.runs.length === 3")
    browser.click("#log")
    browser.wait(f"{_card('train/loss')}.chart.plot.scales.y.distr === 3")
    assert browser.run("cards.map((card) => card.hint.textContent)") == [
        "What is not above 0 has no place on a log axis.",
        "",
    ]
    browser.click("#spread")
    browser.wait(f"{_card('train/loss')}.chart.layers.spreads.length === 0")
    browser.enter("#smoothing", 0.9)
    browser.wait(f"{_card('train/loss')}.chart.layers.runs[0].raw")
    first, smoothed = browser.run(
        f"(({{raw, mean}}) => [raw[39], mean[39]])({_card('train/loss')}.chart.layers.runs[0])"
    )
    assert smoothed > first + 0.05
    browser.click("input[value=time]")
    browser.wait(f"{_card('train/loss')}.drawnByTime")
    browser.click("input[value=step]")
    browser.wait(f"!{_card('train/loss')}.drawnByTime")
    browser.click(".card button[aria-label='Table of train/loss']")
    assert browser.run("document.querySelectorAll('.card table tbody tr').length") == 40
    browser.run("document.querySelectorAll('.plot')[1].focus()")
    browser.press("Home")
    browser.press("ArrowRight")
    assert browser.run("document.getElementById('live').textContent").startswith("step 1, smoothed: ")


def test_of_many_values_a_chart_has_every_spike_and_says_which_steps_it_stands_for(page, tmp_path):
    write(tmp_path, "made0001", [{"loss": 100.0 if step == 4321 else step % 7} for step in range(6000)])
    browser = page(tmp_path)
    browser.wait("cards[0].chart")
    assert browser.run("Math.max(...cards[0].chart.layers.runs[0].most)") == 100
    browser.run("cards[0].chart.plot.setScale('x', {min: 4300, max: 4340})")
    browser.wait("!cards[0].reset.hidden")
    said = _point_at_step(browser, "loss", 4320)
    assert said.startswith("step 4,320 to 4,323\n")
    assert "(1 to 100)" in said
    assert browser.run("document.querySelector('#values td').textContent") == "0"  # 5,999 is 857 times 7
    browser.click("#figure input[value=most]")
    assert browser.run("document.querySelector('#values td').textContent") == "100"
    browser.run("cards[0].plot.focus()")
    browser.run("cards[0].chart.unzoom()")
    for key, first in (
        ("Home", "0"),
        ("ArrowRight", "4"),
        ("ArrowRight", "8"),
        ("End", "5,996"),
        ("ArrowLeft", "5,992"),
    ):
        browser.press(key)  # there are more columns than pixels
        assert browser.run("document.getElementById('live').textContent").startswith(f"step {first} to ")
    browser.run("cards[0].chart.plot.setScale('x', {min: 4300, max: 4340})")
    browser.wait("!cards[0].reset.hidden")
    browser.press("Escape")
    browser.wait("cards[0].reset.hidden")


def test_each_job_has_a_mean_of_its_own_also_where_its_sites_log_at_different_steps(page, tmp_path):
    for group, rise in (("one", 1), ("two", 10)):
        for site in (0, 1):
            name = f"{group}{site}"
            rows = [history(step + site, {"a": rise * step}) for step in range(0, 9, 2)]
            write_run(tmp_path, name, [header(), run_record(name, display_name=name, run_group=group), *rows])
    browser = page(tmp_path)
    browser.wait("cards[0].chart")
    spreads = "cards[0].chart.layers.spreads.map((spread) => spread.mean)"
    one = [None, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, None]
    assert browser.run(spreads) == [one, [mean and mean * 10 for mean in one]]
    assert browser.run("[...document.querySelectorAll('#means li')].map((line) => line.textContent)") == [
        "mean of one",
        "mean of two",
    ]
    browser.click("#groups button:nth-child(2)")
    browser.wait("cards[0].chart.layers.runs.length === 2")
    assert browser.run("[...document.querySelectorAll('#legend input')].map((box) => box.checked)") == [
        False,
        False,
        True,
        True,
    ]


def test_no_name_and_no_value_can_become_a_part_of_the_page(page, tmp_path):
    rows = [{HOSTILE: 1.0, "text": HOSTILE, "__proto__": 2.0, "constructor": 3.0, "": 4.0}] * 3
    write(tmp_path, "made0001", rows, display_name=HOSTILE, run_group=HOSTILE)
    write(tmp_path, "made0002", rows, display_name=HOSTILE, run_group=HOSTILE, notes=HOSTILE)
    browser = page(tmp_path)
    browser.wait("cards.every((card) => card.chart)")
    assert browser.run("typeof hacked") == "undefined"
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("document.querySelectorAll('script').length") == 3
    assert browser.run("labels") == [HOSTILE, f"{HOSTILE} (2)"]
    assert HOSTILE in browser.run("[...document.querySelectorAll('h3')].map((title) => title.textContent)")
    assert browser.run("document.querySelector('#texts pre').textContent") == HOSTILE
    assert "step 1" in _point_at_step(browser, HOSTILE, 1)


def test_values_that_are_no_numbers_are_gaps_and_are_told(page, tmp_path):
    values = [1.0, 2.0, float("nan"), 4.0, float("inf"), 6.0, 7.0]
    write(tmp_path, "made0001", [{"loss": value, "picture": {"_type": "image-file"}} for value in values])
    browser = page(tmp_path)
    browser.wait("cards.every((card) => card.chart)")
    assert browser.run("cards[0].note.textContent") == "made0001: 1 NaN and 1 infinite, first at step 2"
    assert browser.run("cards[0].chart.layers.runs[0].mean") == [1, 2, None, 4, None, 6, 7]
    assert "picture (7)" in browser.run("document.getElementById('texts').textContent")
    browser.click("#log")
    browser.wait("cards[0].chart.plot.scales.y.distr === 3")


def test_curves_are_seen_however_large_their_values_and_however_short_they_are(page, tmp_path):
    write(tmp_path, "made0001", [{"large": 1.7e308 * (-1) ** step, "level": 3.0} for step in range(9)])
    write(tmp_path, "made0002", [{"large": 1e200 * step} for step in range(9)])
    far = [history(10**12 + step, {"level": 4.0}) for step in range(9)]
    write_run(tmp_path, "made0003", [header(), run_record("made0003"), *far])
    browser = page(tmp_path)
    browser.wait("cards.every((card) => card.chart)")
    assert _colored(browser, "large") > 100
    assert _colored(browser, "level") > 10  # a dot at each end
    assert "1.7e+308" in browser.run("document.querySelector('#values').innerText").replace("1.70e", "1.7e")


def test_steps_that_go_back_and_logs_that_are_damaged_are_told_above_the_charts(page, tmp_path):
    records = [header(), run_record("made0001", display_name="odd"), *[history(i % 5, {"loss": i}) for i in range(10)]]
    log = write_run(tmp_path, "made0001", records)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "run-none.wandb").write_bytes(b"nothing of W&B's")
    browser = page(log, tmp_path / "x", status=65)
    told = browser.run("[...document.querySelectorAll('#problems li')].map((line) => line.innerText)")
    assert told[0] == "odd: 1 row with a lower step than the row before; they are shown at their steps"
    assert "can't be read" in told[1]
    browser.wait("cards[0].chart")
    assert browser.run("cards[0].chart.layers.runs[0].mean") == [2.5, 3.5, 4.5, 5.5, 6.5]


def test_a_thousand_metrics_are_drawn_when_they_are_seen_and_found_by_their_names(page, tmp_path):
    row = {f"layer/{i}/weight": float(i) for i in range(1000)}
    for run in ("made0001", "made0002"):
        write(tmp_path, run, [row] * 4)
    browser = page(tmp_path)
    browser.wait("cards.filter((card) => card.chart).length > 2")
    assert browser.run("cards.length") == 1000
    assert browser.run("cards.filter((card) => card.chart).length") < 40
    browser.run("cards[900].element.scrollIntoView()")
    browser.wait("cards[900].chart")
    browser.wait("cards.filter((card) => card.chart).length < 60 && !cards[0].chart")
    browser.enter("#search", "77 weight")
    assert browser.run("document.getElementById('found').textContent") == "19 of 1,000 metrics"
    browser.wait("cards[77].chart")
    assert browser.run("document.querySelectorAll('#values tbody tr').length") == 19


def test_dark_and_narrow_screens_and_paper_have_their_own_look(page, job):
    browser = page(job)
    browser.wait("cards.every((card) => card.chart)")
    light = browser.run("getComputedStyle(document.body).backgroundColor")
    color = browser.run(f"{_card('accuracy')}.chart.plot.series.at(-1).stroke()")
    browser.prefer("dark")
    browser.wait("getComputedStyle(document.body).backgroundColor", lambda value: value != light)
    browser.wait(f"{_card('accuracy')}.chart.plot.series.at(-1).stroke()", lambda value: value != color)
    browser.resize(380, 800)
    browser.wait(f"{_card('accuracy')}.chart.plot.width < 380")
    assert browser.run("document.documentElement.scrollWidth") <= 380
    assert len(browser.pdf()) > 10000
    assert browser.run("document.documentElement.classList.contains('print')") is False
    assert _colored(browser, "accuracy") > 200


def test_everything_that_can_be_used_has_a_name(page, job):
    browser = page(job)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    used = ("button", "checkbox", "radio", "slider", "searchbox", "region", "group")
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in used and not node.get("ignored"):
            assert node.get("name", {}).get("value"), node
    assert {"slider", "searchbox", "checkbox"} <= {node.get("role", {}).get("value") for node in nodes}
