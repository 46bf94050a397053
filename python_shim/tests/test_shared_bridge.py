"""Laws of a bridge that several processes share, as far as they need no bridge; the rest is in test_wandb_shared.py."""

import json
import os
import time

import pytest
from flarebridge.bridge_process import BridgeUnavailable
from flarebridge.shared_bridge import SharedBridge, hold
from flarebridge.socket_place import SocketPlace


def test_those_who_share_a_lock_keep_out_whoever_wants_it_alone_and_the_other_way_round(tmp_path):
    path = tmp_path / "lock"
    first, second = hold(path, alone=False), hold(path, alone=False)
    assert hold(path, alone=True) is None
    os.close(first)
    assert hold(path, alone=True) is None
    os.close(second)
    alone = hold(path, alone=True)
    assert hold(path, alone=False) is None
    os.close(alone)


def _place(state, **fields):
    (state / "endpoint").write_text(json.dumps(fields))


def test_a_bridge_of_another_machine_is_named_and_not_taken(tmp_path):
    lives = hold(tmp_path / "bridge.lock", alone=True)
    _place(tmp_path, endpoint="ipc:///x/link", machine="elsewhere")
    with pytest.raises(BridgeUnavailable, match="machine elsewhere.*on one machine only"):
        SharedBridge(str(tmp_path)).ensure(time.monotonic())
    os.close(lives)


def test_what_another_process_starts_is_waited_for_and_then_found(tmp_path):
    starting = hold(tmp_path / "start.lock", alone=True)
    shared = SharedBridge(str(tmp_path))
    now = time.monotonic()
    assert not shared.ensure(now) and not shared.running and shared.starts == 0
    lives = hold(tmp_path / "bridge.lock", alone=True)
    assert not shared.ensure(now + 1)  # where it listens is not told yet
    _place(tmp_path, endpoint="ipc:///x/link", machine=os.uname().nodename)
    assert shared.ensure(now + 2) and shared.running
    assert (shared.endpoint, shared.starts, shared.socket_there) == ("ipc:///x/link", 1, False)
    assert not shared.ensure(now + 3)
    os.close(lives)
    assert not shared.ensure(now + 4) and not shared.running
    os.close(starting)


def test_without_the_program_it_is_told_and_others_may_try(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAREBRIDGE_BINARY", "/nowhere/flarebridge")
    shared = SharedBridge(str(tmp_path / "state"))
    with pytest.raises(BridgeUnavailable, match="/nowhere/flarebridge"):
        shared.ensure(time.monotonic())
    lock = hold(tmp_path / "state" / "start.lock", alone=True)
    assert lock is not None
    os.close(lock)
    shared.tidy()


def test_a_socket_that_is_others_as_well_outlives_the_process_that_made_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pid = os.fork()
    if pid == 0:
        SocketPlace("link", outlives=True)
        SocketPlace("link")
        os._exit(0)
    os.waitpid(pid, 0)
    assert sorted(folder.name.split("-")[0] for folder in tmp_path.iterdir()) == ["fb", "fbs"]
    mine = SocketPlace("link")
    assert sorted(folder.name.split("-")[0] for folder in tmp_path.iterdir()) == ["fb", "fbs"]
    mine.remove()
