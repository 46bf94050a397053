"""Guards against slow growth of the hot path's cost by counting instructions and system calls, never by time.

Instructions are the same on every run of one build with one set of libraries; limits are a tenth above what was counted
on Debian 12 (GCC 12, libstdc++ 12, x86-64). Who makes something cheaper lowers its limit; who makes it dearer says why.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
from load import LoadedBridge, finish

_HOT_PATH = os.environ["FLAREBRIDGE_HOT_PATH"]
_BATCH = 512  # events of a batch in hot_path

# Part -> instructions for one event or row of 5 values, at most.
_INSTRUCTIONS = {"routing": 2800, "writing": 15200, "storing": 780}
# System calls of the bridge and all of its workers for one event, at most: none is made for each. SQLite makes two for
# each page of 8 KiB in its WAL. How many pages that are hangs on how the commits fall: 0.098 to 0.131 were counted.
_SYSTEM_CALLS = 0.15


def _instructions(part: str, folder: Path, batches: int) -> int:
    folder.mkdir()
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", _HOT_PATH, part, str(folder)]
    done = subprocess.run([*command, str(batches)], capture_output=True, text=True, timeout=300, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


@pytest.mark.parametrize("part", _INSTRUCTIONS)
def test_an_event_takes_no_more_instructions_than_it_did(tmp_path, part):
    # The difference leaves out the start and what is made once.
    few, many = (_instructions(part, tmp_path / str(batches), batches) for batches in (10, 30))
    assert (many - few) / (20 * _BATCH) <= _INSTRUCTIONS[part]


def test_no_system_call_is_made_for_each_event(tmp_path):
    counts, events = tmp_path / "counts", 600_000
    strace = ["strace", "-f", "-c", "-U", "calls,name", "-o", str(counts)]
    with LoadedBridge(tmp_path, strace) as bridge:
        told = finish(bridge.generate("runs", sites=4, events=events, values=5), 300)
        assert told["events"] == events
        bridge.wait()
    (total,) = re.findall(r"^ *(\d+) total", counts.read_text(), re.M)
    assert int(total) / events <= _SYSTEM_CALLS
