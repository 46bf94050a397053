"""Values that no event can hold, from scripts with flarebridge.wandb: whole in their runs whoever is killed when, and
nothing of them left beside.
"""

import ctypes
import ctypes.util
import os
import signal
from pathlib import Path

import pytest
from bridge_driver import children_of, processes_with, wait_for
from own_script import DEADLINE, log_below, play, start
from run_log import rows
from strict_server import StrictServer
from uploads import environment, is_marked, sync

_MIB = 1 << 20
# An image of 5 MiB that no encoder makes small, and a file of 20 MiB of every byte.
_LARGE = """
import numpy as np
pixels = np.frombuffer(np.random.default_rng(7).bytes(1024 * 1706 * 3), np.uint8).reshape(1024, 1706, 3)
"""


def _spools(folder: Path) -> list[Path]:
    """What is left of large values outside of runs."""
    return [path for name in ("spool", "blobs") for path in folder.rglob(f"{name}/**/*") if path.is_file()]


class _PngImage(ctypes.Structure):
    """libpng's png_image (png.h, the simplified interface)."""

    _fields_ = [
        ("opaque", ctypes.c_void_p), ("version", ctypes.c_uint32), ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32), ("format", ctypes.c_uint32), ("flags", ctypes.c_uint32),
        ("colormap_entries", ctypes.c_uint32), ("warning_or_error", ctypes.c_uint32), ("message", ctypes.c_char * 64),
    ]  # fmt: skip


def _pixels_of(png: bytes) -> bytes:
    """RGB, by the library that every bridge has."""
    library = ctypes.CDLL(ctypes.util.find_library("png16"))
    image = _PngImage(version=1)
    assert library.png_image_begin_read_from_memory(ctypes.byref(image), png, ctypes.c_size_t(len(png)))
    image.format = 2  # PNG_FORMAT_RGB
    pixels = ctypes.create_string_buffer(image.width * image.height * 3)
    assert library.png_image_finish_read(ctypes.byref(image), None, pixels, 0, None), image.message
    return pixels.raw


def _assert_pixels(log: Path, key: str = "image") -> None:
    """The images of all rows are that of _LARGE."""
    np = pytest.importorskip("numpy")
    paths = {row[f"{key}.path"] for row in rows(log) if f"{key}.path" in row}
    (png,) = {(log.parent / "files" / path).read_bytes() for path in paths}
    assert _pixels_of(png) == np.random.default_rng(7).bytes(1024 * 1706 * 3)


def test_a_large_image_has_the_same_pixels_and_a_large_file_the_same_bytes(tmp_path):
    _out, err = play(
        tmp_path,
        _LARGE
        + """
open("clip.mp4", "wb").write(bytes(range(256)) * 80000)
open("weights.bin", "wb").write(bytes(reversed(range(256))) * 80000)
open("small.bin", "wb").write(b"\\xff\\x00")
wandb.init()
wandb.log({"before": 1})
wandb.log({"image": wandb.Image(pixels, caption="c"), "loss": 0.5})
wandb.log({"clip": wandb.Video("clip.mp4")})
print(wandb.save("*.bin"))
os.truncate("weights.bin", 0)
wandb.log({"page": wandb.Html("x" * (2 << 20), inject=False), "after": 1})
""",
    )
    assert "left out" not in err and "lost" not in err, err
    log = log_below(tmp_path)
    found = rows(log)
    assert [row["_step"] for row in found] == [0, 1, 2, 3]
    assert found[1]["loss"] == 0.5 and found[1]["image.caption"] == "c"
    _assert_pixels(log)
    files = log.parent / "files"
    assert (files / found[2]["clip.path"]).read_bytes() == bytes(range(256)) * 80000
    assert (files / "weights.bin").read_bytes() == bytes(reversed(range(256))) * 80000
    assert (files / "small.bin").read_bytes() == b"\xff\x00"
    assert (files / found[3]["page.path"]).read_text() == "x" * (2 << 20)
    assert not _spools(tmp_path)


def test_of_a_file_of_5_gib_every_process_holds_a_piece_only(tmp_path):
    size = 5 << 30
    with open(tmp_path / "huge.bin", "wb") as file:
        file.truncate(size)
        file.seek(3 << 30)
        file.write(b"here")
    if os.stat(tmp_path / "huge.bin").st_blocks * 512 > _MIB:
        pytest.skip("this file system has no files with holes")
    limit = 600 << 20  # bytes of a process's own data, numpy's and all

    process = start(
        tmp_path,
        f"""
        import resource
        resource.setrlimit(resource.RLIMIT_DATA, ({limit}, {limit}))
        wandb.init()
        wandb.save("huge.bin")
        wandb.log({{"loss": 1}})
        wandb.finish()
        """,
    )
    printed = process.communicate(timeout=300)
    assert process.returncode == 0 and "lost" not in printed[1], printed
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge", 300)
    log = log_below(tmp_path)
    saved = log.parent / "files" / "huge.bin"
    assert saved.stat().st_size == size and saved.stat().st_blocks * 512 < _MIB
    with open(saved, "rb") as file:
        file.seek(3 << 30)
        assert file.read(5) == b"here\0"
    assert [row["loss"] for row in rows(log)] == [1]
    assert not _spools(tmp_path)


_KILLED = (
    _LARGE
    + """
run = wandb.init(id="killed")
for step in range(6):
    wandb.log({"image": wandb.Image(pixels), "loss": step})
    if step == 0: run._sink._link.wait_acknowledged(60)
    if step == 2:
        print("logged", flush=True)
        sys.stdin.readline()
if not run._sink._link.wait_acknowledged(60): sys.exit("not acknowledged")
print("acknowledged", flush=True)
sys.stdin.readline()
"""
)


@pytest.mark.parametrize("who", ["bridge", "worker", "trainer", "all"])
@pytest.mark.parametrize("when", ["on the way", "acknowledged"])
def test_whoever_is_killed_what_was_acknowledged_is_there_and_nothing_is_left_beside(tmp_path, who, when):
    process = start(tmp_path, _KILLED)
    assert process.stdout.readline() == "logged\n"
    if when == "acknowledged":
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "acknowledged\n"
    bridges = [pid for pid, command in processes_with(str(tmp_path)).items() if " serve " in command]
    workers = [pid for bridge in bridges for pid in children_of(bridge)]
    victims = {"bridge": bridges, "worker": workers, "trainer": [process.pid]}
    for pid in victims.get(who, [process.pid, *bridges, *workers]):
        os.kill(pid, signal.SIGKILL)
    if who in ("bridge", "worker"):
        process.communicate("\n" * 2, timeout=DEADLINE)
        assert process.returncode == 0
    else:
        process.communicate(timeout=DEADLINE)
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
    if who == "all":  # a later life of the same run finishes it
        play(tmp_path, 'wandb.init(id="killed", resume="allow")')
    log = log_below(tmp_path)
    found = rows(log)
    least = 6 if when == "acknowledged" or who in ("bridge", "worker") else 1
    steps = [row["loss"] for row in found if "loss" in row]
    assert steps == list(range(len(steps))) and len(steps) >= least
    images = [row for row in found if "image.path" in row]
    assert len(images) >= least
    if images:
        _assert_pixels(log)
    assert not list(log.parent.rglob("*.part"))
    assert not _spools(tmp_path)


def test_a_disk_that_is_full_costs_the_value_and_not_the_training(tmp_path):
    _out, err = play(
        tmp_path,
        _LARGE
        + f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run = wandb.init()
wandb.log({{"loss": 0}})
assert run._sink._link.wait_acknowledged(60)
resource.setrlimit(resource.RLIMIT_FSIZE, ({_MIB}, resource.RLIM_INFINITY))
wandb.log({{"image": wandb.Image(pixels), "loss": 1}})
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
wandb.log({{"loss": 2}})
""",
    )
    assert "the disk has no room for it" in err and "1 of its events are lost" in err
    assert [row["loss"] for row in rows(log_below(tmp_path))] == [0, 1, 2]
    assert not _spools(tmp_path)


def test_a_bridge_with_less_room_refuses_a_value_by_its_size_and_goes_on(tmp_path):
    _out, err = play(
        tmp_path,
        _LARGE + 'wandb.init()\nwandb.log({"image": wandb.Image(pixels), "loss": 1})\nwandb.log({"loss": 2})',
        FLAREBRIDGE_BLOB_MAX="2",
    )
    assert "1 refused by the bridge" in err
    assert [row["loss"] for row in rows(log_below(tmp_path))] == [1, 2]
    assert not _spools(tmp_path)


def test_a_large_value_is_uploaded_by_the_command(tmp_path):
    with StrictServer() as server:
        play(
            tmp_path,
            _LARGE + 'wandb.init(id="live", project="mine", entity="tester")\n'
            'wandb.log({"image": wandb.Image(pixels)})\nopen("w.bin", "wb").write(b"\\xff" * 3000000)\n'
            'wandb.save("w.bin")',
        )
        log = log_below(tmp_path)
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        held = server.run("live")
        (row,) = rows(log)
        assert held.files[row["image.path"]] == (log.parent / "files" / row["image.path"]).read_bytes()
        assert held.files["w.bin"] == b"\xff" * 3000000
        assert is_marked(log)
