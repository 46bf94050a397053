"""Power cuts while a script logs large values: what was acknowledged is whole in its run, and nothing is left beside.

FLAREBRIDGE_POWER_ROUNDS: how many cuts; each is a seed that repeats it.
"""

import random
import struct
from pathlib import Path

import recorded_disk
from own_script import play
from run_log import find_runs, rows
from test_power import _ROUNDS, _finish, library  # noqa: F401

_IMAGES = 12
_SCRIPT = f"""
import struct
import numpy as np

trace = open(os.environ["RECORDING_DISK_TRACE"], "ab", buffering=0)
run = wandb.init(id="large", settings=wandb.Settings(console="off"))
for number in range({_IMAGES}):
    pixels = np.frombuffer(np.random.default_rng(number).bytes(320 * 320 * 3), np.uint8).reshape(320, 320, 3)
    wandb.log({{"image": wandb.Image(pixels), "number": number}})
    assert run._sink._link.wait_acknowledged(60)
    trace.write(struct.pack("<IIQQc7x", 32, 0, 0, number + 1, b"A"))
"""


def _images(disk: Path) -> dict[int, bytes]:
    """The files of a run's images by their numbers."""
    found = {}
    for log in find_runs(disk):
        for row in rows(log):
            if "image.path" in row:
                found[row["number"]] = (log.parent / "files" / row["image.path"]).read_bytes()
    return found


def test_large_values_that_were_acknowledged_survive_a_power_cut_at_any_moment(tmp_path, library):  # noqa: F811
    assert struct.calcsize("<IIQQc7x") == recorded_disk._HEADER.size
    disk, trace = tmp_path / "disk", tmp_path / "trace"
    disk.mkdir()
    trace.touch()
    play(
        disk, _SCRIPT, LD_PRELOAD=str(library), RECORDING_DISK_FOLDER=str(disk), RECORDING_DISK_TRACE=str(trace)
    )  # fmt: skip
    wanted = _images(disk)
    assert len(wanted) == _IMAGES
    changes = recorded_disk.read_trace(trace)
    recorded_disk.remove(disk)
    spooled = [i for i, change in enumerate(changes) if "/spool/" in change.path or "/blobs/" in change.path]
    assert len(spooled) > 3 * _IMAGES, "nothing went beside the events"
    draw, done, held, model = random.Random(4), 0, 0, recorded_disk.Disk()
    moments = sorted(draw.choice(spooled) + 1 if i % 2 else draw.randrange(len(changes)) for i in range(_ROUNDS))
    for seed, moment in enumerate(moments):
        for change in changes[done:moment]:
            model.apply(change)
        done = max(done, moment)
        model.cut(random.Random(seed), disk)
        state = disk / "wandb" / ".flarebridge" / "large"
        if state.exists():
            _finish(state)
        found = _images(disk)
        assert [number for number in range(model.acknowledged) if number not in found] == [], f"seed {seed}"
        assert all(wanted[number] == image for number, image in found.items())
        if (state / "bridge.log").exists() and not (state / "journal.db").exists():
            assert not [path for path in (state / "blobs").rglob("*")]
        held = max(held, model.acknowledged)
        recorded_disk.remove(disk)
    assert held > _IMAGES // 2, "nothing was acknowledged at any of the moments"
