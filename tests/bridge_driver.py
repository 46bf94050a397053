"""Drives a real bridge and its workers through a real link, without NVFlare: for tests and benchmarks."""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from flarebridge.bridge_process import BridgeProcess
from flarebridge.curve import Keys
from flarebridge.events import Encoder
from flarebridge.link import Link

_DEADLINE = 60  # seconds for anything that is waited for


def wait_for(condition, what: str, seconds: float = _DEADLINE) -> Any:
    """Waits until the condition gives something true, and gives that. Raises AssertionError at the deadline.

    A condition that raises something with the attribute `may_pass`, as for a file that is being written, is not true
    yet; at the deadline that is raised.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            result = condition()
        except Exception as e:
            if not getattr(e, "may_pass", False) or time.monotonic() >= deadline:
                raise
            result = None
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)  # between two looks at the condition


def processes_with(text: str) -> dict[int, str]:
    """Living processes (zombies are not) whose command line holds the text: pid -> command line.

    A child that is being spawned has its parent's command line until it runs its own program: it is not counted.
    """
    found = all_processes_with(text)
    return {pid: command for pid, command in found.items() if command != found.get(parent_of(pid))}


def all_processes_with(text: str) -> dict[int, str]:
    """The same, and children that go on with their parent's program and command line: who kills has to know them."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        command = _command(int(entry.name)).replace(b"\0", b" ").decode(errors="replace")
        if text in command:
            found[int(entry.name)] = command
    return found


def parent_of(pid: int) -> int:
    """The parent's pid, 0 if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def children_of(pid: int) -> list[int]:
    """Living child processes that run their own program.

    One that is being spawned is still a part of its parent, which waits for it: a signal that stops the one stops both.
    """
    try:
        children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [child for child in children if _command(child) not in (b"", own)]


def pss_kib(pids: list[int]) -> int:
    """Memory of the processes together, shared pages counted by their share. Those that are gone count nothing.

    In a sanitizer build none counts: its own memory is many times ours.
    """
    total = 0
    if "FLAREBRIDGE_SANITIZED" in os.environ:
        return 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Driver:
    """One session: opens it, sends events, ends it. Leaves nothing running."""

    def __init__(
        self,
        folder: Path,
        receivers: dict,
        run_name: str = "run",
        job: str = "job",
        state: Optional[Path] = None,
        endpoint: Optional[str] = None,
        buffer_bytes: int = 256 << 20,
        keys: Optional[Keys] = None,
        side: str = "server",
    ):
        self.folder = folder
        self.state = state or folder / f"state-{secrets.token_hex(4)}"
        self.reports: list[tuple[str, str]] = []
        self.process = None if endpoint else BridgeProcess(str(self.state))
        report = lambda level, text: self.reports.append((level, text))  # noqa: E731
        self.link = Link(endpoint, self.process, buffer_bytes, report, keys)
        self.encoder = Encoder()
        self.link.put(self.encoder.session_opened(time.time(), job, run_name, side, str(folder), receivers))
        self.link.start()

    def start_run(self, site: str) -> None:
        self.link.put(self.encoder.run_started(time.time(), site))

    def data(self, site: str, data_type: str, tag: str, value: Any, step=None, path=None, writer="WANDB") -> bool:
        return self.link.put(self.encoder.data(time.time(), site, data_type, writer, tag, value, step, path))

    def pid(self, other_than: Optional[int] = None) -> int:
        """The running bridge; after a kill, the next one."""
        return wait_for(
            lambda: self.link.connected and self.process.pid != other_than and self.process.pid, "a bridge that answers"
        )

    def end(self, exit_code: int = 0, seconds: float = _DEADLINE) -> None:
        """Ends the session and waits until the bridge has left."""
        self.link.put(self.encoder.session_ended(time.time(), exit_code))
        assert self.link.wait_acknowledged(seconds), f"not acknowledged: {self.link.stats()} {self.reports}"
        self.link.close(10)
        self.wait_gone()

    def wait_gone(self) -> None:
        wait_for(lambda: not processes_with(str(self.state)), f"the end of {processes_with(str(self.state))}")

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_exc) -> None:
        self.link.close(1)
        if self.process is not None:
            self.wait_gone()
