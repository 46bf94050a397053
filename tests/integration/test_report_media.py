"""Images, texts, files and consoles in a report: what is shown, what is left out and why, and that none of it harms."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from bridge_driver import Driver
from reports import HOSTILE, data_of, huge_png, made, png, write
from run_log_writer import exit_record, header, history, run_record, write_run
from wandb.proto import wandb_internal_pb2 as pb

_SITES = ("site-1", "site-2")


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    """A job of two sites that log images, texts, files and console lines, as a bridge and its workers write it."""
    folder = tmp_path_factory.mktemp("job")
    with Driver(folder, {"wandb": {"project": "p"}}) as driver:
        for number, site in enumerate(_SITES):
            for step in range(0, 50, 10):
                image = png(16, 12, (step * 5, 40 * number, 90), (250, 250, 250))
                driver.data(site, "IMAGE", "val/picture", image, step=step)
                driver.data(site, "TEXT", "answer", f"{site} at {step}", step=step)
                driver.data(site, "METRICS", "m", {f"m/{i:02}": i * step for i in range(12)}, step=step)
            driver.data(site, "TEXT", "setup", "lr: 0.1\n", path="notes/setup.txt")
            for line in range(300):
                driver.data(site, "LOG_RECORD", "console", f"\x1b[32mline\x1b[0m {line}\n")
        driver.end()
    return folder


def _images(browser) -> list[dict]:
    """Those that are drawn, with what is told of them."""
    browser.wait("[...document.querySelectorAll('#images img')].every((image) => image.complete)")
    return browser.run(
        "[...document.querySelectorAll('#images img')].map((image) => "
        "({alt: image.alt, width: image.naturalWidth, height: image.naturalHeight}))"
    )


def _texts(browser, selector: str) -> list[str]:
    return browser.run(f"[...document.querySelectorAll({selector!r})].map((one) => one.textContent)")


def _with_files(folder: Path, name: str, rows: list[dict], files: dict[str, bytes]) -> Path:
    """A run and its files below files/. Gives its log."""
    log = write(folder, name, rows)
    for path, content in files.items():
        file = log.parent / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return log


def _image(path: str, content: bytes, **more: Any) -> dict:
    return {"_type": "image-file", "path": path, "sha256": hashlib.sha256(content).hexdigest(), **more}


# --- images ---


def test_each_site_shows_its_image_of_each_step_by_the_mouse_and_by_the_keyboard(page, job):
    browser = page(job)
    browser.run("document.getElementById('images-section').scrollIntoView()")
    browser.wait("document.querySelectorAll('#images img').length === 2")
    assert _images(browser) == [
        {"alt": f"val/picture of {site}, step 40", "width": 16, "height": 12} for site in _SITES
    ]
    browser.run("document.querySelector('figure input').focus()")
    browser.press("ArrowLeft")
    assert browser.run("document.querySelector('figure input').getAttribute('aria-valuetext')") == "step 30"
    assert [image["alt"][-7:] for image in _images(browser)] == ["step 30", "step 40"]
    browser.enter("#images header input", 0)
    assert [image["alt"][-6:] for image in _images(browser)] == ["step 0", "step 0"]
    browser.click("#legend li:nth-child(1) input")
    browser.wait("document.querySelectorAll('#images img').length === 1")
    assert browser.run("document.querySelectorAll('#images figure:not([hidden])').length") == 1
    assert _texts(browser, "#images-note") == [""]
    charts = browser.run("cards.map((card) => card.metric.name)")
    assert charts == [f"m/{i:02}" for i in range(12)]  # the width of an image is no metric


def test_lists_of_images_keep_their_captions_and_other_kinds_are_told_by_their_bytes(page, tmp_path):
    one, two = png(30, 20, (200, 0, 0)), png(20, 20, (0, 0, 200))
    gif = bytes.fromhex("47494638396101000100800000ff00000000002c00000000010001000002024401003b")
    rows = [
        {
            "list": {
                "_type": "images/separated",
                "count": 2,
                "filenames": ["media/images/one.png", "media/images/two.png"],
                "captions": [HOSTILE, None],
            },
            "named": _image("media/images/named.bin", gif, caption="a GIF"),
        }
    ]
    files = {"media/images/one.png": one, "media/images/two.png": two, "media/images/named.bin": gif}
    _with_files(tmp_path, "made0001", rows, files)
    browser = page(tmp_path)
    browser.wait("document.querySelectorAll('#images img').length === 3")
    assert [(image["width"], image["height"]) for image in _images(browser)] == [(30, 20), (20, 20), (1, 1)]
    assert _texts(browser, "#images .caption") == [HOSTILE, "a GIF"]
    assert browser.run("typeof hacked") == "undefined"


def test_what_cannot_be_shown_is_named_and_nothing_outside_of_a_run_is_read(page, tmp_path):
    good, other = png(4, 4, (1, 2, 3)), png(4, 4, (9, 9, 9))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="hacked=1"/>'
    (tmp_path / "secret.png").write_bytes(good)
    files = {
        "cut.png": good[:-20],
        "other.png": other,
        "active.svg": svg,
        "page.png": b"<html><script>hacked=1</script>",
    }
    rows = [
        {"a": _image("missing.png", good)},
        {"a": _image("cut.png", good[:-20])},
        {"a": _image("other.png", good)},
        {"a": _image("active.svg", svg)},
        {"a": _image("page.png", files["page.png"])},
        {"a": _image("../../secret.png", good)},
        {"a": _image("link.png", good)},
        {"a": _image(str(tmp_path / "secret.png"), good)},
        {"a": _image("folder/secret.png", good)},
        {"a": _image("pixels.png", huge_png(30000))},
        {"a": _image("large.png", good, size=10**9)},
        {"a": _image("large.png", good)},
        {"a": _image("pipe.png", good)},
    ]
    files["pixels.png"] = huge_png(30000)
    log = _with_files(tmp_path / "job", "made0001", rows, files)
    (log.parent / "files" / "link.png").symlink_to(tmp_path / "secret.png")
    (log.parent / "files" / "folder").symlink_to(tmp_path)
    os.mkfifo(log.parent / "files" / "pipe.png")
    with (log.parent / "files" / "large.png").open("wb") as large:
        large.truncate(1 << 30)
    browser = page(tmp_path / "job")
    said = {line.split(" · ")[2].split(": ", 1)[0]: line for line in _texts(browser, "#images-faults li")}
    for step, words in enumerate(
        (
            "missing.png can't be read: No such file",
            "cut.png is cut off",
            "other.png is not what was logged",
            "active.svg is no PNG, JPEG, GIF or WebP",
            "page.png is no PNG, JPEG, GIF or WebP",
            "../../secret.png leads out of its folder",
            "link.png is a link",
            "secret.png leads out of its folder",
            "folder/secret.png is a link or lies behind one",
            "pixels.png has 30000 x 30000 pixels",
            "large.png has more than 2000000 bytes",
            "large.png has more than 2000000 bytes",
            "pipe.png is no regular file",
        )
    ):
        assert words in said[f"step {step}"]
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("typeof hacked") == "undefined"


def test_of_thousands_of_images_the_newest_and_evenly_spaced_ones_are_in_the_10_mb_and_the_rest_is_counted(tmp_path):
    content = {
        f"{i}.png": png(20, 20, (i % 256, i // 256, 0)) + os.urandom(150_000) + b"IEND\xaeB`\x82" for i in range(61)
    }
    rows = [{"a": _image(f"{i % 61}.png", content[f"{i % 61}.png"], size=150_000), "b": 1.0} for i in range(3000)]
    _with_files(tmp_path, "made0001", rows, content)
    made(tmp_path, "-o", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert 8_000_000 < len(page) <= 10_000_000
    images = data_of(page)["images"]
    (series,) = images["series"]
    steps = [step for step, _ in series["steps"]]
    assert series["all"] == 3000
    assert 40 <= len(steps) <= 100
    assert (steps[0], steps[-1]) == (0, 2999)
    assert max(b - a for a, b in zip(steps, steps[1:])) < 300
    assert images["all_faults"] == 0


def test_histograms_over_steps_are_a_chart_of_medians_with_a_band(page, tmp_path):
    def logged(step: int) -> dict:
        return {"_type": "histogram", "values": [1, 2, 1], "bins": [step, step + 1, step + 2, step + 3]}

    write(tmp_path, "made0001", [{"grad": logged(step), "loss": 1.0} for step in range(30)])
    browser = page(tmp_path)
    browser.wait("cards.length === 2 && cards[0].chart")
    assert browser.run("cards.map((card) => card.metric.name)") == ["grad (histogram)", "loss"]
    shown = browser.run("(({mean, least, most}) => [mean[4], least[4], most[4]])(cards[0].chart.layers.runs[0])")
    assert shown == pytest.approx([5.5, 4.2, 6.8])
    assert browser.run("cards[0].hint.textContent").startswith("Medians")
    assert browser.run("cards[1].hint.textContent") == ""


# --- texts, files and consoles ---


def test_texts_of_each_site_are_chosen_by_their_steps_and_its_files_are_there(page, job):
    browser = page(job)
    assert _texts(browser, "#texts summary") == [
        "answer (10 texts of 2 runs)",
        "notes/setup.txt · site-1",
        "notes/setup.txt · site-2",
    ]
    assert _texts(browser, "#texts .text pre") == ["site-1 at 40", "site-2 at 40"]
    browser.run(
        "(() => { const select = document.querySelector('#texts select'); select.value = '1'; "
        "select.dispatchEvent(new Event('change')); })()"
    )
    assert _texts(browser, "#texts .text pre") == ["site-1 at 10", "site-2 at 40"]
    assert _texts(browser, "#texts details > pre") == ["lr: 0.1\n", "lr: 0.1\n"]
    browser.click("#legend li:nth-child(1) input")
    browser.wait("document.querySelectorAll('#texts .text:not([hidden])').length === 1")


def test_a_console_is_plain_text_without_escapes_and_of_a_long_one_the_end_is_there(page, job, tmp_path):
    def output(text: str) -> pb.Record:
        return pb.Record(output_raw=pb.OutputRawRecord(line=text))

    records = [output(f"line {i} of many, and some more words\n") for i in range(20_000)]
    records += [
        output("10%\r20%\r"),
        output("30"),
        output("%\r\n"),
        output(f"\x1b]0;title\x07{HOSTILE}\x1b["),
        output("1mbold\x1b[0m"),
    ]
    write_run(
        tmp_path / "long", "made0001", [header(), run_record("made0001", display_name="long"), *records, exit_record()]
    )
    browser = page(job, tmp_path / "long")
    words = _texts(browser, "#consoles summary")
    assert words[0].startswith("long (the last ") and words[0].endswith(" of 20,002 lines)")
    assert words[1:] == [f"{site} · run-job (300 lines)" for site in _SITES]
    long, first, _ = _texts(browser, ".console")
    assert long.endswith(f"line 19999 of many, and some more words\n30%\n{HOSTILE}bold\n")
    assert 150_000 < len(long) <= 200_000
    assert first.splitlines()[:2] == ["line 0", "line 1"]
    assert browser.run("typeof hacked") == "undefined"
    assert browser.run("document.querySelectorAll('#consoles details[open]').length") == 0


def test_zeros_half_characters_and_bytes_in_texts_and_files_do_no_harm(page, tmp_path):
    rows = [{"text": "a\0b"}, {"text": "\ud800 half"}, {"text": HOSTILE}]
    files = {"notes.txt": HOSTILE.encode(), "zero.txt": b"a\0b", "bytes.txt": b"\xff\xfe", "config.yaml": b"secret"}
    log = _with_files(tmp_path, "made0001", rows, files)
    (log.parent / "files" / "link.txt").symlink_to("/etc/passwd")
    names = [*files, "link.txt", "../../out.txt", "/etc/passwd"]
    record = pb.Record(files=pb.FilesRecord(files=[pb.FilesItem(path=name) for name in names]))
    log.unlink()
    log.parent.rename(tmp_path / "kept")
    records = [header(), run_record("made0001"), *[history(i, row) for i, row in enumerate(rows)], record]
    log = write_run(tmp_path, "made0001", records)
    (tmp_path / "kept" / "files").rename(log.parent / "files")
    browser = page(tmp_path)
    assert browser.run("data.texts[0].latest.map(([, json]) => JSON.parse(json))")[0] == "a\0b"
    assert _texts(browser, "#texts summary") == ["text (3 texts of 1 run)", "notes.txt · made0001"]
    assert _texts(browser, "#texts details > pre") == [HOSTILE]
    assert "5 files not in this report" in _texts(browser, "#texts")[0]
    assert "secret" not in (tmp_path / "report.html").read_text()
    assert browser.run("typeof hacked") == "undefined"


def test_all_that_is_shown_has_a_name_a_dark_look_and_a_place_on_paper(page, job):
    browser = page(job)
    browser.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    browser.run("document.getElementById('images-section').scrollIntoView()")
    browser.wait("document.querySelectorAll('#images img').length === 2")
    for node in browser.call("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if role in ("button", "slider", "combobox", "image", "region", "group") and not node.get("ignored"):
            assert node.get("name", {}).get("value"), node
    background = "getComputedStyle(document.querySelector('#consoles details')).backgroundColor"
    light = browser.run(background)
    browser.prefer("dark")
    browser.wait(background, lambda value: value != light)
    browser.resize(380, 800)
    browser.wait("document.documentElement.scrollWidth <= 380")
    browser.run("scrollTo(0, 0)")
    browser.wait("document.querySelectorAll('#images img').length === 0")  # out of sight
    browser.run("addEventListener('beforeprint', () => { printed = document.querySelectorAll('#images img').length; })")
    assert len(browser.pdf()) > 10000
    assert browser.run("printed") == 2
    assert json.loads(browser.run("JSON.stringify(document.documentElement.classList)")) == {}
