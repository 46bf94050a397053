"""`show`, `report` and `check` on what the jsonl receiver wrote: the same as on W&B's log of the run."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bridge_driver import Driver
from flarebridge.bridge_process import find_binary
from reports import data_of, made, png

_SITES = ("site-1", "site-2")


def _call(*arguments: Any, status: int = 0) -> str:
    done = subprocess.run(
        [find_binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    """The folder of a job of two sites with both receivers."""
    folder = tmp_path_factory.mktemp("job")
    with Driver(folder, {"wandb": {}, "jsonl": {}}) as driver:
        for number, site in enumerate(_SITES):
            driver.data(site, "PARAMETERS", "p", {"lr": 0.1 + number, "net": {"depth": 3}})
            driver.data(site, "TAG", "kind", "test")
            for step in range(20):
                values = {"loss": 1 / (step + 1), "odd": float("nan"), "deep": {"a": step}, "flag": step > 3}
                driver.data(site, "METRICS", "m", values, step=step)
                driver.data(site, "TEXT", "answer", f"{site} é at {step}", step=step)
                if step % 10 == 0:
                    driver.data(site, "IMAGE", "val/picture", png(8, 8, (step, number, 200)), step=step)
                    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
                    driver.data(site, "IMAGE", "val/pixels", pixels, step=step)
            driver.data(site, "TEXT", "setup", "lr: 0.1\n", path="notes/setup.txt")
            for line in range(5):
                driver.data(site, "LOG_RECORD", "console", f"\x1b[1mline\x1b[0m {line}\n")
        driver.end(3)
    return folder


def _logs(job: Path, site: str) -> tuple[Path, Path]:
    """W&B's log of a site's run, and its JSON lines."""
    for file in (job / "jsonl").glob("*.jsonl"):
        if json.loads(file.read_text().splitlines()[0])["site"] == site:
            (log,) = job.rglob(f"run-{file.stem}.wandb")
            return log, file
    raise AssertionError(site)


def test_a_run_is_shown_alike_by_its_lines_and_by_its_log_of_wandb(job):
    wandb, lines = (json.loads(_call("show", log, "--json")) for log in _logs(job, "site-2"))
    for shown in (wandb, lines):
        shown["run"]["log"] = shown["run"]["project"] = ""
        for row in shown["rows"]:
            del row["_timestamp"], row["_runtime"]
    assert lines["config"] == wandb["config"]
    assert lines["run"] == wandb["run"]
    assert lines["run"]["tags"] == ["kind:test"]
    assert len(lines["rows"]) == len(wandb["rows"]) == 20
    for by_lines, by_wandb in zip(lines["rows"], wandb["rows"]):
        for row in (by_lines, by_wandb):
            for key in [key for key in row if key.startswith("val/p")]:
                del row[key]
        assert json.dumps(by_lines, sort_keys=True) == json.dumps(by_wandb, sort_keys=True)
    assert "failed (exit code 3)" in _call("show", _logs(job, "site-1")[1])


def test_a_run_that_is_there_in_both_forms_is_shown_once_and_checked_in_both(job):
    assert len(json.loads(_call("show", job, "--json"))) == 2
    assert len(json.loads(_call("show", job / "jsonl", "--json"))) == 2
    told = made(job, "-o", "-").stdout
    assert {run["log"] for run in data_of(told)["runs"]} == {str(_logs(job, site)[0]) for site in _SITES}
    told = made(job / "jsonl", job, "-o", "-").stdout
    assert len(data_of(told)["runs"]) == 2
    checked = _call("check", job).splitlines()
    assert len(checked) == 4
    assert all(": whole, " in line for line in checked)
    assert [line for line in checked if ".jsonl: whole, " in line and "54 records, 20 rows" in line]


def test_a_report_of_lines_has_the_curves_images_texts_files_and_consoles(page, job):
    browser = page(job / "jsonl")
    assert sorted(browser.run("labels")) == ["site-1", "site-2"]
    assert browser.run("cards.map((card) => card.metric.name)") == ["deep.a", "flag", "loss", "odd"]
    browser.run("document.getElementById('images-section').scrollIntoView()")
    browser.wait("document.querySelectorAll('#images img').length === 4")
    browser.wait("[...document.querySelectorAll('#images img')].every((image) => image.naturalWidth === 8)")
    assert browser.run("document.querySelectorAll('#images img')[0].alt") == "val/picture of site-1, step 10"
    texts = browser.run("[...document.querySelectorAll('#texts pre')].map((pre) => pre.textContent)")
    assert texts == ["site-1 é at 19", "site-2 é at 19", "lr: 0.1\n", "lr: 0.1\n"]
    console = browser.run("document.querySelector('.console').textContent")
    assert console == "".join(f"line {i}\n" for i in range(5))
    assert browser.run("document.querySelectorAll('#legend .failed').length") == 2


def test_lines_that_are_damaged_are_told_read_over_and_repaired(job, tmp_path):
    content = _logs(job, "site-1")[1].read_bytes()
    lines = content.splitlines(keepends=True)
    folder = tmp_path / "jsonl"
    folder.mkdir()
    (folder / "aaaaaaaaaaaaaaaa.jsonl").write_bytes(content[:-5])
    damaged = folder / "bbbbbbbbbbbbbbbb.jsonl"
    damaged.write_bytes(lines[0] + b"x" + lines[1] + b"".join(lines[2:]))
    (folder / "cccccccccccccccc.jsonl").write_bytes(b"{}\n")
    told = _call("check", tmp_path, status=65).splitlines()
    assert f"cut off at byte {len(content) - len(lines[-1])}, {len(lines[-1]) - 5} bytes" in told[0]
    assert f"damaged at byte {len(lines[0])}, {len(lines[1]) + 1} bytes can't be read" in told[1]
    assert "is no file of JSON lines" in told[2]
    assert "damaged" in _call("show", damaged, status=65)
    made(damaged, "-o", tmp_path / "r.html", status=65)
    (folder / "cccccccccccccccc.jsonl").unlink()
    assert "repaired" in _call("check", "--repair", tmp_path)
    assert all(": whole, " in line for line in _call("check", tmp_path).splitlines())
    assert damaged.read_bytes() == lines[0] + b"".join(lines[2:])
