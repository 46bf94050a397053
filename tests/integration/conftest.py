"""What all integration tests share: nothing of ours may be left when one ends."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[1]
for folder in (_TESTS, _TESTS / "conformance", Path(__file__).parent):
    sys.path.insert(0, str(folder))

pytest.register_assert_rewrite("uploads", "burst_job", "running_job")

from bridge_driver import processes_with, wait_for  # noqa: E402


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
