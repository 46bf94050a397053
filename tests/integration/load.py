"""A bridge under the native load generator, and what it takes while it works."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from bridge_driver import children_of, pss_kib, wait_for
from flarebridge.bridge_process import find_binary

_BUILT = Path(__file__).parents[2] / "build" / "release" / "tests" / "load" / "flarebridge_load"
GENERATOR = os.environ.get("FLAREBRIDGE_LOAD", str(_BUILT))


class LoadedBridge:
    """A bridge of its own; `with` ends it."""

    def __init__(self, folder: Path, under: Sequence[str] = ()):
        """under: a program that runs it, with its options."""
        self.folder = folder
        self.state = folder / f"state-{secrets.token_hex(4)}"
        self.state.mkdir(parents=True)
        # A socket's path may have 107 bytes only.
        self._socket_folder = tempfile.mkdtemp(prefix="flarebridge-")
        self.endpoint = f"ipc://{self._socket_folder}/link"
        command = [*under, find_binary(), "serve", "--own", "--state", str(self.state), "--endpoint", self.endpoint]
        self.process = subprocess.Popen(command)
        wait_for(lambda: Path(self._socket_folder, "link").exists(), "the bridge's socket")

    def generate(self, name: str, **options: Any) -> "subprocess.Popen[str]":
        """Starts a session that logs; its runs are below the folder's `name`."""
        words = [f"--{key}={value}" for key, value in options.items()]
        command = [GENERATOR, self.endpoint, str(self.folder / name), *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait(self, seconds: float = 120) -> None:
        """Until it has left by itself, all being in the runs."""
        assert self.process.wait(seconds) == 0

    def workers(self) -> list[int]:
        return children_of(self.process.pid)

    def __enter__(self) -> "LoadedBridge":
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        shutil.rmtree(self._socket_folder, ignore_errors=True)


def finish(session: "subprocess.Popen[str]", seconds: float) -> dict[str, Any]:
    """What a session has to tell at its end."""
    out, _none = session.communicate(timeout=seconds)
    assert session.returncode == 0, out
    return json.loads(out)


@dataclass
class Sample:
    """Of one moment. Memory in KiB of proportional set size; the journal in bytes of its files."""

    seconds: float
    bridge_kib: int
    workers_kib: int
    descriptors: int
    journal_bytes: int


@dataclass
class Sampler:
    """Looks at a bridge in intervals while it is used in a `with`."""

    bridge: LoadedBridge
    interval: float = 0.5
    samples: list[Sample] = field(default_factory=list)

    def __enter__(self) -> "Sampler":
        self._done = threading.Event()
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(self.interval):
            sample = self._sample()
            if sample:
                self.samples.append(sample)

    def _sample(self) -> Optional[Sample]:
        pid = self.bridge.process.pid
        try:
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
            journal = sum(path.stat().st_size for path in self.bridge.state.glob("journal.db*"))
        except OSError:
            return None  # it has just left
        passed = time.monotonic() - self._started
        return Sample(passed, pss_kib([pid]), pss_kib(self.bridge.workers()), descriptors, journal)

    def slope(self, what: str) -> float:
        """Growth a second in the second half, by least squares."""
        half = self.samples[len(self.samples) // 2 :]
        times = [sample.seconds for sample in half]
        values = [getattr(sample, what) for sample in half]
        mean_time, mean = sum(times) / len(times), sum(values) / len(values)
        spread = sum((t - mean_time) ** 2 for t in times)
        return sum((t - mean_time) * (v - mean) for t, v in zip(times, values)) / spread

    def most(self, what: str) -> int:
        return max(getattr(sample, what) for sample in self.samples)
