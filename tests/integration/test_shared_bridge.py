"""Laws of a bridge that many jobs share: what one does, or how it vanishes, costs the others nothing."""

import os
import socket
import time
from pathlib import Path
from typing import Optional

import msgpack
import zmq
from bridge_driver import Driver, children_of, wait_for
from flarebridge.events import Encoder
from hello_pt import in_log
from test_bridge import _WANDB, _serve, _so_far
from wandb_tools import DamagedLog, logs_below, records, rows


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_shared_bridge_serves_two_jobs_and_leaves_when_it_is_asked_to(tmp_path):
    endpoint = f"tcp://127.0.0.1:{_free_port()}"
    bridge = _serve(tmp_path, endpoint, "--no-keys")
    try:
        drivers = [Driver(tmp_path / job, _WANDB, job=job, endpoint=endpoint) for job in ("one", "two")]
        for driver, value in zip(drivers, (1.5, 2.5)):
            driver.data("site-1", "METRIC", "loss", value, step=0)
        for driver in drivers:
            driver.link.put(driver.encoder.session_ended(time.time(), 0))
            assert driver.link.wait_acknowledged(30)
            driver.link.close(5)
        for job, value in (("one", 1.5), ("two", 2.5)):
            folder, name = tmp_path / job, f"site-1-{job}-run"
            wait_for(lambda folder=folder, name=name: _so_far(folder, name), "the run")
            log = logs_below(folder)[name]
            wait_for(lambda log=log: list(records(log))[-1].WhichOneof("record_type") == "final", "the run's end")
            assert in_log(log) == [(0, "loss", value)]
        # It is rid of them: a bridge that serves for months holds nothing of jobs that are over.
        wait_for(lambda: not children_of(bridge.pid), "the workers' end")
        assert bridge.poll() is None
    finally:
        bridge.terminate()
        assert bridge.wait(30) == 0
        bridge.stderr.close()


class _Plain:
    """A client of a shared bridge that does only what it is told to, and so can fall silent."""

    def __init__(self, endpoint: str, folder: Path, job: str = "job"):
        self.encoder, self._session, self._seq, self.acked = Encoder(), os.urandom(16).hex(), 0, 0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(endpoint)
        self.hello()
        self.send(self.encoder.session_opened(time.time(), job, "run", "server", str(folder), _WANDB))

    def hello(self, session: Optional[str] = None) -> None:
        self._socket.send(msgpack.packb([1, "flarebridge", 1, session or self._session, "test"]))

    @property
    def refused(self) -> bool:
        """A hello has found no room."""
        answers = []
        while self._socket.poll(0):
            answers.append(msgpack.unpackb(self._socket.recv()))
        return any(answer[:2] == [4, 6] for answer in answers)

    def send(self, *events: bytes) -> None:
        self._socket.send_multipart([msgpack.packb([2, self._seq + 1, len(events)]), b"".join(events)])
        self._seq += len(events)
        wait_for(self._heard, "the acknowledgement")

    def loss(self, step: int) -> None:
        self.send(self.encoder.data(time.time(), "site-1", "METRIC", "WANDB", "loss", 0.5, step))

    def _heard(self) -> bool:
        while self._socket.poll(0):
            kind, first, *_ = msgpack.unpackb(self._socket.recv())
            self.acked = first if kind == 2 else self.acked
        return self.acked == self._seq

    def vanish(self) -> None:
        self._context.destroy(linger=0)


def _exit_so_far(folder: Path, name: str) -> list[int]:
    """The exit codes that a run has told; none while it goes on."""
    try:
        log = logs_below(folder).get(name)
        found = [record.exit.exit_code for record in records(log) if record.WhichOneof("record_type") == "exit"]
        return found if log and list(records(log))[-1].WhichOneof("record_type") == "final" else []
    except (DamagedLog, IndexError, TypeError, AttributeError, OSError):
        return []


def test_a_shared_bridge_that_is_killed_ends_no_run_that_lives_and_puts_a_guessed_end_right(tmp_path):
    endpoint = f"tcp://127.0.0.1:{_free_port()}"
    options = (endpoint, "--no-keys", "--session-timeout", "5")
    bridge = _serve(tmp_path, *options)
    try:
        lives = Driver(tmp_path / "lives", _WANDB, job="lives", endpoint=endpoint)
        silent = _Plain(endpoint, tmp_path / "silent", job="silent")
        lives.data("site-1", "METRIC", "loss", 0.5, step=0)
        silent.loss(0)
        assert lives.link.wait_acknowledged(30)
        wait_for(lambda: _exit_so_far(tmp_path / "silent", "site-1-silent-run") == [1], "the guess")
        bridge.kill()
        bridge.wait(30)
        bridge.stderr.close()
        bridge = _serve(tmp_path, *options)
        wait_for(lambda: lives.link.stats()["connections"] == 2 and lives.link.connected, "the return")
        silent.hello()
        silent.send(silent.encoder.session_ended(time.time(), 0))
        wait_for(lambda: _exit_so_far(tmp_path / "silent", "site-1-silent-run") == [0], "the true end")
        assert _exit_so_far(tmp_path / "lives", "site-1-lives-run") == []
        log = (tmp_path / "state" / "bridge.log").read_text()
        assert log.count("ended without saying so") == 1
        lives.link.put(lives.encoder.session_ended(time.time(), 0))
        assert lives.link.wait_acknowledged(30)
        lives.link.close(5)
        silent.vanish()
        wait_for(lambda: _exit_so_far(tmp_path / "lives", "site-1-lives-run") == [0], "the end")
    finally:
        bridge.terminate()
        assert bridge.wait(30) == 0
        bridge.stderr.close()


def test_what_finds_no_room_for_its_run_waits_unacknowledged_until_what_vanished_is_forgotten(tmp_path):
    endpoint = f"tcp://127.0.0.1:{_free_port()}"
    options = ("--no-keys", "--max-runs", "2", "--session-timeout", "5", "--forget-after", "5")
    bridge = _serve(tmp_path, endpoint, *options)
    try:
        gone = _Plain(endpoint, tmp_path / "gone", job="gone")
        gone.loss(0)
        gone.vanish()
        driver = Driver(tmp_path / "next", _WANDB, job="next", endpoint=endpoint)
        for step in range(100):
            for site in ("site-1", "site-2"):
                driver.data(site, "METRIC", "loss", step, step=step)
        wait_for(lambda: any("--max-runs" in text for _, text in driver.reports), "why it waits")
        driver.link.put(driver.encoder.session_ended(time.time(), 0))
        assert driver.link.wait_acknowledged(60)
        assert driver.link.stats()["rejected"] == 0
        driver.link.close(5)
        for site in ("site-1", "site-2"):
            name = f"{site}-next-run"
            wait_for(lambda name=name: _exit_so_far(tmp_path / "next", name) == [0], "the run's end")
            assert len(rows(logs_below(tmp_path / "next")[name])) == 100
        assert _exit_so_far(tmp_path / "gone", "site-1-gone-run") == [1]
    finally:
        bridge.terminate()
        assert bridge.wait(30) == 0
        bridge.stderr.close()


def test_who_finds_no_room_for_a_session_waits_without_loss_until_those_that_opened_nothing_are_forgotten(tmp_path):
    endpoint = f"tcp://127.0.0.1:{_free_port()}"
    bridge = _serve(tmp_path, endpoint, "--no-keys", "--session-timeout", "5")
    try:
        crowd = _Plain(endpoint, tmp_path / "crowd", job="crowd")
        for _ in range(1000):
            crowd.hello(os.urandom(16).hex())
        wait_for(lambda: crowd.refused, "the first that finds no room")
        driver = Driver(tmp_path / "next", _WANDB, job="next", endpoint=endpoint)
        driver.data("site-1", "METRIC", "loss", 0.5, step=0)
        wait_for(lambda: any("no more sessions" in text for _, text in driver.reports), "why it waits")
        crowd.vanish()
        driver.link.put(driver.encoder.session_ended(time.time(), 0))
        assert driver.link.wait_acknowledged(60)
        driver.link.close(5)
        wait_for(lambda: _exit_so_far(tmp_path / "next", "site-1-next-run") == [0], "the run's end")
    finally:
        bridge.terminate()
        assert bridge.wait(30) == 0
        bridge.stderr.close()
