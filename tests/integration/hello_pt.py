"""Runs hello-pt in NVFlare's simulator and compares run logs with what the training script logged."""

import json
import sys
from pathlib import Path
from typing import Optional

from running_job import RunningJob, logs_by_site
from wandb_tools import rows

_DRIVER = Path(__file__).parent / "run_job.py"


class Job(RunningJob):
    """A hello-pt job in a folder of its own; started at once, waited for by finish()."""

    def __init__(self, folder: Path, *options: str, receiver: Optional[dict] = None, **environment: str):
        self.workspace = folder / "workspace"
        self.values = folder / "values"
        command = [sys.executable, str(_DRIVER)]
        if receiver is not None:
            command += ["--receiver", json.dumps(receiver)]
        command += ["--", "--workspace", str(self.workspace), "--values", str(self.values), *options]
        super().__init__(command, folder, environment)

    @property
    def root(self) -> Path:
        """The job's workspace in the simulator."""
        return self.workspace / "hello-pt"

    def logs(self, place: str) -> dict[str, Path]:
        """Run logs by site, written below a place: "server", "site-1", ..."""
        return logs_by_site(self.root / place)

    def logged(self, site: str) -> list[tuple]:
        """What the training script logged: (step, key, value), in its order."""
        return _read_records(self.values / f"{site}.jsonl", site)


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
