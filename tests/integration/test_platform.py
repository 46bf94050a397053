"""What a platform may lack: calls of the kernel, locks, maps, short paths. All is written all the same."""

import errno
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq
from bridge_driver import Driver, wait_for
from delivered import jsonl_numbers, wandb_numbers

_HERE = Path(__file__).parent
_EVENTS = 40
# System calls that newer kernels have, and containers' profiles refuse; from 424 on the numbers are the same on
# every machine (asm-generic/unistd.h).
_PIDFD_OPEN, _CLONE3, _CLOSE_RANGE, _OPENAT2, _LANDLOCK = 434, 435, 436, 437, (444, 445, 446)
_MEMFD_CREATE = {"x86_64": 319, "aarch64": 279}.get(platform.machine())


def _compiled(folder: Path, name: str, *options: str) -> Path:
    built = folder / name
    source = _HERE / f"{name}.c"
    subprocess.run(["cc", "-O1", *options, "-o", str(built), str(source), "-ldl"], check=True, timeout=60)
    return built


@pytest.fixture(scope="module")
def refusing_kernel(tmp_path_factory) -> Path:
    return _compiled(tmp_path_factory.mktemp("kernel"), "refusing_kernel")


@pytest.fixture(scope="module")
def lacking_disk(tmp_path_factory) -> Path:
    return _compiled(tmp_path_factory.mktemp("disk"), "lacking_disk", "-shared", "-fPIC")


def _start_by(folder: Path, monkeypatch, words: str) -> None:
    """From now on the bridge is started by a shell, with these words before it."""
    program = folder / "flarebridge"
    program.write_text(f'#!/bin/sh\n{words} {os.environ["FLAREBRIDGE_BINARY"]} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("FLAREBRIDGE_BINARY", str(program))


def _refuse(folder: Path, refusing_kernel: Path, monkeypatch, error: int, calls: list) -> None:
    """From now on the bridge is started on a kernel that refuses the calls."""
    numbers = " ".join(str(call) for call in calls if call is not None)
    _start_by(folder, monkeypatch, f"exec {refusing_kernel} {error} {numbers} --")


def _log_all(driver: Driver, numbers: range) -> None:
    for number in numbers:
        assert driver.data("site-1", "METRIC", "n", number, number)


def _log(state: Path) -> str:
    return (state / "bridge.log").read_text()


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM], ids=["ENOSYS", "EPERM"])
def test_a_kernel_that_refuses_new_calls_loses_nothing(tmp_path, refusing_kernel, monkeypatch, error):
    calls = [_PIDFD_OPEN, _CLOSE_RANGE, _OPENAT2, *_LANDLOCK, _MEMFD_CREATE]
    # The C library tries the old way only where the new one is unknown.
    calls += [_CLONE3] if error == errno.ENOSYS else []
    _refuse(tmp_path, refusing_kernel, monkeypatch, error, calls)
    with Driver(tmp_path, {"wandb": {"project": "tests"}}, state=tmp_path / "state") as driver:
        _log_all(driver, range(_EVENTS))
        closed = list(range(_EVENTS - 1))  # the last row may still get more
        wait_for(lambda: wandb_numbers(tmp_path)[: len(closed)] == closed, "rows")
        driver.end()
    assert wandb_numbers(tmp_path) == list(range(_EVENTS))
    assert "has ended" not in _log(tmp_path / "state"), "its parent lives"


def test_without_pidfds_the_parents_end_is_noticed(tmp_path, refusing_kernel, monkeypatch):
    _refuse(tmp_path, refusing_kernel, monkeypatch, errno.ENOSYS, [_PIDFD_OPEN])
    state = tmp_path / "state"
    endpoint = tmp_path / "s"
    endpoint.mkdir(mode=0o700)
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        bridge = subprocess.Popen(
            [os.environ["FLAREBRIDGE_BINARY"], "serve", "--own", "--parent-pid", str(parent.pid)]
            + ["--state", str(state), "--endpoint", f"ipc://{endpoint}/link"]
        )
        wait_for((endpoint / "link").exists, "the bridge")
        time.sleep(0.5)  # some looks at the parent
        assert bridge.poll() is None
    finally:
        parent.kill()
        parent.wait()
    assert bridge.wait(timeout=60) == 0
    assert f"process {parent.pid} has ended" in _log(state)


@pytest.mark.parametrize(
    "lacks",
    [
        {"FLOCK": errno.ENOSYS},
        {"FCNTL": errno.ENOLCK},
        {"MMAP": errno.ENODEV},
        {"FLOCK": errno.ENOLCK, "FCNTL": errno.EOPNOTSUPP, "MMAP": errno.ENODEV},
    ],
    ids=["no flock", "no POSIX locks", "no shared maps", "none of them"],
)
def test_a_file_system_that_lacks_things_keeps_all_even_over_a_kill(tmp_path, lacking_disk, monkeypatch, lacks):
    monkeypatch.setenv("LD_PRELOAD", str(lacking_disk))
    monkeypatch.setenv("LACKING_DISK_FOLDER", str(tmp_path))
    for what, error in lacks.items():
        monkeypatch.setenv(f"LACKING_DISK_{what}", str(error))
    with Driver(tmp_path, {"wandb": {"project": "tests"}}, state=tmp_path / "state") as driver:
        _log_all(driver, range(_EVENTS))
        bridge = driver.pid()
        assert driver.link.wait_acknowledged(60)
        os.kill(bridge, signal.SIGKILL)
        _log_all(driver, range(_EVENTS, 2 * _EVENTS))
        driver.end()
    assert wandb_numbers(tmp_path) == list(range(2 * _EVENTS))
    told = _log(tmp_path / "state").count("this file system has no locks: two bridges")
    assert bool(told) == ("FLOCK" in lacks)


def test_a_workspace_may_lie_deep(tmp_path):
    folder = tmp_path
    while len(str(folder)) < 3400:
        folder = folder / ("d" * 90)
    folder.mkdir(parents=True)
    with Driver(folder, {"wandb": {"project": "tests"}}, state=folder / "state") as driver:
        _log_all(driver, range(_EVENTS))
        driver.end()
    assert wandb_numbers(folder) == list(range(_EVENTS))


@pytest.mark.parametrize("receiver", ["wandb", "jsonl"])
def test_a_run_whose_folder_is_removed_is_told_and_goes_on_in_a_new_one(tmp_path, receiver):
    receivers = {"wandb": {"project": "tests"}, "jsonl": {}}
    found = lambda: (wandb_numbers(tmp_path) if receiver == "wandb" else jsonl_numbers(tmp_path).get("site-1"))  # noqa: E731
    with Driver(tmp_path, {receiver: receivers[receiver]}, state=tmp_path / "state") as driver:
        _log_all(driver, range(_EVENTS))
        wait_for(lambda: (found() or [])[: _EVENTS - 1] == list(range(_EVENTS - 1)), "rows; W&B's last one is open")
        assert driver.link.wait_acknowledged(60)
        time.sleep(1.5)  # longer than a worker waits for the disk: the journal has forgotten them
        shutil.rmtree(tmp_path / receiver)
        _log_all(driver, range(_EVENTS, 2 * _EVENTS))
        wait_for(lambda: found() and found()[-1] >= 2 * _EVENTS - 2, "rows in a new folder")
        told = lambda: [text for _, text in driver.reports if "was removed" in text]  # noqa: E731
        wait_for(told, "a word about it")
        assert len(told()) == 1 and "site-1" in told()[0]
        driver.end()
    # What the journal had forgotten is gone with the folder; it may still have had some.
    assert found() == list(range(found()[0], 2 * _EVENTS))
    assert found()[0] <= _EVENTS


def test_a_low_soft_limit_of_descriptors_bounds_no_runs(tmp_path, monkeypatch):
    _start_by(tmp_path, monkeypatch, "ulimit -Sn 48; exec")
    sites = [f"site-{number}" for number in range(30)]
    with Driver(tmp_path, {"jsonl": {}}, state=tmp_path / "state") as driver:
        for site in sites:
            assert driver.data(site, "METRIC", "n", 1, 1)
        wait_for(lambda: sorted(jsonl_numbers(tmp_path)) == sorted(sites), "runs, none of which has ended")
        assert not driver.reports
        driver.end()


def test_a_hard_limit_that_is_too_low_is_told(tmp_path, monkeypatch):
    _start_by(tmp_path, monkeypatch, "ulimit -n 128; exec")
    with Driver(tmp_path, {"jsonl": {}}, state=tmp_path / "state") as driver:
        assert driver.data("site-1", "METRIC", "n", 1, 1)
        driver.end()
    assert "may open 128 files, which is enough for about 32 runs" in _log(tmp_path / "state")


def test_what_holds_events_is_closed_to_other_users(tmp_path):
    state = tmp_path / "above" / "state"
    before = os.umask(0o022)
    try:
        with Driver(tmp_path, {"jsonl": {}}, state=state) as driver:
            assert driver.data("site-1", "METRIC", "n", 1, 1)
            assert driver.link.wait_acknowledged(60)
            assert state.stat().st_mode & 0o777 == 0o700
            names = {"bridge.lock", "bridge.log", "bridge.pid", "journal.db", "journal.db-wal"}
            assert names <= {path.name for path in state.iterdir()}
            assert [name for name in sorted(names) if (state / name).stat().st_mode & 0o077] == []
            driver.end()
    finally:
        os.umask(before)
    assert "others may look into" not in _log(state)


def test_a_state_folder_that_others_may_read_is_told(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    with Driver(tmp_path, {"jsonl": {}}, state=state) as driver:
        assert driver.data("site-1", "METRIC", "n", 1, 1)
        driver.end()
    assert state.stat().st_mode & 0o777 == 0o755
    assert f"others may look into {state}" in _log(state)


def test_a_flood_of_malformed_messages_is_a_line_and_a_count(tmp_path):
    with Driver(tmp_path, {"jsonl": {}}, state=tmp_path / "state") as driver:
        assert driver.data("site-1", "METRIC", "n", 1, 1)
        assert driver.link.wait_acknowledged(60)
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(driver.process.endpoint)
        answered = 0
        for _ in range(300):
            socket.send_multipart([b"\xff\n2026 error: forged", b""])
            answered += bool(socket.poll(10000) and socket.recv_multipart())
        socket.close()
        assert answered == 300
        driver.end()
    log = _log(tmp_path / "state")
    assert 1 <= log.count("a message was refused") <= 10
    assert "\n2026 error: forged" not in log


def test_a_relative_folder_of_a_receiver_is_below_the_jobs(tmp_path):
    with Driver(tmp_path, {"jsonl": {"dir": "mine"}}, state=tmp_path / "state") as driver:
        assert driver.data("site-1", "METRIC", "n", 1, 1)
        driver.end()
    assert jsonl_numbers(tmp_path / "mine") == {"site-1": [1]}
