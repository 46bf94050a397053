"""Runs programs that use the wandb package apart from everything else: settings, caches, network, processes.

The environment is made from nothing, so that no settings, keys or proxies of the user's take part, and W&B's
error reports are off. When the call returns, nothing that the program started is alive: wandb-core begins a
session of its own, so that its processes are told by a mark in their environment and not by their session.
"""

import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Optional

_MARK = "CONFORMANCE_COMMAND"
_FOLDERS = ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
_LEAVE_SECONDS = 20.0  # that wandb-core may take to leave behind its client


class LeftProcessesError(AssertionError):
    """Processes of a command outlived it; they have been killed."""


def isolated_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment made from nothing. home: an existing folder; `more` is added as it is."""
    folders = {name: str(home / name.lower()) for name in _FOLDERS}
    return {
        "PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(home), "TMPDIR": str(home),
        "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1", "WANDB_ERROR_REPORTING": "false",
        **folders, **more,
    }  # fmt: skip


@contextmanager
def _marked(mark: str) -> Iterator[dict[int, int]]:
    """The living processes that carry the mark: pid -> open pidfd, so that a signal can meet no other."""
    wanted, found = f"{_MARK}={mark}".encode(), {}
    try:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                descriptor = os.pidfd_open(int(entry.name))
            except OSError:
                continue
            try:
                is_ours = wanted in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                is_ours = False
            if is_ours:
                found[int(entry.name)] = descriptor
            else:
                os.close(descriptor)
        yield found
    finally:
        for descriptor in found.values():
            os.close(descriptor)


def _await_end(mark: str, seconds: float) -> bool:
    """Waits until no process carries the mark. Gives False at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        with _marked(mark) as processes:
            if not processes:
                return True
            remaining = deadline - time.monotonic()
            # A pidfd becomes readable when its process ends.
            if remaining <= 0 or not select.select([next(iter(processes.values()))], [], [], remaining)[0]:
                return False


def _kill(mark: str) -> list[int]:
    """Kills what carries the mark, and what it may start meanwhile. Gives the pids. Raises TimeoutError."""
    killed: set[int] = set()
    deadline = time.monotonic() + _LEAVE_SECONDS
    while True:
        with _marked(mark) as processes:
            if not processes:
                return sorted(killed)
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes that cannot be killed: {sorted(processes)}")
            for descriptor in processes.values():
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            killed |= processes.keys()
            # A process loses its environment, and thus its mark, some time before it has ended: each is waited for.
            for descriptor in processes.values():
                select.select([descriptor], [], [], max(0, deadline - time.monotonic()))


def run_isolated(
    command: list[str], seconds: float, cwd: Optional[Path] = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Runs a command in an environment of its own.

    seconds: its deadline. cwd: None is an empty folder that is removed afterwards, like the command's home.
    Raises subprocess.TimeoutExpired at the deadline, and LeftProcessesError if it ends but leaves processes
    that stay; in both cases all of them have been killed.
    """
    mark = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="conformance-") as home:
        process = subprocess.Popen(
            command,
            cwd=cwd or home,
            env=isolated_environment(Path(home), **environment, **{_MARK: mark}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except BaseException:
            _kill(mark)
            process.communicate()
            raise
        if not _await_end(mark, _LEAVE_SECONDS):
            raise LeftProcessesError(f"{command} left the processes {_kill(mark)}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def run_wandb(arguments: list[str], seconds: float, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs the `wandb` command of the Python that runs the tests. As run_isolated."""
    return run_isolated([sys.executable, "-m", "wandb", *arguments], seconds, **environment)
