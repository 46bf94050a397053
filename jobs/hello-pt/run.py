"""Runs the job as a person watches it: what matters of its output, a clean end, and where the runs are.

usage: run.py [options of run.sh]    see arguments.py
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Optional

import arguments as options
import call_folder
import job_log
from processes import end_all

_JOB = Path(__file__).resolve().with_name("job.py")
_FINISH_SECONDS = 20  # that the bridges may take to finish the runs after the simulator has ended
_INTERRUPT_SECONDS = 10  # that NVFlare may take to end its processes after Ctrl-C
_INTERRUPTED = 130  # as a shell has it: 128 + SIGINT


class Job:
    """job.py in a session of its own, so that Ctrl-C comes here first; its output goes to a log, and in part on."""

    def __init__(self, command: list[str], log: Path):
        self.log = log
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"}, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self) -> int:
        """The job's status."""
        status = self._process.wait()
        self._reader.join(5)  # a process that the job has left behind may keep the pipe open
        return status

    def interrupt(self) -> None:
        """Lets NVFlare end its processes, and the job itself; gives up after a while."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_INTERRUPT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(1)

    def reasons(self) -> list[str]:
        """Why it failed, as far as its output tells."""
        with self.log.open(errors="replace") as log:
            return job_log.reasons(log)

    def _read(self) -> None:
        with self.log.open("wb") as log:
            for line in self._process.stdout:
                log.write(line)
                log.flush()
                text = job_log.shown(line.decode(errors="replace"))
                if text is not None:
                    print(text, flush=True)


def tell(text: str) -> None:
    print(f"hello-pt: {text}", flush=True)


def tell_reasons(job: Job) -> None:
    for reason in job.reasons():
        print(f"  {reason}", flush=True)
    print(f"  all of its output: {short(job.log)}", flush=True)


def short(path: Path) -> str:
    """The path as it is typed here."""
    relative = os.path.relpath(path)
    return shlex.quote(str(path) if relative.startswith("..") else relative)


def program() -> str:
    """The program flarebridge of this Python environment."""
    return os.environ.get("FLAREBRIDGE_BINARY") or str(Path(sys.executable).with_name("flarebridge"))


def asked(*words: str) -> str:
    """What the program flarebridge answers; nothing if it can't."""
    try:
        done = subprocess.run(
            [program(), *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
        )
    except OSError as e:
        tell(f"error: {program()} can't be started ({e.strerror}); jobs/setup.sh installs it")
        return ""
    return done.stdout


def show_runs(folder: Path) -> dict[str, int]:
    """Prints the runs below the folder. Gives how many there are by state: "finished", "failed", "running"."""
    path = os.path.relpath(folder) if Path.cwd() in folder.parents else str(folder)
    runs = json.loads(asked("show", "--json", "--wait", str(_FINISH_SECONDS), path) or "[]")
    if runs:
        print(asked("show", path), end="", flush=True)
    states = [run["state"].split()[0].rstrip(",") for run in runs]
    return {state: states.count(state) for state in ("finished", "failed", "running")}


def write_report(folder: Path) -> None:
    """Makes a page of the runs' curves, if there is any run."""
    page = folder / "report.html"
    asked("report", str(folder), "-o", str(page))
    if page.exists():
        print(f"\nTheir curves, for a browser: {short(page)}", flush=True)


def wanted_runs(arguments) -> int:
    if arguments.mode == "disabled":
        return 0
    return arguments.n_clients * (arguments.streamed_to_server + arguments.streamed_to_clients)


def what_next(folder: Path, arguments) -> str:
    """Lines to type."""
    latest = folder.parent / "latest"
    at = short(latest if latest.is_symlink() and latest.resolve() == folder.resolve() else folder)
    ours = short(Path(program()))
    ours = ours if "/" in ours else f"./{ours}"
    lines = [(f"{ours} show {at} site-1", "one of the runs: config, summary and rows")]
    if arguments.mode == "offline":
        lines += [
            (f"{ours} login", "once: the key of your W&B account"),
            (f"{ours} sync {at}", "uploads the runs; or: jobs/hello-pt/run.sh --mode online"),
        ]
    width = max(len(command) for command, _why in lines)
    return "\n".join(["What next:", *(f"  {command:{width}}  # {why}" for command, why in lines)])


def watch(argv: list[str], arguments, folder: Path) -> int:
    """Runs the job and tells of it. Gives the exit status."""
    job = Job([sys.executable, str(_JOB), *argv], folder / "job.log")
    tell(f"training; all of NVFlare's output goes to {short(job.log)}")
    try:
        status = job.wait()
    except KeyboardInterrupt:
        return after_an_interrupt(job, folder)
    if status != 0:
        end_all(call_folder.MARK, str(folder))
        tell(f"error: the job failed with status {status}:")
        tell_reasons(job)
        show_runs(folder)
        return status if 0 < status < 128 else 1
    print(flush=True)
    found, wanted = show_runs(folder), wanted_runs(arguments)
    if found["running"]:
        tell(f"{found['running']} runs are still written after {_FINISH_SECONDS} s; their bridge.log says why")
    elif found["failed"] or sum(found.values()) < wanted:
        tell(f"error: the job ended, and of {wanted} runs {found['finished']} are finished:")
        tell_reasons(job)
        return 1
    if wanted:
        write_report(folder)
    print(f"\n{what_next(folder, arguments)}" if wanted else "hello-pt: nothing was to be tracked", flush=True)
    return 0


def after_an_interrupt(job: Job, folder: Path) -> int:
    """Ends all processes of the job and says what remains. Gives the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what follows has its deadlines
    tell("interrupted; ending the job's processes")
    job.interrupt()
    left = end_all(call_folder.MARK, str(folder))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tell(f"the system does not end these processes: {left}" if left else "none of them is left")
    tell(f"what was trained and tracked until then stays in {short(folder)}:")
    if not sum(show_runs(folder).values()):
        print("  no run yet", flush=True)
    return _INTERRUPTED


def main(argv: Optional[list[str]] = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    arguments = options.parse(argv)
    if arguments.export:
        return subprocess.call([sys.executable, str(_JOB), *argv])
    try:
        folder = call_folder.of_this_call(arguments.workspace, argv)
    except ValueError as e:
        options.make_parser().error(str(e))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return watch(argv, arguments, folder)
    except KeyboardInterrupt:
        tell(f"interrupted; the bridges finish the runs in {short(folder)}")
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
