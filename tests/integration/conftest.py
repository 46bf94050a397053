"""What all integration tests share: nothing of ours may be left when one ends."""

import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[1]
for folder in (_TESTS, _TESTS / "conformance", Path(__file__).parent):
    sys.path.insert(0, str(folder))

pytest.register_assert_rewrite("uploads", "burst_job", "running_job")

from bridge_driver import processes_with, wait_for  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path):
    """No process that works below the test's folder outlives the test by more than a few seconds."""
    yield
    wait_for(lambda: not processes_with(str(tmp_path)), f"the end of {processes_with(str(tmp_path))}", 20)
