"""BridgeWriter's way out of a training process of its own, with the real link and a socket."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgpack
import pytest
from flarebridge import trainer_link
from flarebridge.events import Encoder
from flarebridge.inbox import Inbox
from flarebridge.link import Link
from flarebridge.outbox import Outbox
from flarebridge.trainer_link import TrainerLink
from flarebridge.trainer_names import ENDPOINT, ENDPOINT_OF
from test_forwarding_laws import _DEADLINE, _event, _FakeLink, _wait_for


class _Site:
    """A forwarder's parts on one side, a fake server on the other."""

    def __init__(self, admit=lambda event: event, buffer_bytes: int = 1 << 20):
        self.server = _FakeLink()
        self.said: list = []
        self.open = threading.Event()
        self.open.set()
        inbox = Inbox(self.server)

        def exchange(request: dict):
            return inbox.take("site-1", request) if self.open.is_set() else None

        self.outbox = Outbox(exchange, buffer_bytes, self._say)
        self.trainers = TrainerLink(self._say)
        self.admit = admit

    def _say(self, level: str, text: str) -> None:
        self.said.append((level, text))

    def __enter__(self) -> "_Site":
        self.outbox.start()
        self.trainers.start(self.outbox, "site-1", self.admit)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.trainers.close(5.0)
        self.outbox.close(5.0)
        assert not os.path.exists(self.trainers.endpoint.removeprefix("ipc://"))

    def trainer(self) -> Link:
        link = Link(self.trainers.endpoint, None, 1 << 20, self._say)
        link.start()
        return link


def test_records_of_a_training_process_reach_the_server_in_order():
    with _Site() as site:
        trainer = site.trainer()
        for i in range(3000):
            trainer.put(_event(i, site="trainer"))
        assert trainer.wait_acknowledged(_DEADLINE)
        trainer.close(5.0)
        assert site.server.values() == list(range(3000))
        assert msgpack.unpackb(site.server.events[0])[2] == "site-1"
    assert not site.said


def test_a_trainer_may_start_before_the_component_listens():
    site = _Site()
    trainer = site.trainer()
    trainer.put(_event(7))
    with site:
        assert trainer.wait_acknowledged(_DEADLINE)
        trainer.close(5.0)
        assert site.server.values() == [7]


def test_acknowledged_is_what_the_server_has_on_disk():
    with _Site() as site:
        site.open.clear()
        trainer = site.trainer()
        trainer.put(_event(1))
        _wait_for(lambda: site.outbox.unacknowledged == 1, "the record in the outbox")
        assert trainer.acknowledged == 0
        site.open.set()
        assert trainer.wait_acknowledged(_DEADLINE)
        trainer.close(5.0)


def test_a_full_outbox_holds_the_trainers_records_back_and_loses_none():
    with _Site(buffer_bytes=2000) as site:
        site.open.clear()
        trainer = site.trainer()
        for i in range(1000):
            assert trainer.put(_event(i))
        _wait_for(lambda: site.outbox.unacknowledged > 0, "records in the outbox")
        site.open.set()
        assert trainer.wait_acknowledged(_DEADLINE)
        trainer.close(5.0)
        assert site.server.values() == list(range(1000))


def test_the_sites_policy_holds_for_trainers():
    with _Site(admit=lambda event: event if event[6] % 2 else None) as site:
        trainer = site.trainer()
        for i in range(10):
            trainer.put(_event(i))
        assert trainer.wait_acknowledged(_DEADLINE)
        trainer.close(5.0)
        assert site.server.values() == [1, 3, 5, 7, 9]


def test_nonsense_is_refused_and_others_are_served():
    import zmq

    with _Site() as site:
        context = zmq.Context()
        stranger = context.socket(zmq.DEALER)
        stranger.connect(site.trainers.endpoint)
        messages = [b"", b"\xc1", msgpack.packb([1]), msgpack.packb([2, 1, 1]), msgpack.packb({"a": 1})]
        for message in messages:
            stranger.send(message)
        for _ in messages:
            assert stranger.poll(_DEADLINE * 1000)
            assert msgpack.unpackb(stranger.recv())[0] == 4
        context.destroy(linger=0)
        trainer = site.trainer()
        trainer.put(_event(1))
        assert trainer.wait_acknowledged(_DEADLINE)
        trainer.close(5.0)


def test_a_batch_that_can_not_be_read_ends_its_own_trainer_alone():
    import zmq

    with _Site() as site:
        context = zmq.Context()
        for body in (b"\xc1", _event(1) + _event(2), b""):
            stranger = context.socket(zmq.DEALER)
            stranger.connect(site.trainers.endpoint)
            stranger.send(msgpack.packb([1, "flarebridge", 1, os.urandom(16).hex(), "another release"]))
            assert stranger.poll(_DEADLINE * 1000)
            assert msgpack.unpackb(stranger.recv())[0] == 1
            stranger.send_multipart([msgpack.packb([2, 1, 1]), body])
            assert stranger.poll(_DEADLINE * 1000)
            assert msgpack.unpackb(stranger.recv())[:2] == [4, 3]
        context.destroy(linger=0)
        trainer = site.trainer()
        trainer.put(_event(1))
        assert trainer.wait_acknowledged(_DEADLINE)
        trainer.close(5.0)
    assert [level for level, _ in site.said] == ["warning"]  # of strangers that said no goodbye
    assert site.server.values() == [1]


def test_a_gap_is_asked_for_again():
    import zmq

    with _Site() as site:
        context = zmq.Context()
        stranger = context.socket(zmq.DEALER)
        stranger.connect(site.trainers.endpoint)
        hello = msgpack.packb([1, "flarebridge", 1, "a" * 32, "test"])
        stranger.send(hello)
        stranger.send_multipart([msgpack.packb([2, 5, 1]), _event(5)])
        for expected in ([1], [4, 5]):
            assert stranger.poll(_DEADLINE * 1000)
            assert msgpack.unpackb(stranger.recv())[: len(expected)] == expected
        stranger.send_multipart([msgpack.packb([2, 1, 1]), _event(1)])
        stranger.send(msgpack.packb([4]))
        _wait_for(lambda: site.server.events, "the record")
        context.destroy(linger=0)


def test_more_trainers_than_can_be_served_wait_and_lose_nothing(monkeypatch):
    monkeypatch.setattr(trainer_link, "_PEERS", 2)
    monkeypatch.setattr("flarebridge.link._FULL_RETRY", 0.05)
    with _Site() as site:
        trainers = [site.trainer() for _ in range(5)]
        for i, trainer in enumerate(trainers):
            for k in range(10):
                assert trainer.put(_event(10 * i + k))
        waiting = set(trainers)
        while waiting:
            _wait_for(lambda: any(not trainer.unacknowledged for trainer in waiting), "a trainer that is done")
            for trainer in [trainer for trainer in waiting if not trainer.unacknowledged]:
                trainer.close(5.0)
                waiting.discard(trainer)
        assert sorted(site.server.values()) == list(range(50))
    assert all("no room" in text for _level, text in site.said)


def test_a_training_process_that_ends_at_once_leaves_its_records_first(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import numpy as np\n"
        "from flarebridge import BridgeWriter\n"
        "writer = BridgeWriter()\n"
        "for i in range(500):\n"
        "    writer.log({'loss': np.float32(i)}, step=np.int64(i))\n"
        "writer.add_scalar('a', 1, 500, receivers='wandb')\n"
    )
    with _Site() as site:
        environment = {**os.environ, ENDPOINT: site.trainers.endpoint, ENDPOINT_OF: str(os.getpid())}
        done = subprocess.run(
            [sys.executable, str(script)], env=environment, timeout=60, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert [event[6:8] for event in map(msgpack.unpackb, site.server.events)] == [
            *([{"loss": float(i)}, i] for i in range(500)),
            [1, 500],
        ]
        assert msgpack.unpackb(site.server.events[-1])[8:] == [None, ["wandb"]]


def test_closing_does_not_wait_for_a_trainer_that_is_gone_for_longer_than_it_may():
    site = _Site()
    with site:
        trainer = site.trainer()
        trainer.put(_event(1))
        assert trainer.wait_acknowledged(_DEADLINE)
        began = time.monotonic()
        site.trainers.close(0.3)
        assert time.monotonic() - began < 5.0
        trainer.close(0.1)


def test_folders_of_processes_that_were_killed_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "from flarebridge.trainer_link import TrainerLink; import os\nTrainerLink(print); os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, timeout=60).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    mine = TrainerLink(lambda level, text: None)
    assert [str(folder) in mine.endpoint for folder in tmp_path.iterdir()] == [True]
    other = TrainerLink(lambda level, text: None)
    assert len(list(tmp_path.iterdir())) == 2
    for link in (mine, other):
        link.close(0.1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("taken_away", ["the folder", "the socket", "the folder, and another's is there"])
def test_a_socket_that_was_cleaned_away_is_made_again(taken_away, monkeypatch):
    monkeypatch.setattr(trainer_link, "_LOOK", 0.1)
    monkeypatch.setenv(ENDPOINT, "")
    with _Site() as site:
        early = site.trainer()
        early.put(_event(1))
        assert early.wait_acknowledged(_DEADLINE)
        path = Path(site.trainers.endpoint.removeprefix("ipc://"))
        path.unlink() if taken_away == "the socket" else shutil.rmtree(path.parent)
        if "another" in taken_away:
            path.parent.symlink_to("/tmp")
        _wait_for(lambda: site.said, "the new socket")
        late = site.trainer()
        late.put(_event(2))
        assert late.wait_acknowledged(_DEADLINE)
        early.put(_event(3))
        assert early.wait_acknowledged(_DEADLINE)
        for trainer in (early, late):
            trainer.close(5.0)
        assert site.server.values() == [1, 2, 3]
        ((level, text),) = site.said
        assert (level, "made again" in text) == ("warning", True)
        if "another" in taken_away:
            assert os.environ[ENDPOINT] == site.trainers.endpoint
            path.parent.unlink()


def test_encoding_of_a_trainers_record_is_the_one_of_all_events():
    event = Encoder().data(1.0, "trainer", "METRICS", "WANDB", "metrics", {"a": 1}, 3)
    assert msgpack.unpackb(event) == [2, 1.0, "trainer", 4, 3, "metrics", {"a": 1}, 3]
