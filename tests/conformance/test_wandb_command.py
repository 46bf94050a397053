"""Commands of the tests run apart from the user's settings, and leave nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import wandb_command
from wandb_command import LeftProcessesError, run_isolated

# Starts a process in a session of its own, as the SDK starts wandb-core, tells its pid, and goes on or ends.
_STARTER = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True,
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
open(sys.argv[1], "w").write(str(child.pid))
if sys.argv[2] == "stay":
    child.wait()
"""


def test_the_environment_holds_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    script = "import json, os; print(json.dumps(dict(os.environ))); print(os.listdir())"
    done = run_isolated([sys.executable, "-c", script], 20, EXTRA="given")
    environment, listing = done.stdout.splitlines()
    held = json.loads(environment)
    assert held["EXTRA"] == "given"
    assert not {"WANDB_MODE", "HTTP_PROXY", "WANDB_API_KEY"} & held.keys()
    assert listing == "[]"
    assert not Path(held["HOME"]).exists()


@pytest.mark.parametrize(("end", "error"), [("stay", subprocess.TimeoutExpired), ("leave", LeftProcessesError)])
def test_no_process_of_a_command_outlives_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str, error: type[Exception]
):
    monkeypatch.setattr(wandb_command, "_LEAVE_SECONDS", 1.0)
    pid = tmp_path / "pid"
    with pytest.raises(error):
        run_isolated([sys.executable, "-c", _STARTER, str(pid), end], 3)
    assert not _is_alive(pid.read_text())


def _is_alive(pid: str) -> bool:
    """A process that is killed, but not yet collected by its new parent, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False
