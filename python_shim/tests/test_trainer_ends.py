"""Training processes of their own that end in every way: what they logged arrives, or is counted. Real processes."""

import os
import random
import signal
import subprocess
import sys
import time

import msgpack
import pytest
from flarebridge.trainer_link import LOST
from flarebridge.trainer_names import ENDPOINT, ENDPOINT_OF
from test_forwarding_laws import _DEADLINE, _wait_for
from test_trainer_link import _Site

_HEAD = """
import logging, os, signal, sys, threading, time
logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
from flarebridge import BridgeWriter
writer = BridgeWriter()
"""
_LOG = """
for i in range({count}):
    writer.log_metric("m", i, i)
"""


def _start(endpoint: str, script: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, ENDPOINT: endpoint, ENDPOINT_OF: str(os.getpid())}
    return subprocess.Popen(
        [sys.executable, "-c", _HEAD + script], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _run(endpoint: str, script: str) -> "subprocess.CompletedProcess[str]":
    with _start(endpoint, script) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, out, err)


_ENDS = {
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "os.kill(os.getpid(), signal.SIGSEGV)",
    "os._exit": "os._exit(7)",
    "SIGTERM of a group": "os.setpgid(0, 0); os.killpg(0, signal.SIGTERM); time.sleep(60)",
}


@pytest.mark.parametrize("end", _ENDS.values(), ids=_ENDS.keys())
def test_what_was_logged_before_a_sudden_end_arrives(end):
    with _Site() as site:
        assert _run(site.trainers.endpoint, _LOG.format(count=2000) + end).returncode != 0
        began = time.monotonic()
        site.trainers.close(5.0)
        assert time.monotonic() - began < 4.0
        assert site.outbox.wait_acknowledged(_DEADLINE)
        assert site.server.values() == list(range(2000))
        assert site.outbox.stats()["dropped"] == {}
    assert all(level == "info" and "ended without a goodbye; kept of it: " in text for level, text in site.said)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_a_trainer_loses_nothing_that_is_not_counted(tmp_path, seed):
    """Its log calls come as fast as they can; before each it notes the number of those that have returned."""
    chance = random.Random(seed)
    note = tmp_path / "returned"
    note.write_bytes(bytes(8))
    script = (
        f"import mmap, struct\nnote = mmap.mmap(os.open({str(note)!r}, os.O_RDWR), 8)\n"
        "print(flush=True)\nstep = 0\n"
        "while True:\n"
        "    struct.pack_into('<Q', note, 0, step)\n"
        "    writer.log_metric('m', step, step)\n"
        "    step += 1\n"
        f"    time.sleep({chance.choice(['0', '0', '1e-4'])}) if step % 100 == 0 else None\n"
    )
    room = chance.choice([20_000, 1 << 20])
    with _Site(buffer_bytes=room) as site, _start(site.trainers.endpoint, script) as process:
        assert process.stdout.readline() == "\n"
        before = chance.choice([1, 1000, 10_000, 50_000])
        _wait_for(lambda: int.from_bytes(note.read_bytes(), "little") >= before, "log calls")
        if chance.random() < 0.3:
            site.open.clear()
            time.sleep(0.1)  # the server is away for so long
            site.open.set()
        process.kill()
        process.communicate()
        returned = int.from_bytes(note.read_bytes(), "little")
        site.trainers.close(30.0)
        assert site.outbox.wait_acknowledged(_DEADLINE)
        values = site.server.values()
        assert values == sorted(set(values))
        lost = site.outbox.stats()["dropped"].get(LOST, 0)
        assert returned <= len(values) + lost <= returned + 1
        assert lost == 0 or values[-1] + 1 >= returned  # what was logged last is there


def test_the_sites_policy_holds_for_what_is_read_of_the_file():
    site = _Site(admit=lambda event: event if event[6] % 2 else None)
    assert _run(site.trainers.endpoint, _LOG.format(count=10) + "os._exit(0)").returncode == 0
    with site:
        _wait_for(lambda: len(site.server.events) == 5, "the records that may leave")
    assert site.server.values() == [1, 3, 5, 7, 9]


def test_a_trainer_that_was_never_heard_of_is_taken_over_while_the_run_goes_on():
    site = _Site()  # it does not listen yet
    assert _run(site.trainers.endpoint, _LOG.format(count=10) + "os._exit(0)").returncode == 0
    with site:
        _wait_for(lambda: len(site.server.events) == 10, "the records")
        assert site.server.values() == list(range(10))


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)"])
def test_what_is_lost_with_a_trainer_is_counted_exactly(end):
    """The server takes nothing, the trainer logs far more than the outbox and the file hold."""
    with _Site(buffer_bytes=200_000) as site:
        site.open.clear()
        script = "for i in range(5000):\n    writer.log_text('x' * 2000 + str(i), 'a.txt')\n"
        _run(site.trainers.endpoint, script + end)
        site.open.set()
        _wait_for(lambda: site.outbox.stats()["dropped"] or len(site.server.events) == 5000, "the end of it")
        site.trainers.close(5.0)
        assert site.outbox.wait_acknowledged(_DEADLINE)
        numbers = [int(value.lstrip("x")) for value in site.server.values()]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == 4999  # what was logged last is there
        assert len(numbers) > 900  # 2 MiB of them
        assert site.outbox.stats()["dropped"] == {LOST: 5000 - len(numbers)}
        assert [level for level, text in site.said if f"lost of it: {5000 - len(numbers)} records" in text] == [
            "warning"
        ]


def test_what_a_trainer_had_no_room_for_is_counted_too():
    with _Site(buffer_bytes=4000) as site:
        site.open.clear()
        script = "import flarebridge.trainer_writer as w; w._BUFFER = 50000\nwriter = BridgeWriter()\n"
        done = _run(site.trainers.endpoint, script + _LOG.format(count=3000) + "os._exit(0)")
        assert done.returncode == 0, done.stderr
        site.open.set()
        site.trainers.close(20.0)
        assert site.outbox.wait_acknowledged(_DEADLINE)
        assert site.server.values() == list(range(len(site.server.events)))
        assert site.outbox.stats()["dropped"] == {LOST: 3000 - len(site.server.events)}


def test_a_decent_end_leaves_no_word_and_no_file():
    with _Site() as site:
        done = _run(site.trainers.endpoint, _LOG.format(count=2000))
        assert (done.returncode, done.stderr) == (0, "")
        folder = os.path.dirname(site.trainers.endpoint.removeprefix("ipc://"))
        assert os.listdir(folder) == ["trainer"]
        assert site.server.values() == list(range(2000))
    assert not site.said


def test_an_end_does_not_wait_for_the_server_if_the_forwarder_has_everything():
    with _Site() as site:
        site.open.clear()
        began = time.monotonic()
        done = _run(site.trainers.endpoint, _LOG.format(count=500) + "print(time.time())\n")
        assert done.returncode == 0
        assert time.time() - float(done.stdout) < 8.0
        assert done.stderr == ""
        site.open.set()
        _wait_for(lambda: len(site.server.events) == 500, "the records")
        assert site.server.values() == list(range(500))
        assert time.monotonic() - began < _DEADLINE


def test_a_trainer_whose_forwarder_is_gone_ends_soon_and_tells_what_is_lost():
    script = (
        "writer.log_metric('m', 0, 0); print(writer.flush(20.0), flush=True)\nsys.stdin.readline()\n"
        + _LOG.format(count=5)
        + "print(time.time())\n"
    )
    with _Site() as site:
        process = _start(site.trainers.endpoint, script)
        assert process.stdout.readline() == "True\n"
    with process:
        out, err = process.communicate("\n", timeout=60)
    assert time.time() - float(out) < 8.0
    assert "WARNING flarebridge: 5 records of this training process are lost: 5 not confirmed" in err


@pytest.mark.parametrize("how", ["alive", "killed"])
def test_the_runs_end_waits_for_no_trainer_that_has_nothing_to_say(how):
    with _Site() as site:
        script = _LOG.format(count=5) + "writer.flush(20.0)\nprint('so far', flush=True)\ntime.sleep(60)\n"
        process = _start(site.trainers.endpoint, script)
        try:
            assert process.stdout.readline() == "so far\n"
            if how == "killed":
                process.kill()
                process.wait()
            began = time.monotonic()
            site.trainers.close(5.0)
            assert time.monotonic() - began < 4.0
        finally:
            process.kill()
            process.communicate()
        assert site.server.values() == list(range(5))
    assert not site.said


def test_flush_says_whether_all_that_was_logged_is_on_the_servers_disk():
    script = (
        _LOG.format(count=100)
        + "print(writer.flush(20.0), flush=True)\n"
        + "sys.stdin.readline()\n"
        + "writer.log_metric('m', 100, 100); began = time.monotonic()\n"
        + "print(writer.flush(0.5), 0.4 < time.monotonic() - began < 3, flush=True)\n"
        + "sys.stdin.readline()\n"
        + "print(writer.flush(20.0), flush=True)\n"
        + "writer.add_text('t', 'x' * (2 << 20))\n"
        + "print(writer.flush(20.0), writer.flush(20.0), flush=True)\n"
    )
    with _Site() as site, _start(site.trainers.endpoint, script) as process:
        assert process.stdout.readline() == "True\n"
        assert len(site.server.events) == 100
        site.open.clear()
        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == "False True\n"  # the forwarder has it, the server does not
        site.open.set()
        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == "True\n"
        assert process.stdout.readline() == "False True\n"  # a record was left out; none since
        process.communicate(timeout=60)


def test_signal_handlers_may_log_and_flush_in_the_middle_of_log_calls():
    script = """
came = 0
def on_alarm(number, frame):
    global came
    came += 1
    writer.log_metric("from a handler", came)
    writer.log({"nested": {"a": [came]}}, receivers="wandb")
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 2e-4, 2e-4)
calls, until = 0, time.monotonic() + 1.5
while time.monotonic() < until:
    calls += 1
    writer.log_metric("m", calls, calls)
    writer.log({"a": "text", "b": {"c": calls}})
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 0)
def on_term(number, frame):
    print(2 * calls + 2 * came, writer.flush(30.0), flush=True)
    os._exit(3)
signal.signal(signal.SIGTERM, on_term)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""
    with _Site(buffer_bytes=64 << 20) as site:
        done = _run(site.trainers.endpoint, script)
        assert done.returncode == 3, done.stderr
        logged, flushed = done.stdout.split()
        assert (int(logged), flushed) == (len(site.server.events), "True")
        steps = [event[7] for event in map(msgpack.unpackb, site.server.events) if event[5] == "m"]
        assert steps == list(range(1, len(steps) + 1))


def test_a_forked_child_leaves_its_parents_records_alone():
    script = _LOG.format(count=100) + """
child = os.fork()
if child == 0:
    for i in range(1000, 1100):
        writer.log_metric("m", i, i)
    print("child", writer.flush(1.0), flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for i in range(100, 200):
    writer.log_metric("m", i, i)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with _Site() as site:
        done = _run(site.trainers.endpoint, script)
        assert (done.returncode, done.stdout) == (-signal.SIGKILL, "child False\n")
        site.trainers.close(5.0)
        assert site.outbox.wait_acknowledged(_DEADLINE)
        assert site.server.values() == list(range(200))
        assert site.outbox.stats()["dropped"] == {}


_NVFLARE = """
import nvflare.client.api as api
class Context:
    class api:
        @staticmethod
        def log(key, value, data_type, **more):
            writer_id, number = more.pop("flarebridge")
            if value == "refused":
                raise TypeError(value)
            print(key, value, data_type.name, more.pop("writer").name, sorted(more.items()), number, flush=True)
api.default_context = Context
api.client_api = Context.api  # NVFlare 2.5
"""


def test_a_trainer_that_can_not_reach_the_forwarder_goes_nvflares_way(tmp_path):
    script = (
        _LOG.format(count=3)
        + _NVFLARE
        + "deadline = time.monotonic() + 20\n"
        + "while writer._direct._buffer is writer._direct._link and time.monotonic() < deadline: time.sleep(0.01)\n"
        + "writer.log({'a': 1.5}, receivers='wandb')\n"
        + "writer.log_text('t', 'a/b.txt')\n"
        + "writer.add_text('t', 'refused')\n"
        + "print(writer.flush(20.0))\n"
    )
    done = _run(f"ipc://{tmp_path}/elsewhere/trainer", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *(f"m {i} METRIC MLFLOW [('global_step', {i})] {i + 1}" for i in range(3)),
        "metrics {'a': 1.5} METRICS WANDB [('receivers', ['wandb'])] 4",
        "text t TEXT MLFLOW [('path', 'a/b.txt')] 5",
        "False",
    ]
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "can't be reached" in lines[0]
    assert "1 records of this training process are lost: 1 not taken by NVFlare's own channel" in lines[1]


def test_a_writer_that_is_made_after_flare_init_goes_nvflares_way_at_once(tmp_path):
    script = _NVFLARE + "writer = BridgeWriter()\n" + _LOG.format(count=2000)
    script += "writer.flush(20.0); os.kill(os.getpid(), signal.SIGTERM)\n"
    done = _run(f"ipc://{tmp_path}/elsewhere/trainer", script)
    assert [int(line.split()[1]) for line in done.stdout.splitlines()] == list(range(2000))


def test_at_its_end_too_a_trainer_finds_nvflares_way(tmp_path):
    done = _run(f"ipc://{tmp_path}/elsewhere/trainer", _NVFLARE + _LOG.format(count=3))
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["0", "1", "2"]


def test_without_any_way_the_loss_is_counted_and_told(tmp_path):
    done = _run(f"ipc://{tmp_path}/elsewhere/trainer", _LOG.format(count=3))
    assert (done.returncode, done.stdout) == (0, "")
    assert "WARNING flarebridge: 3 records of this training process are lost: 3 not confirmed" in done.stderr


def test_a_refused_trainer_goes_nvflares_way_from_then_on():
    with _Site() as site:
        site.outbox._turn_off("the server's receiver has ended its run")
        script = (
            _NVFLARE + _LOG.format(count=1) + "deadline = time.monotonic() + 20\n"
            "while writer._direct._link.off is None and time.monotonic() < deadline: time.sleep(0.01)\n"
            "writer.log_metric('m', 1, 1)\n"
        )
        done = _run(site.trainers.endpoint, script)
        assert [line.split()[1] for line in done.stdout.splitlines()] == ["1"]
        assert "1 records of this training process are lost: 1 bridge not available" in done.stderr


def test_what_a_trainer_left_out_is_counted_at_the_site_though_it_said_goodbye():
    """A value that no event holds, in a process that ends as it should."""
    with _Site() as site:
        script = "writer.add_image('i', b'x' * (2 << 20), 0)\n"
        done = _run(site.trainers.endpoint, _LOG.format(count=100) + script)
        assert done.returncode == 0
        assert "1 records of this training process are lost" in done.stderr
        _wait_for(lambda: site.outbox.stats()["dropped"], "its word about what it left out")
        folder = os.path.dirname(site.trainers.endpoint[len("ipc://") :])
        _wait_for(lambda: os.listdir(folder) == ["trainer"], "its file to be removed")
        site.trainers.close(5.0)
        assert site.outbox.wait_acknowledged(_DEADLINE)
        assert site.server.values() == list(range(100))
        assert site.outbox.stats()["dropped"] == {LOST: 1}
        assert [level for level, text in site.said if "has dropped 1 record" in text] == ["warning"]
