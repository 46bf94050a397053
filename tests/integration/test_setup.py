"""jobs/setup.sh in a checkout of its own, where Debian's tools and the virtual environment are stand-ins."""

import contextlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
from bridge_driver import wait_for

_TOP = Path(__file__).resolve().parents[2]
# In the place of .venv/bin/python: notes its arguments; a wheel that is built or installed is there.
_PYTHON = """\
#!/bin/sh
echo "$@" >>{root}/calls
case "$3" in
  wheel) mkdir -p {root}/build/dist; touch {root}/build/dist/flarebridge-0.1.0-py3-none-linux.whl ;;
  install)
    {pip}
    mkdir -p {venv}/lib/python3/site-packages/flarebridge/bin
    touch {venv}/lib/python3/site-packages/flarebridge/bin/flarebridge-upload {venv}/bin/flarebridge
    chmod +x {venv}/bin/flarebridge ;;
esac
"""


class Checkout:
    """A checkout with setup.sh and a few sources."""

    def __init__(self, root: Path, pip: str = "", installed: bool = True):
        """pip: shell commands at each `pip install`. installed: Debian's packages are there."""
        self.root = root
        (root / "jobs" / "hello-pt").mkdir(parents=True)
        for name in ("jobs/setup.sh", "jobs/hello-pt/requirements.txt", "packaging/sources_hash.sh"):
            (root / name).parent.mkdir(exist_ok=True)
            shutil.copy(_TOP / name, root / name)
        for folder in ("events", "receivers", "bridge", "python_shim"):
            (root / folder).mkdir()
        (root / "CMakeLists.txt").write_text("project(flarebridge)\n")
        self.tool(root / ".venv" / "bin" / "python", _PYTHON.format(root=root, venv=root / ".venv", pip=pip))
        self.tool(root / "tools" / "dpkg-query", f"#!/bin/sh\n{'echo installed' if installed else 'exit 1'}\n")
        self.tool(root / "tools" / "apt-get", f'#!/bin/sh\necho apt-get "$@" >>{root}/calls\n')
        self.tool(root / "tools" / "sudo", '#!/bin/sh\nexec "$@"\n')

    @staticmethod
    def tool(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def start(self, *mode: str, **environment: str) -> subprocess.Popen:
        path = f"{self.root / 'tools'}:{os.environ['PATH']}"
        inherited = {name: value for name, value in os.environ.items() if name != "FLAREBRIDGE_WHEEL"}
        return subprocess.Popen(
            ["/bin/bash", str(self.root / "jobs" / "setup.sh"), *mode],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**inherited, "PATH": path, **environment},
        )  # fmt: skip

    def call(self, *mode: str, **environment: str) -> tuple[int, str]:
        """Gives the exit status and all output."""
        started = self.start(*mode, **environment)
        output, _none = started.communicate(timeout=60)
        return started.returncode, output

    def done(self) -> str:
        """What was called since the last time that this was asked."""
        calls = self.root / "calls"
        text = calls.read_text() if calls.exists() else ""
        calls.unlink(missing_ok=True)
        return text

    def portable(self, sources: Optional[str]) -> Path:
        """A wheel as packaging/build.sh leaves it, with what it says of its sources."""
        wheel = self.root / "build" / "packaging" / "dist" / f"flarebridge-0.1.0-py3-none-any_{platform.machine()}.whl"
        wheel.parent.mkdir(parents=True, exist_ok=True)
        wheel.write_text("a wheel")
        if sources is not None:
            wheel.with_name(f"{wheel.name}.sources").write_text(sources)
        return wheel

    def sources(self) -> str:
        script = self.root / "packaging" / "sources_hash.sh"
        return subprocess.run([script], check=True, capture_output=True, text=True, timeout=30).stdout


# --- the wheel for any Linux ---


def test_a_wheel_made_from_these_sources_is_installed_and_nothing_is_compiled(tmp_path):
    checkout = Checkout(tmp_path, installed=False)
    wheel = checkout.portable(checkout.sources())
    status, output = checkout.call()
    assert status == 0, output
    done = checkout.done()
    assert str(wheel) in done and "nothing is compiled" in output
    assert "apt-get" not in done and "pip wheel" not in done
    # And a second call has nothing to do.
    assert checkout.call() == (0, "")
    assert checkout.done() == ""


@pytest.mark.parametrize("sources", ["0123  -", "", None])
def test_a_wheel_of_other_or_unknown_sources_is_told_in_a_line_and_these_are_built(tmp_path, sources):
    checkout = Checkout(tmp_path, installed=False)
    wheel = checkout.portable(sources)
    status, output = checkout.call()
    assert status == 0, output
    (told,) = [line for line in output.splitlines() if wheel.name in line]
    assert "is not made from the sources" in told and "FLAREBRIDGE_WHEEL=FILE" in told
    done = checkout.done()
    assert str(wheel) not in done
    assert re.search("apt-get install .*libzmq3-dev", done) and "-m pip wheel" in done


def test_sources_that_change_after_the_wheel_was_installed_are_built(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.portable(checkout.sources())
    assert checkout.call()[0] == 0
    checkout.done()
    (tmp_path / "bridge" / "new.cc").write_text("int a;\n")
    assert "is not made from the sources" in checkout.call()[1]
    assert "-m pip wheel" in checkout.done()
    assert "building" in checkout.call()[1]
    assert checkout.done() == ""


def test_a_wheel_that_is_named_is_taken_whatever_it_is_made_of(tmp_path):
    checkout = Checkout(tmp_path, installed=False)
    checkout.portable("0123  -")
    named = tmp_path / "named.whl"
    named.write_text("one")
    status, output = checkout.call("job", FLAREBRIDGE_WHEEL=str(named))
    assert status == 0, output
    done = checkout.done()
    assert str(named) in done and "apt-get" not in done and "pip wheel" not in done
    assert checkout.call("job", FLAREBRIDGE_WHEEL=str(named)) == (0, "")
    assert checkout.done() == ""
    named.write_text("another")
    checkout.call("job", FLAREBRIDGE_WHEEL=str(named))
    assert str(named) in checkout.done()
    # The next call without the name is for this checkout's sources again.
    checkout.call()
    assert "-m pip wheel" in checkout.done()


def test_a_named_wheel_that_is_not_there_is_an_error_before_anything_is_installed(tmp_path):
    checkout = Checkout(tmp_path, installed=False)
    status, output = checkout.call("job", FLAREBRIDGE_WHEEL="/no/such.whl")
    assert status == 1
    assert "FLAREBRIDGE_WHEEL names /no/such.whl" in output
    assert checkout.done() == ""


def test_the_tests_are_for_what_is_built_here(tmp_path):
    checkout = Checkout(tmp_path, installed=False)
    named = checkout.portable(checkout.sources())
    (tmp_path / "tests" / "integration").mkdir(parents=True)
    for name in ("tests/requirements.txt", "tests/integration/requirements.txt"):
        shutil.copy(_TOP / name, tmp_path / name)
    checkout.tool(tmp_path / "tools" / "cmake", "#!/bin/sh\n")
    status, output = checkout.call("tests", FLAREBRIDGE_WHEEL=str(named))
    assert status == 0, output
    done = checkout.done()
    assert str(named) not in done and "-m pip wheel" in done and "libzmq3-dev" in done


def test_a_machine_without_debians_tools_needs_python_and_that_wheel_alone(tmp_path):
    checkout = Checkout(tmp_path)
    tools = tmp_path / "few"
    tools.mkdir()
    for tool in ("dirname", "basename", "uname", "mkdir", "flock", "cat", "cmp", "cp", "sha256sum", "find", "sort",
                 "xargs", "tail", "tr", "grep", "cut", "stty", "bash", "env", "touch", "chmod"):  # fmt: skip
        (tools / tool).symlink_to(shutil.which(tool))
    checkout.tool(tools / "python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    status, output = checkout.call(PATH=str(tools))
    assert status == 1 and "installs with apt-get, which is missing" in output
    checkout.portable(checkout.sources())
    status, output = checkout.call(PATH=str(tools))
    assert status == 0, output


# --- steps ---


@pytest.mark.parametrize(
    ("pip", "words"),
    [
        ("echo 'Temporary failure in name resolution'; exit 1", "the network can't be reached"),
        ("echo 'ERROR: No matching distribution found for torch==0'; exit 1", "torch==0"),
        ("echo 'OSError: [Errno 28] No space left on device'; exit 1", "the disk is full"),
        ("echo much; echo 'ERROR: odd'; echo more; exit 1", "ERROR: odd"),
        ("exit 1", "installing Python packages failed"),
    ],
)
def test_a_step_of_the_set_up_that_fails_says_why_in_one_line(tmp_path, pip, words):
    status, output = Checkout(tmp_path, pip).call()
    assert status == 1
    (told,) = [line for line in output.splitlines() if "error" in line]
    assert words in told
    assert str(tmp_path / "build" / "logs" / "pip.log") in output
    assert len(output.splitlines()) < 6


def test_a_step_that_takes_its_time_shows_that_it_goes_on(tmp_path):
    status, output = Checkout(tmp_path, "echo Collecting torch; sleep 7; exit 1").call()
    assert status == 1
    assert re.search("installing Python packages: [56] s, Collecting torch", output)


def test_an_interrupted_set_up_leaves_no_process_and_says_so(tmp_path):
    started = Checkout(tmp_path, f"touch {tmp_path}/begun; exec sleep 98.7").start()
    try:
        wait_for(lambda: (tmp_path / "begun").exists(), "pip")
        os.killpg(started.pid, signal.SIGINT)  # as Ctrl-C does
        output, _none = started.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == 130
    assert "what is installed stays" in output
    # All of them were in its group; a signal to an empty group is an error.
    wait_for(lambda: not _is_group(started.pid), "the end of its processes")


def _is_group(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True
