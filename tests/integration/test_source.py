"""The source distribution: all that a build needs is in it, and nothing else. That programs come out of it is seen by
packaging/build.sh, which makes its wheels of it.
"""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_MADE_OF = ("events", "receivers", "bridge", "python_shim/flarebridge", "packaging")
_LEFT_OUT = ("tests", "docs", "jobs", "build", ".venv", "python_shim/tests")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """What somebody has who has unpacked it, in a folder with nothing around it."""
    folder = tmp_path_factory.mktemp("source")
    command = f"from scikit_build_core.build import build_sdist; build_sdist({str(folder)!r})"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=_ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (packed,) = folder.glob("flarebridge-*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / packed.name.removesuffix(".tar.gz")


def _files(root: Path, folder: str) -> set[str]:
    """Without what is made by Python, and what begins with a dot: tools' own settings."""
    found = (path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file())
    return {str(path) for path in found if not any(part[0] == "." or part == "__pycache__" for part in path.parts)}


@pytest.mark.parametrize("folder", _MADE_OF)
def test_every_file_that_a_build_may_read_is_in_it(unpacked, folder):
    assert _files(_ROOT, folder)
    assert _files(unpacked, folder) == _files(_ROOT, folder)


def test_it_brings_its_terms_and_what_is_not_for_a_build_stays_out(unpacked):
    assert {"LICENSE", "README.md", "SECURITY.md", "pyproject.toml", "CMakeLists.txt", "PKG-INFO"} == {
        path.name for path in unpacked.iterdir() if path.is_file()
    }
    assert [folder for folder in _LEFT_OUT if (unpacked / folder).exists()] == []


def test_it_configures_for_this_systems_compiler_and_finds_its_sources(unpacked, tmp_path):
    """With scikit-build-core's word for a wheel, and by CMake alone."""
    places = [f"-DSKBUILD_{place}_DIR={tmp_path}" for place in ("METADATA", "PLATLIB", "SCRIPTS")]
    for name, words in {"wheel": ["-DSKBUILD=2", *places], "alone": []}.items():
        command = ["cmake", "-S", str(unpacked), "-B", str(tmp_path / name), "-DCMAKE_BUILD_TYPE=Release", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_version_is_that_of_the_programs_and_of_the_package(unpacked):
    (told,) = re.findall(r"^Version: (\S+)$", (unpacked / "PKG-INFO").read_text(), re.MULTILINE)
    assert f"project(flarebridge VERSION {told} " in (unpacked / "CMakeLists.txt").read_text()
    assert f'"{told}"' in (unpacked / "python_shim" / "flarebridge" / "version.py").read_text()
