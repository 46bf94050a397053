"""Runs hello-pt in NVFlare's simulator and compares run logs with what the training script logged."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional

from wandb_tools import logs_below, rows

_DRIVER = Path(__file__).parent / "run_job.py"
_DEADLINE = 240  # seconds of one job


class Job:
    """A hello-pt job in a folder of its own; started at once, waited for by finish()."""

    def __init__(self, folder: Path, *options: str, receiver: Optional[dict] = None, **environment: str):
        self.workspace = folder / "workspace"
        self.values = folder / "values"
        self.counted = folder / "counted.jsonl"
        self.log = folder / "job.log"
        command = [sys.executable, str(_DRIVER), "--counting", str(self.counted)]
        if receiver is not None:
            command += ["--receiver", json.dumps(receiver)]
        command += ["--", "--workspace", str(self.workspace), "--values", str(self.values), *options]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **environment},
                start_new_session=True,
            )  # fmt: skip
        self._started = time.monotonic()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def finish(self) -> str:
        """Waits for the job's end. Gives its output; the exit code must be 0."""
        try:
            code = self._process.wait(max(1.0, _DEADLINE - (time.monotonic() - self._started)))
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            raise AssertionError(f"the job did not end within {_DEADLINE} s:\n{self.output()[-3000:]}") from None
        assert code == 0, self.output()[-3000:]
        return self.output()

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the job's process group, and waits for its end."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(60)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def root(self) -> Path:
        """The job's workspace in the simulator."""
        return self.workspace / "hello-pt"

    def logs(self, place: str) -> dict[str, Path]:
        """Run logs by site, written below a place: "server", "site-1", ..."""
        # Display names are "<site>-<job id>-<run name>".
        return {name.rsplit("-", 3)[0]: path for name, path in logs_below(self.root / place).items()}

    def logged(self, site: str) -> list[tuple]:
        """What the training script logged: (step, key, value), in its order."""
        return _read_records(self.values / f"{site}.jsonl", site)

    def delivered(self, site: str) -> list[tuple]:
        """What NVFlare's channel brought to the server's receivers."""
        return _read_records(self.counted, site)


def _read_records(path: Path, site: str) -> list[tuple]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(r["step"], r["key"], r["value"]) for r in records if r["site"] == site]


def in_log(path: Path) -> list[tuple]:
    """Every value of a run log with the step at which it was logged, in the rows' order."""
    found = []
    for row in rows(path):
        step = row.get("flarebridge/step", row["_step"])
        found += [
            (step, key, value) for key, value in row.items() if not key.startswith("_") and key != "flarebridge/step"
        ]
    return found
