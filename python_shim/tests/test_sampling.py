"""Samples of this machine: what they say, when they come, and what ends, forks and failing drivers make of them."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgpack
import pytest
from flarebridge import forks, gpus, sampling
from flarebridge.audit import Audit
from flarebridge.buffer import EventBuffer
from flarebridge.cutting import Parts
from flarebridge.events import Encoder
from flarebridge.gate import Gate
from flarebridge.gpus import Gpus
from flarebridge.machine import Machine
from flarebridge.policy import Policy
from flarebridge.rules import Rule
from flarebridge.taker import Taker

_FAKE = Path(__file__).resolve().parents[2] / "tests" / "integration" / "fake_nvml.c"
_DEADLINE = 30.0  # seconds


def _wait_for(condition) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _threads() -> list:
    return [thread for thread in threading.enumerate() if thread.name == "flarebridge-system"]


# --- when they come ---


def test_samples_come_each_interval_until_the_end_and_the_thread_goes_with_the_last_run():
    first, second = [], []
    runs = [sampling.begin(lambda values: not first.append(values), 0.1), sampling.begin(second.append, 0.1)]
    assert len(_threads()) == 1
    _wait_for(lambda: len(first) >= 3 and len(second) >= 3)
    runs[0].end()
    there = len(first)
    more = len(second) + 2
    _wait_for(lambda: len(second) >= more)
    assert len(first) == there == runs[0].taken and len(_threads()) == 1
    runs[1].end()
    assert runs[1].taken == 0  # whoever is given them takes none
    _wait_for(lambda: not _threads())
    assert all("cpu" in sample for sample in first + second)


def test_none_are_taken_where_there_is_no_interval():
    assert sampling.begin(lambda values: None, 0.0) is sampling.OFF
    sampling.OFF.end()
    assert not _threads()


def test_a_driver_that_hangs_keeps_nobody(monkeypatch):
    hanging, go_on, got = threading.Event(), threading.Event(), []

    class Hanging:
        def sample(self):
            hanging.set()
            go_on.wait(_DEADLINE)
            return {}

    monkeypatch.setattr(gpus, "Gpus", Hanging)
    run = sampling.begin(got.append, 0.1)
    assert hanging.wait(_DEADLINE)
    run.end()  # while the thread is in the driver
    go_on.set()
    _wait_for(lambda: not _threads())
    assert got == []


def test_a_driver_that_fails_leaves_the_rest(monkeypatch):
    class Failing:
        def sample(self):
            raise OSError("no device")

    monkeypatch.setattr(gpus, "Gpus", Failing)
    got = []
    run = sampling.begin(got.append, 0.1)
    _wait_for(lambda: len(got) >= 2)
    run.end()
    assert "memory_percent" in got[0] and not [name for name in got[0] if name.startswith("gpu")]
    _wait_for(lambda: not _threads())


def test_a_forked_child_is_measured_for_no_run_of_its_parents_and_may_have_one_of_its_own():
    got = []
    run = sampling.begin(got.append, 0.1)
    _wait_for(lambda: got)
    pid = os.fork()
    if pid == 0:
        here = len(got)
        own: list = []
        mine = sampling.begin(own.append, 0.1)
        deadline = time.monotonic() + _DEADLINE
        while len(own) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        run.end()
        mine.end()
        os._exit(0 if len(own) >= 3 and len(got) == here else 1)
    assert os.waitpid(pid, 0)[1] == 0
    more = len(got) + 1
    _wait_for(lambda: len(got) >= more)
    run.end()
    _wait_for(lambda: not _threads())
    assert run in forks._owners


@pytest.mark.parametrize("value", [-1, 0.05, "15", True, None, float("inf"), float("nan")])
def test_an_interval_that_is_none_is_refused(value):
    component = type("Component", (), {"system_interval": value})
    with pytest.raises(ValueError, match="system_interval must be seconds from 0.1 on"):
        sampling.check_interval(component)
    for right in (0, 0.1, 15, 60.0):
        component.system_interval = right
        sampling.check_interval(component)


# --- what they say ---


def test_what_a_machine_tells_makes_sense():
    machine = Machine()
    assert sum(i * i for i in range(1_000_000))
    values = machine.sample()
    for share in ("cpu", "memory_percent", "proc.memory.percent", "disk./.usagePercent"):
        assert 0 < values[share] <= 100, share
    assert values["proc.cpu.threads"] >= 1
    assert values["proc.memory.rssMB"] > 1 and values["proc.memory.availableMB"] > 1
    assert values["network.sent"] >= 0 and values["network.recv"] >= 0


def test_a_process_counts_with_those_that_it_has_started_also_when_they_have_ended():
    machine = Machine()
    before = machine.sample()
    code = "x = bytearray(64 << 20)\nfor i in range(3_000_000): i * i\nprint(flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    during = machine.sample()
    child.communicate(b"\n")
    after = machine.sample()
    assert during["proc.memory.rssMB"] > before["proc.memory.rssMB"] + 60
    assert during["proc.cpu.threads"] > before["proc.cpu.threads"]
    assert during["cpu"] > 0 and after["cpu"] >= 0
    assert after["proc.memory.rssMB"] < during["proc.memory.rssMB"] - 60


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> str:
    built = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(built), str(_FAKE)], check=True, timeout=60)
    return str(built)


def test_nvidias_gpus_tell_what_they_can(library):
    memory = {"memoryAllocated": 25.0, "memoryAllocatedBytes": 2 << 30}
    first = {
        "gpu": 75, "memory": 40, **memory, "temp": os.getpid(), "powerWatts": 150.0, "powerPercent": 50.0,
        "enforcedPowerLimitWatts": 300.0, "graphicsClock": 1000, "smClock": 1001, "memoryClock": 1002,
    }  # fmt: skip
    expected = {f"gpu.0.{name}": value for name, value in first.items()}
    expected.update({f"gpu.1.{name}": value for name, value in memory.items()})
    assert Gpus(library, drm="/nowhere").sample() == expected


@pytest.mark.parametrize("name", ["libnowhere.so.1", "libm.so.6"])
def test_a_library_that_is_missing_or_is_another_one_is_not_told_of(name, capfd):
    assert Gpus(name, drm="/nowhere").sample() == {}
    assert capfd.readouterr() == ("", "")


def test_amds_gpus_come_behind_nvidias(library, tmp_path):
    device = tmp_path / "card0" / "device"
    (device / "hwmon" / "hwmon3").mkdir(parents=True)
    for name, value in {
        "gpu_busy_percent": 12, "mem_info_vram_used": 1 << 30, "mem_info_vram_total": 4 << 30,
        "hwmon/hwmon3/temp1_input": 45000, "hwmon/hwmon3/power1_average": 30_500_000,
    }.items():  # fmt: skip
        (device / name).write_text(f"{value}\n")
    (tmp_path / "card1" / "device").mkdir(parents=True)  # no GPU
    found = Gpus(library, drm=str(tmp_path)).sample()
    assert {name: value for name, value in found.items() if name.startswith("gpu.2.")} == {
        "gpu.2.gpu": 12, "gpu.2.memoryAllocated": 25.0, "gpu.2.memoryAllocatedBytes": 1 << 30, "gpu.2.temp": 45.0,
        "gpu.2.powerWatts": 30.5,
    }  # fmt: skip
    assert "gpu.0.gpu" in found and "gpu.3.gpu" not in found


# --- what of them leaves a site ---


def _taker(*rules: dict) -> Taker:
    policy = Policy([Rule.of({}).with_defaults(), *map(Rule.of, rules)])
    gate = Gate(policy, Audit(None, "", {}, lambda level, text: None))
    return Taker(EventBuffer(1 << 20), gate, Encoder(), Parts(lambda level, text: None), "site-1")


def _events(taker: Taker) -> list:
    return [msgpack.unpackb(event) for event in taker.buffer.take_back("read")]


def test_a_sample_goes_by_its_kind_alone_and_is_rounded_as_all_numbers():
    taker = _taker({"include": ["loss"], "exclude": ["*"], "digits": 2})
    before = time.time()
    taker.take_sample({"cpu": 12.345, "gpu.0.temp": 45})
    ((kind, at, site, code, writer, tag, value, step),) = _events(taker)
    assert (kind, site, code, writer, tag, step) == (2, "site-1", 15, 3, "system", None)
    assert value == {"op": "stats", "items": {"cpu": 12.0, "gpu.0.temp": 45}}
    assert before <= at <= time.time()


@pytest.mark.parametrize("rule", [{"kinds": ["scalars", "texts", "files"]}, {"max_bytes": {"system": 4}}])
def test_none_leave_where_their_kind_may_not_or_only_less(rule):
    taker = _taker(rule)
    taker.take_sample({"cpu": 1.0})
    assert _events(taker) == []
    if "kinds" in rule:
        assert taker.sample_each(0.1) is sampling.OFF


def test_what_a_script_passes_off_as_a_sample_leaves_by_no_kind():
    taker = _taker({"include": ["loss"]})
    taker.take("OPERATION", "WANDB", "system", {"op": "stats", "items": {"patient": 1}}, None, None, None)
    assert _events(taker) == []
