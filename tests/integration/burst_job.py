"""The burst job in NVFlare's simulator, and what its sites logged."""

import json
import sys
from pathlib import Path
from typing import Optional

from running_job import RunningJob, logs_by_site
from wandb_tools import records, rows

_SCRIPT = Path(__file__).parent / "burst" / "job.py"


class Burst(RunningJob):
    """Started at once, waited for by finish()."""

    def __init__(self, folder: Path, *options: str, tracking: Optional[dict] = None, **environment: str):
        self.folder = folder
        self.workspace = folder / "workspace"
        command = [sys.executable, str(_SCRIPT), "--folder", str(folder), *options]
        if tracking is not None:
            command += ["--tracking", json.dumps(tracking)]
        super().__init__(command, folder, environment)

    def logs(self, place: str = "server") -> dict[str, Path]:
        """Run logs by site, written below a place: "server", "site-1", ..."""
        return logs_by_site(self.workspace / place)

    def logged(self, site: str) -> list[tuple]:
        """What the site's script logged: (step, value), in its order."""
        lines = (self.folder / "values" / f"{site}.jsonl").read_text().splitlines()
        return [(step, value) for step, _key, value in map(json.loads, lines)]

    def said(self, place: str) -> str:
        """What our components said in the process of a place."""
        log = (self.workspace / place / "log.txt").read_text(errors="replace")
        return "\n".join(line for line in log.splitlines() if "flarebridge: " in line)


def values_in(log: Path) -> list[tuple]:
    """(step as it was logged, value), in the rows' order."""
    return [(row.get("flarebridge/step", row["_step"]), row["m"]) for row in rows(log)]


def exit_code_of(log: Path) -> int:
    (code,) = [record.exit.exit_code for record in records(log) if record.WhichOneof("record_type") == "exit"]
    return code
