"""Scripts that log with flarebridge.wandb, each in a process of its own with its own folder and home."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from bridge_driver import processes_with, wait_for
from run_log import find_runs, read_records

DEADLINE = 120  # seconds


def environment_of(home: Path, **more: str) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_") and key != "NETRC"}
    return {**own, "HOME": str(home), "WANDB_MODE": "offline", **more}


def start(folder: Path, code: str, **more: str) -> subprocess.Popen:
    text = "import os, sys, time\nimport flarebridge.wandb as wandb\n" + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", text], cwd=folder, env=environment_of(folder, **more), text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def play(folder: Path, code: str, status: int = 0, **more: str) -> tuple[str, str]:
    """Gives what the script printed on both streams; its bridge has left by then."""
    process = start(folder, code, **more)
    printed = process.communicate(timeout=DEADLINE)
    assert process.returncode == status, printed
    wait_for(lambda: not processes_with(str(folder)), "the end of the bridge")
    return printed


def log_below(folder: Path) -> Path:
    (log,) = find_runs(folder)
    return log


def console_of(log: Path) -> list[str]:
    return [record.output_raw.line for record in read_records(log) if record.WhichOneof("record_type") == "output_raw"]
