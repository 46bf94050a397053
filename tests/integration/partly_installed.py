"""A Python with NVFlare and all else that the tests have, in which only some processes find flarebridge."""

import os
import sysconfig
import venv
from pathlib import Path

import flarebridge

# Read by every process of that Python before anything else; sys.argv is not there yet. NVFlare hands on sys.path to the
# processes that it starts.
_START = """
import os
import sys
with open("/proc/self/cmdline") as file:
    words = file.read().split("\\0")
if any(word in {without!r} for word in words):
    os.environ["WITHOUT_FLAREBRIDGE"] = "1"
sys.path[:] = [folder for folder in sys.path if folder != {package!r}]
if "WITHOUT_FLAREBRIDGE" not in os.environ:
    sys.path.append({package!r})
"""


def make_python(folder: Path, without: tuple[str, ...]) -> tuple[Path, dict[str, str]]:
    """Gives the program, and the environment that it is to be started with.

    `without`: processes that have one of these words among their arguments find no flarebridge, nor do their children.
    """
    venv.create(folder / "python", with_pip=False, symlinks=True)
    program = folder / "python" / "bin" / "python"
    (own,) = (folder / "python" / "lib").glob("python3*/site-packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("flarebridge", "_flarebridge", "__pycache__")) and not entry.name.endswith(
            ".pth"
        ):
            (own / entry.name).symlink_to(entry)
    package = str(Path(flarebridge.__file__).resolve().parents[1])
    (own / "who_finds_it.py").write_text(_START.format(without=set(without), package=package))
    (own / "who_finds_it.pth").write_text("import who_finds_it\n")
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "FLAREBRIDGE_BINARY")
    }
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    places = os.environ["PATH"].split(":")
    environment["PATH"] = ":".join(place for place in places if not (Path(place) / "flarebridge").exists())
    return program, environment
