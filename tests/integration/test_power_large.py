"""Power cuts while a script logs large values: what was acknowledged is whole in its run, and nothing is left beside.

FLAREBRIDGE_POWER_ROUNDS: how many cuts; each is a seed that repeats it.
"""

import random
from pathlib import Path

import recorded_disk
from bridge_driver import processes_with, wait_for
from own_script import DEADLINE, start
from run_log import find_runs, rows
from test_power import _ROUNDS, _finish, library  # noqa: F401

_IMAGES = 12
_SCRIPT = f"""
import numpy as np

run = wandb.init(id="large", settings=wandb.Settings(console="off"))
for number in range({_IMAGES}):
    pixels = np.frombuffer(np.random.default_rng(number).bytes(320 * 320 * 3), np.uint8).reshape(320, 320, 3)
    wandb.log({{"image": wandb.Image(pixels), "number": number}})
    assert run._sink._link.wait_acknowledged(60)
    print(number + 1, flush=True)
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
    disk = tmp_path / "disk"
    disk.mkdir()
    recording = recorded_disk.Recording(tmp_path / "trace")
    script = start(disk, _SCRIPT, WANDB_SILENT="true", **recording.environment(library, disk))
    for line in script.stdout:
        recording.acknowledged(int(line))
    _out, said = script.communicate(timeout=DEADLINE)
    assert script.returncode == 0, said
    wait_for(lambda: not processes_with(str(disk)), "the end of the bridge")
    wanted = _images(disk)
    assert len(wanted) == _IMAGES
    changes = list(recording.changes())
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
