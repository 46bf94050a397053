"""What all integration tests share: nothing of ours may be left when one ends."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

_TESTS = Path(__file__).resolve().parents[1]
for folder in (_TESTS, _TESTS / "conformance", Path(__file__).parent):
    sys.path.insert(0, str(folder))

pytest.register_assert_rewrite("uploads", "burst_job", "running_job", "reports")

from bridge_driver import processes_with, wait_for  # noqa: E402
from browser import Browser  # noqa: E402
from reports import made  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def sockets_of_killed_processes_go_with_the_tests(tmp_path_factory):
    """Who is killed can't remove its socket's folder. Its path is short, for a socket's may have 107 bytes only."""
    tmp_path_factory.getbasetemp()  # pytest's own folders stay where they are looked for
    folder = tempfile.mkdtemp(prefix="fb-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", None)  # what was found before
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path):
    """No process that works below the test's folder outlives the test by more than a few seconds."""
    yield
    wait_for(lambda: not processes_with(str(tmp_path)), f"the end of {processes_with(str(tmp_path))}", 20)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One for all tests that look at pages."""
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def page(browser, tmp_path):
    """Makes a report of paths and opens it; at the end nothing was asked of a network and nothing went wrong."""
    file = tmp_path / "report.html"

    def make(*paths: Any, status: int = 0) -> Browser:
        made(*paths, "-o", file, status=status)
        browser.prefer("light")
        browser.resize(1280, 900)
        browser.point_at(0, 0)
        browser.console.clear()
        browser.requests.clear()
        browser.open(file)
        return browser

    yield make
    browser.run("1")  # takes what it had to say
    assert browser.console == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [file.as_uri()]
