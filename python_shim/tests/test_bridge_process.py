"""Laws of the bridge's process as a receiver starts it, with the program itself."""

import contextlib
import errno
import os
import signal
import time
from pathlib import Path

import pytest
from flarebridge.bridge_process import BridgeProcess
from flarebridge.events import Encoder
from flarebridge.link import Link

_DEADLINE = 90.0  # seconds, on a machine that is busy with others


@pytest.fixture(autouse=True)
def short_temporary_folder(tmp_path, monkeypatch):
    """Sockets of killed processes go with the test."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="fbt-", dir="/tmp")
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _refused(number: int):
    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture(params=["there", "missing", "ENOSYS", "EPERM"])
def pidfd_open(request, monkeypatch):
    """os.pidfd_open as Pythons and kernels have it."""
    if request.param == "missing":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif request.param != "there":
        monkeypatch.setattr(os, "pidfd_open", _refused(getattr(errno, request.param)), raising=False)


class _Job:
    """A link with a bridge of its own."""

    def __init__(self, folder: Path):
        self.said: list = []
        self.process = BridgeProcess(str(folder / "state"))
        self.link = Link(None, self.process, 1 << 20, lambda level, text: self.said.append((level, text)))
        self.encoder = Encoder()
        self.logged = 0
        self.link.put(self.encoder.session_opened(1.0, "job", "run", "server", str(folder), {"wandb": {}}))
        self.link.put(self.encoder.run_started(1.0, "site-1"))
        self.link.start()

    def log(self, count: int = 10) -> None:
        for _ in range(count):
            assert self.link.put(self.encoder.data(1.0, "site-1", "METRIC", "WANDB", "m", 0.5, self.logged))
            self.logged += 1

    def pid(self) -> int:
        """The bridge's: known a moment after it has answered first."""
        _wait_for(lambda: self.process.pid is not None, "the bridge's pid")
        return self.process.pid

    def end(self) -> None:
        self.link.put_last(self.encoder.session_ended(2.0, 0))
        assert self.link.wait_acknowledged(_DEADLINE), self.said
        self.link.close(5.0)
        assert self.process.wait_gone(_DEADLINE)


@contextlib.contextmanager
def _job(folder: Path):
    job = _Job(folder)
    try:
        yield job
    finally:
        job.link.close(0.1)
        if job.process.pid is not None:
            with contextlib.suppress(OSError):
                os.kill(job.process.pid, signal.SIGKILL)


def _wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.01)


def _rows(folder: Path) -> int:
    import json
    import subprocess

    from flarebridge.bridge_process import find_binary

    shown = subprocess.run(
        [find_binary(), "show", "--json", "--wait", "20", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    (run,) = found if isinstance(found, list) else [found]
    rows = run["rows"]
    return rows if isinstance(rows, int) else len(rows)


def test_a_running_bridge_never_counts_as_dead_and_is_started_once(tmp_path, pidfd_open):
    with _job(tmp_path) as job:
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        looked = time.monotonic() + 2.5  # the link looks at each heartbeat
        _wait_for(lambda: time.monotonic() > looked, "some looks")
        assert job.process.starts == 1
        assert job.pid()
        job.log()
        job.end()
        assert job.said == []
    assert _rows(tmp_path) == 20


def test_a_dead_bridge_is_started_again_and_nothing_is_lost(tmp_path, pidfd_open):
    with _job(tmp_path) as job:
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        os.kill(job.pid(), signal.SIGKILL)
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        assert job.process.starts == 2
        job.end()
    assert _rows(tmp_path) == 20


def test_a_child_that_is_forked_does_not_keep_a_dead_bridge_alive(tmp_path):
    with _job(tmp_path) as job:
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        try:
            os.kill(job.pid(), signal.SIGKILL)
            job.log()
            assert job.link.wait_acknowledged(_DEADLINE), job.said
            assert job.process.starts == 2
            job.end()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.fixture
def quick_reach(monkeypatch):
    """The times of reach.py, in the same order, but shorter."""
    from flarebridge import reach

    for name, seconds in (("_SILENCE", 1.5), ("_ANSWER", 0.5), ("_GONE", 0.2), ("_STUCK", 1.5)):
        monkeypatch.setattr(reach, name, seconds)


def test_a_bridge_whose_socket_was_removed_is_replaced_once_it_can_not_be_reached(tmp_path, quick_reach):
    import shutil

    with _job(tmp_path) as job:
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        shutil.rmtree(Path(job.process.endpoint.removeprefix("ipc://")).parent)
        first = job.pid()
        os.kill(first, signal.SIGSTOP)
        _wait_for(lambda: job.said, "a word about it")
        os.kill(first, signal.SIGCONT)
        assert job.said[0][0] == "warning"
        assert "was removed" in job.said[0][1]
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        assert job.process.starts == 2
        assert job.pid() != first
        job.end()
    assert _rows(tmp_path) == 20


def test_a_bridge_that_was_stopped_is_told_of_and_replaced(tmp_path, quick_reach):
    with _job(tmp_path) as job:
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        os.kill(job.pid(), signal.SIGSTOP)
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        assert "does not answer" in job.said[0][1]
        _wait_for(lambda: job.process.starts == 2, "the next bridge")
        job.end()
    assert _rows(tmp_path) == 20


def test_a_bridge_that_answers_again_is_not_replaced(tmp_path, quick_reach, monkeypatch):
    from flarebridge import reach

    monkeypatch.setattr(reach, "_STUCK", 60.0)
    with _job(tmp_path) as job:
        job.log()
        assert job.link.wait_acknowledged(_DEADLINE), job.said
        os.kill(job.pid(), signal.SIGSTOP)
        _wait_for(lambda: job.said, "a word about it")
        os.kill(job.pid(), signal.SIGCONT)
        _wait_for(lambda: ("info", "the bridge answers again") in job.said, "the good word")
        job.log()
        job.end()
        assert job.process.starts == 1
    assert _rows(tmp_path) == 20


def test_no_folder_is_left_when_all_end(tmp_path, short_temporary_folder):
    with _job(tmp_path) as job:
        job.log()
        job.end()
    assert list(short_temporary_folder.iterdir()) == []
