"""Where the program is found, in every way of installing the package; by pip, with a program that tells its path."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import flarebridge
import pytest

_PACKAGE = Path(flarebridge.__file__).parent
_COMMAND = Path(__file__).parents[1] / "command.py"
_TELLS = b'#!/bin/sh\nprintf "%s" "$0"\nfor word in "$@"; do printf " [%s]" "$word"; done\n'
_WHEEL = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: py3-none-any\n"
_ASK = "from flarebridge.bridge_process import find_binary; print(find_binary(), end='')"
_NAME = "flarebridge/bin/flarebridge"


def _make_wheel(folder: Path) -> Path:
    """As CMake and scikit-build-core lay it out."""
    files = {f"flarebridge/{path.name}": (path.read_bytes(), 0o644) for path in _PACKAGE.glob("*.py")}
    files[_NAME] = (_TELLS, 0o755)
    command = _COMMAND.read_bytes().split(b"\n", 1)[1]
    files["flarebridge-9.0.data/scripts/flarebridge"] = (b"#!python\n" + command, 0o755)
    files["flarebridge-9.0.dist-info/METADATA"] = (b"Metadata-Version: 2.1\nName: flarebridge\nVersion: 9.0\n", 0o644)
    files["flarebridge-9.0.dist-info/WHEEL"] = (_WHEEL, 0o644)
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for name, (content, _) in files.items()
    ]
    record = "\n".join([*rows, "flarebridge-9.0.dist-info/RECORD,,", ""]).encode()
    files["flarebridge-9.0.dist-info/RECORD"] = (record, 0o644)
    wheel = folder / "flarebridge-9.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, (content, mode) in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content)
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return _make_wheel(tmp_path_factory.mktemp("wheel"))


def _environment(home: Path, **more: str) -> dict:
    """Nothing of the surrounding installation: neither its packages nor its commands."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **more}


def _install(wheel: Path, *options: str, python: str = sys.executable, **environment: str) -> None:
    # The same pip for every Python.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-warn-script-location", "--break-system-packages", "--ignore-installed", *options, str(wheel)],
        env={**_environment(wheel.parent), **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _output(command: list, environment: dict) -> str:
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _check(root: Path, python: str, environment: dict) -> None:
    """The receiver and the command find the one program below `root`."""
    (program,) = root.rglob(_NAME)
    (command,) = (path for path in root.glob("*/flarebridge") if path.is_file())
    assert _output([python, "-c", _ASK], environment) == str(program)
    assert _output([str(command), "show", "a b"], environment) == f"{program} [show] [a b]"


def test_it_is_found_in_a_virtual_environment_and_by_a_link_to_its_command(tmp_path, wheel):
    """uv's and conda's environments look the same; `uv tool` and pipx make such links."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True, timeout=60)
    python = str(tmp_path / "venv" / "bin" / "python")
    _install(wheel, python=python)
    _check(tmp_path / "venv", python, _environment(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "venv" / "bin" / "flarebridge")
    (program,) = (tmp_path / "venv").rglob(_NAME)
    assert _output([str(tmp_path / "link")], _environment(tmp_path)) == str(program)


def test_it_is_found_in_a_target_folder(tmp_path, wheel):
    _install(wheel, "--target", str(tmp_path / "target"))
    environment = _environment(tmp_path)
    (program,) = (tmp_path / "target").rglob(_NAME)
    # No path names the folder: the command finds what lies beside it all the same.
    assert _output([str(tmp_path / "target" / "bin" / "flarebridge")], environment) == str(program)
    _check(tmp_path / "target", sys.executable, {**environment, "PYTHONPATH": str(tmp_path / "target")})


def test_it_is_found_where_a_user_installs(tmp_path, wheel):
    python = getattr(sys, "_base_executable", sys.executable)
    environment = {"PYTHONUSERBASE": str(tmp_path / "user")}
    _install(wheel, "--user", python=python, **environment)
    _check(tmp_path / "user", python, _environment(tmp_path, **environment))


def test_a_job_that_carries_copies_of_the_package_uses_the_installed_program(tmp_path, wheel):
    _install(wheel, "--target", str(tmp_path / "target"))
    custom = tmp_path / "app" / "custom"
    custom.mkdir(parents=True)
    shutil.copytree(_PACKAGE, custom / "flarebridge", ignore=shutil.ignore_patterns("bin", "__pycache__"))
    (program,) = (tmp_path / "target").rglob(_NAME)
    paths = os.pathsep.join([str(custom), str(tmp_path / "target")])
    assert _output([sys.executable, "-c", _ASK], _environment(tmp_path, PYTHONPATH=paths)) == str(program)


def test_a_program_that_is_named_goes_before_the_package_s_own(tmp_path, wheel):
    _install(wheel, "--target", str(tmp_path / "target"))
    named = tmp_path / "named"
    named.write_bytes(_TELLS)
    named.chmod(0o755)
    environment = _environment(tmp_path, PYTHONPATH=str(tmp_path / "target"), FLAREBRIDGE_BINARY=str(named))
    assert _output([sys.executable, "-c", _ASK], environment) == str(named)


def test_a_program_beside_no_package_is_found_by_the_search_path(tmp_path):
    (tmp_path / "flarebridge").write_bytes(_TELLS)
    (tmp_path / "flarebridge").chmod(0o755)
    package = tmp_path / "source"
    shutil.copytree(_PACKAGE, package / "flarebridge", ignore=shutil.ignore_patterns("bin", "__pycache__"))
    environment = _environment(tmp_path, PYTHONPATH=str(package))
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    # A Python without flarebridge, which the tests' own may have.
    python = getattr(sys, "_base_executable", sys.executable)
    assert _output([python, "-c", _ASK], environment) == str(tmp_path / "flarebridge")


def test_a_command_without_its_program_says_what_to_do(tmp_path):
    (tmp_path / "bin").mkdir()
    command = shutil.copy(_COMMAND, tmp_path / "bin" / "flarebridge")
    done = subprocess.run(
        [sys.executable, "-I", "-S", command], env=_environment(tmp_path), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 127
    assert "install the flarebridge wheel again" in done.stderr
