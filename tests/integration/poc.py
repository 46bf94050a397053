"""NVFlare as in production, on this machine: a server, its clients and their job processes, all separate."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bridge_driver import processes_with, wait_for
from strict_server import StrictServer

_ADMIN = "admin@nvidia.com"
_DEADLINE = 600  # seconds of one job, on a machine that is busy


def provision(folder: Path, sites: int) -> Path:
    """The places as NVFlare provisions them, of which none is started. Gives their folder."""
    (folder / "home").mkdir()
    _prepare(sites, folder, {**os.environ, "HOME": str(folder / "home"), "NVFLARE_POC_WORKSPACE": str(folder / "poc")})
    return folder / "poc" / "example_project" / "prod_00"


def _prepare(sites: int, folder: Path, environment: dict[str, str]) -> None:
    command = [str(Path(sys.executable).parent / "nvflare"), "poc", "prepare", "-n", str(sites)]
    done = subprocess.run(
        command, env=environment, input="y\n", capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert (folder / "poc" / "example_project").is_dir(), done.stdout + done.stderr


class Poc:
    """Provisions and starts; `submit` and `wait_done` run jobs. Everything is ended at exit."""

    def __init__(self, folder: Path, wandb: StrictServer, sites: int = 2):
        """wandb: where runs of mode online go."""
        self.folder = folder
        self.wandb = wandb
        self._root = folder / "poc"
        self._home = folder / "home"
        self._home.mkdir()
        # NVFlare leaves jobs' logs in the temporary folder. Short, because sockets are in it as well.
        self._temporary = tempfile.mkdtemp(prefix="poc-")
        self._sites = [f"site-{number}" for number in range(1, sites + 1)]
        self._parents: list[subprocess.Popen] = []
        self._session = None

    def __enter__(self) -> "Poc":
        try:
            self._provision()
            self._start("server", "fed_server.json", "server.server_train", "org=nvidia")
            for site in self._sites:
                self._start(site, "fed_client.json", "client.client_train", f"uid={site}", "org=nvidia")
            self._session = self._connect()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end()

    def place(self, name: str) -> Path:
        """The workspace of the server or of a site."""
        return self._root / "example_project" / "prod_00" / name

    def submit(self, job: Path) -> str:
        """Gives the job's id."""
        return self._session.submit_job(str(job))

    def abort(self, job_id: str) -> None:
        """Ends a job; nothing happens to one that has ended."""
        with contextlib.suppress(Exception):
            self._session.abort_job(job_id)

    def is_done(self, job_id: str) -> bool:
        return str(self._session.get_job_meta(job_id).get("status")).startswith("FINISHED")

    def wait_done(self, job_id: str) -> str:
        """Waits for a job's end. Gives its status, as NVFlare calls it."""
        wait_for(lambda: self.is_done(job_id), f"the end of job {job_id}", _DEADLINE)
        return str(self._session.get_job_meta(job_id).get("status"))

    def results(self, job_id: str) -> Path:
        """Downloads a job's results, with the server's workspace of it."""

        def download():
            # NVFlare 2.7 tells a job's end before it has stored the workspace.
            folder = Path(self._session.download_job_result(job_id))
            return folder if any(folder.rglob("workspace*")) else None

        return wait_for(download, f"the workspace of job {job_id}", 60)

    def job_process(self, place: str, job_id: str) -> int:
        """The pid of a place's job process."""

        def find() -> list[int]:
            wanted = ("runner_process", "worker_process")
            processes = processes_with(str(self.place(place)))
            return [
                pid for pid, command in processes.items() if job_id in command and any(w in command for w in wanted)
            ]

        return wait_for(find, f"the job process of {place}")[0]

    def said(self, place: str) -> str:
        """What our components said in the job processes of a place, and the parent's log."""
        logs = [log for log in self.place(place).rglob("log*.txt")]
        return "\n".join(
            line for log in logs for line in log.read_text(errors="replace").splitlines() if "flarebridge: " in line
        )

    # --- parts of the above ---

    def _environment(self) -> dict[str, str]:
        # NVFlare's start scripts use `python3`, which must be the tests' own.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        poc = {"HOME": str(self._home), "PATH": path, "NVFLARE_POC_WORKSPACE": str(self._root)}
        poc["TMPDIR"] = self._temporary
        return {**os.environ, **poc, "WANDB_BASE_URL": self.wandb.url, "WANDB_API_KEY": self.wandb.key}

    def _provision(self) -> None:
        _prepare(len(self._sites), self.folder, self._environment())
        assert self.place("server").is_dir()

    def _start(self, name: str, config: str, module: str, *settings: str) -> None:
        place = self.place(name)
        command = [sys.executable, "-u", "-m", f"nvflare.private.fed.app.{module}", "-m", str(place), "-s", config]
        command += ["--set", "secure_train=true", *settings, "config_folder=config"]
        with (self.folder / f"{name}.log").open("w") as log:
            environment = self._environment()
            local = [str(place / "local" / "custom"), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = ":".join(part for part in local if part)
            self._parents.append(
                subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, cwd=place, env=environment, start_new_session=True
                )
            )

    def _connect(self):
        from nvflare.fuel.flare_api.flare_api import new_secure_session

        def try_it():
            for parent in self._parents:
                assert parent.poll() is None, f"a parent process has ended: {parent.args}"
            with contextlib.suppress(Exception):
                return new_secure_session(_ADMIN, str(self.place(_ADMIN)))
            return None

        session = wait_for(try_it, "NVFlare's server", 90)
        wait_for(lambda: len(session.get_system_info().client_info) == len(self._sites), "all clients", 90)
        return session

    def _end(self) -> None:
        try:
            self._end_processes()
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _end_processes(self) -> None:
        if self._session is not None:
            with contextlib.suppress(Exception):
                self._session.close()
        for parent in self._parents:
            parent.send_signal(signal.SIGTERM)
        for parent in self._parents:
            try:
                parent.wait(10)
            except subprocess.TimeoutExpired:
                parent.kill()
                parent.wait()
        ours = ("bridge", "flarebridge")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            left = {
                pid: command
                for pid, command in processes_with(str(self._root)).items()
                if not any(word in command.split()[0].rsplit("/", 1)[-1] for word in ours)
            }
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
