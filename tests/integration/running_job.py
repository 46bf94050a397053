"""A job in a process of its own, as a user runs one: started at once, waited for with a deadline."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import stuck_job
from bridge_driver import all_processes_with, wait_for
from wandb_tools import logs_below, records

_DEADLINE = 600  # seconds of one job, on a machine that is busy


class RunningJob:
    """A command in a process group of its own; its output goes to `log`."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]):
        self.log = folder / "job.log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **environment},
                start_new_session=True,
            )  # fmt: skip
        self._started = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def finish(self, exit_code: int = 0) -> str:
        """Waits for the job's end. Gives its output; the exit code must be as given."""
        try:
            code = self._process.wait(max(1.0, _DEADLINE - (time.monotonic() - self._started)))
        except subprocess.TimeoutExpired:
            seen = stuck_job.described(self.log)
            self.kill()
            raise AssertionError(f"the job did not end within {_DEADLINE} s:\n{seen}") from None
        assert code == exit_code, self.output()[-3000:]
        return self.output()

    def kill(self) -> None:
        """Kills the job, the sessions that NVFlare has made of its processes, and what these started meanwhile."""
        wait_for(self._kill_all, "the end of the job's processes")
        self._process.wait()

    def _kill_all(self) -> bool:
        """Gives whether none is left."""
        found = [*([self._process.pid] if self.running else []), *all_processes_with(str(self.log.parent))]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the job's process group, and waits for its end."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(60)

    def output(self) -> str:
        return self.log.read_text(errors="replace")


def logs_by_site(folder: Path) -> dict[str, Path]:
    """Run logs below a folder by the site they are of."""
    return {_site_of(path): path for path in logs_below(folder).values()}


def _site_of(log: Path) -> str:
    # The run's first record tells it; later ones tell what has changed.
    first = next(record.run for record in records(log) if record.WhichOneof("record_type") == "run")
    (site,) = [json.loads(item.value_json) for item in first.config.update if item.key == "client"]
    return site
