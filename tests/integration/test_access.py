"""A shared bridge over tcp: only who has a key on the list gets in, and each keeps to what is its own."""

import os
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import msgpack
import pytest
import zmq
from bridge_driver import Driver, processes_with, pss_kib, wait_for
from flarebridge.bridge_process import find_binary
from flarebridge.curve import Keys, find_keys
from flarebridge.events import Encoder
from preloaded import compiled
from wandb_tools import logs_below, rows

_WANDB = {"wandb": {"project": "tests"}}
_WAIT = 1.5  # seconds in which somebody who may get in is long in


def _keygen(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    subprocess.run([find_binary(), "keygen", str(path)], check=True, capture_output=True, timeout=30)
    return path


def _client(folder: Path, name: str, listed: bool = True) -> Keys:
    """Keys of a client, whose public one is on the bridge's list, or not."""
    made = _keygen(folder / "own" / name)
    if listed:
        (folder / "clients").mkdir(exist_ok=True)
        (folder / "clients" / f"{name}.key").write_text(Path(f"{made}.key").read_text())
    return find_keys(f"{made}.key_secret", str(folder / "bridge.key"))


@contextmanager
def _bridge(folder: Path, **environment: str):
    """A shared bridge with keys; gives its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    command = [find_binary(), "serve", "--state", str(folder / "state"), "--endpoint", endpoint]
    command += ["--key", str(folder / "bridge.key_secret"), "--clients", str(folder / "clients")]
    bridge = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        yield endpoint
        assert bridge.poll() is None, "the bridge has ended"
    finally:
        bridge.terminate()
        assert bridge.wait(30) == 0


def _run(folder: Path, endpoint: str, keys: Keys, value: float, receivers: dict = _WANDB) -> Driver:
    """A session of the job "job" that logs one value and ends."""
    driver = Driver(folder, receivers, endpoint=endpoint, keys=keys)
    driver.data("site-1", "METRIC", "loss", value, step=0)
    driver.link.put(driver.encoder.session_ended(time.time(), 0))
    return driver


def _losses(folder: Path) -> list[float]:
    return [row["loss"] for log in logs_below(folder).values() for row in rows(log)] if folder.exists() else []


@pytest.fixture
def keys(tmp_path):
    """The bridge's, made."""
    _keygen(tmp_path / "bridge")
    return tmp_path


@pytest.mark.parametrize(("mode", "status"), [(0o400, 0), (0o440, 0), (0o444, 78), (0o460, 78)])
def test_a_services_credential_may_show_its_groups_right_to_read(keys, mode, status):
    _client(keys, "ann")
    (keys / "credentials").mkdir(mode=0o700)
    credential = keys / "credentials" / "bridge.key_secret"
    credential.write_bytes((keys / "bridge.key_secret").read_bytes())
    credential.chmod(mode)
    command = [find_binary(), "serve", "--own", "--state", str(keys / "state"), "--key", str(credential)]
    command += ["--clients", str(keys / "clients")]
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(keys / "credentials")}
    served = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert served.returncode == status, served.stderr
    elsewhere = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert elsewhere.returncode == (0 if mode == 0o400 else 78)
    if elsewhere.returncode:
        assert "that other users may read" in elsewhere.stderr


def test_listed_clients_get_in_and_their_jobs_of_one_name_are_two(keys):
    ann, bob = _client(keys, "ann"), _client(keys, "bob")
    with _bridge(keys) as endpoint:
        for client, value in ((ann, 1.0), (bob, 2.0)):
            driver = _run(keys / "elsewhere", endpoint, client, value)
            assert driver.link.wait_acknowledged(30), driver.reports
            driver.link.close(5)
        for name, value in (("ann", 1.0), ("bob", 2.0)):
            wait_for(lambda name=name: _losses(keys / "state" / "runs" / name), "the run")
            assert _losses(keys / "state" / "runs" / name) == [value]
    # What a client names as folder is its own machine's, and nothing is written there.
    assert not list((keys / "elsewhere").rglob("*.wandb"))


@pytest.mark.parametrize("who", ["unlisted", "without a key", "with the key of another bridge"])
def test_nobody_else_gets_in_and_listed_ones_do_not_notice(keys, who):
    ann, eve = _client(keys, "ann"), _client(keys, "eve", listed=False)
    if who == "without a key":
        eve = None
    elif who == "with the key of another bridge":
        other = _keygen(keys / "other" / "bridge")
        eve = ann._replace(server=find_keys(f"{other}.key_secret", f"{other}.key").public)
    with _bridge(keys) as endpoint:
        stranger = _run(keys / "stranger", endpoint, eve, 6.0)
        friend = _run(keys / "friend", endpoint, ann, 1.0)
        assert friend.link.wait_acknowledged(30), friend.reports
        assert not stranger.link.wait_acknowledged(_WAIT)
        assert not stranger.link.connected
        for driver in (stranger, friend):
            driver.link.close(0.5)
        wait_for(lambda: _losses(keys / "state" / "runs"), "the run")
        assert _losses(keys / "state" / "runs") == [1.0]
        if who == "unlisted":  # tries again and again, and is told of once a minute
            log = (keys / "state" / "bridge.log").read_text()
            assert log.count("turned away: their keys are not on the list") == 1


def test_without_a_gatekeeper_nobody_gets_in(keys):
    """As if ZeroMQ had asked nobody about the keys: even one on the list is refused, and nothing is written."""
    library = compiled("absent_gatekeeper.c", keys)
    client = _client(keys, "hospital-1")
    with _bridge(keys, LD_PRELOAD=str(library)) as endpoint:
        driver = _run(keys, endpoint, client, 1.0)
        wait_for(lambda: any("nobody has vouched" in text for _level, text in driver.reports), "the refusal")
        driver.link.close(0.1)
        assert driver.link.stats()["acknowledged"] == 0
    assert not logs_below(keys / "state")


def test_a_session_is_no_other_keys_though_it_has_the_connections_name(keys):
    """A routing id is the connection's own choice: who takes another's gets none of what belongs to its key."""
    owner, thief = _client(keys, "hospital-1"), _client(keys, "hospital-2")
    with _bridge(keys) as endpoint, zmq.Context() as context:

        def connected(own: Keys) -> zmq.Socket:
            connection = context.socket(zmq.DEALER)
            connection.linger = 0
            connection.routing_id = b"same"
            connection.curve_publickey, connection.curve_secretkey = own.public, own.secret
            connection.curve_serverkey = own.server
            connection.connect(endpoint)
            return connection

        with connected(owner) as first:
            first.send(msgpack.packb([1, "flarebridge", 1, "a" * 32, "test"]))
            assert first.poll(10_000), "no welcome"
            assert msgpack.unpackb(first.recv())[0] == 1
        opened = Encoder().session_opened(time.time(), "job", "run", "server", "/nowhere", _WANDB)
        for _ in range(100):  # until the bridge has noticed that the first is gone
            with connected(thief) as second:
                second.send_multipart([msgpack.packb([2, 1, 1]), opened])
                if second.poll(300):
                    answer = msgpack.unpackb(second.recv())
                    break
        assert answer[:2] == [4, 4], answer
        assert "another client" in answer[2]


def test_a_client_does_not_choose_where_the_bridge_writes(keys):
    ann = _client(keys, "ann")
    with _bridge(keys) as endpoint:
        driver = _run(keys / "x", endpoint, ann, 1.0, {"wandb": {"dir": str(keys / "there")}})
        assert driver.link.wait_acknowledged(30)
        assert wait_for(lambda: driver.link.stats()["rejected"], "the rejection") > 0
        driver.link.close(1)
    assert not (keys / "there").exists()


def test_half_open_connections_do_not_keep_others_out(keys):
    ann = _client(keys, "ann")
    with _bridge(keys) as endpoint:
        first = _run(keys / "first", endpoint, ann, 0.0)
        assert first.link.wait_acknowledged(30), first.reports
        first.link.close(5)
        host, port = endpoint.removeprefix("tcp://").split(":")
        strangers = []
        for number in range(200):
            stranger = socket.create_connection((host, int(port)), timeout=10)
            strangers.append(stranger)
            if number % 2:
                # A greeting that promises CURVE, and then nothing; or nothing that makes sense.
                greeting = b"\xff" + struct.pack(">Q", 1) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
                stranger.sendall(greeting if number % 4 == 1 else os.urandom(64))
        driver = _run(keys / "x", endpoint, ann, 1.0)
        assert driver.link.wait_acknowledged(30), driver.reports
        driver.link.close(5)
        for stranger in strangers:
            stranger.close()
        wait_for(lambda: sorted(_losses(keys / "state" / "runs")) == [0.0, 1.0], "the runs")


def _connect_many(address: tuple[str, int], count: int) -> list[socket.socket]:
    """Connections that say nothing; the kernel takes a second now and then to let one in."""
    made = []
    for _ in range(count):
        with suppress(OSError):
            made.append(socket.create_connection(address, timeout=10))
    return made


def test_ten_thousand_connections_take_bounded_memory_and_sessions_do_not_notice(keys):
    ann = _client(keys, "ann")
    with _bridge(keys) as endpoint:
        driver = _run(keys / "x", endpoint, ann, 0.0)
        assert driver.link.wait_acknowledged(30), driver.reports
        ((pid, _command),) = processes_with(f"--endpoint {endpoint}").items()
        host, port = endpoint.removeprefix("tcp://").split(":")
        before = pss_kib([pid])
        with ThreadPoolExecutor(16) as pool:
            parts = [pool.submit(_connect_many, (host, int(port)), 625) for _ in range(16)]
            while not all(part.done() for part in parts):
                assert driver.data("site-2", "METRIC", "loss", 1.0)
                assert driver.link.wait_acknowledged(5), "the session was held up"
                assert pss_kib([pid]) < before + 64 * 1024
                time.sleep(0.05)  # between two looks
            strangers = [stranger for part in parts for stranger in part.result()]
        assert len(strangers) > 9000
        for stranger in strangers:
            stranger.close()
        wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) < 100, "the end of the connections")
        driver.link.put(driver.encoder.session_ended(time.time(), 0))
        assert driver.link.wait_acknowledged(30)
        driver.link.close(5)


def test_the_shim_tells_what_is_wrong_with_its_keys(tmp_path, monkeypatch):
    made = _keygen(tmp_path / "a")
    assert find_keys(None, None) is None
    monkeypatch.setenv("FLAREBRIDGE_CLIENT_KEY", f"{made}.key_secret")
    with pytest.raises(ValueError, match="belong together"):
        find_keys(None, None)
    monkeypatch.setenv("FLAREBRIDGE_SERVER_KEY", f"{made}.key")
    assert find_keys(None, None).public == find_keys(None, None).server
    with pytest.raises(ValueError, match="holds no secret key"):
        find_keys(f"{made}.key", None)
    with pytest.raises(ValueError, match="can't be read"):
        find_keys(str(tmp_path / "none"), None)
    Path(f"{made}.key_secret").chmod(0o640)
    with pytest.raises(ValueError, match="other users may read"):
        find_keys(None, None)
