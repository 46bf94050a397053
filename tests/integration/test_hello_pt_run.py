"""What a person meets who calls jobs/hello-pt/run.sh; the job itself is a stand-in."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
from bridge_driver import wait_for

_JOBS = Path(__file__).resolve().parents[2] / "jobs"
sys.path.insert(0, str(_JOBS / "hello-pt"))
import call_folder  # noqa: E402
import job_log  # noqa: E402
import plain_paths  # noqa: E402
import processes  # noqa: E402

# What a job does that goes well: NVFlare empties its workspace, and a run is in it.
_GOOD = """\
import os, pathlib, shutil
run = pathlib.Path(os.environ["HELLO_PT_FOLDER"]) / "hello-pt"
shutil.rmtree(run, ignore_errors=True)
(run / "wandb").mkdir(parents=True)
print("2026-11-21 02:43:13,001 - INFO - hello-pt: site-1 round 1/1", flush=True)
"""
# In the place of the program: runs as `flarebridge show` lists them, and a report.
_PROGRAM = """\
#!/bin/sh
runs() {
  for run in "$1"/hello-pt/wandb*; do [ -d "$run" ] && echo "$run"; done
}
case "$1 $2" in
  "show --json")
    runs "$5" | sed "s/.*/{\\"state\\": \\"${STAND_IN_STATE:-finished}\\"}/" | paste -sd, | sed 's/.*/[&]/' ;;
  show*) runs "$2" ;;
  report*) runs "$2" >"$4" ;;
esac
"""


class Checkout:
    """A checkout with hello-pt, whose job and program are stand-ins."""

    def __init__(self, root: Path, job: str):
        self.root = root
        shutil.copytree(_JOBS / "hello-pt", root / "jobs" / "hello-pt", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "jobs" / "hello-pt" / "job.py").write_text(job)
        self.program = root / "flarebridge"
        self.program.write_text(_PROGRAM)
        self.program.chmod(0o755)

    def start(self, *options: str, **environment: str) -> subprocess.Popen:
        command = [sys.executable, str(self.root / "jobs" / "hello-pt" / "run.py"), "--n_clients", "1", *options]
        return subprocess.Popen(
            command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "FLAREBRIDGE_BINARY": str(self.program), **environment},
        )  # fmt: skip

    def call(self, *options: str, **environment: str) -> tuple[int, str]:
        """Gives the exit status and all output."""
        started = self.start(*options, **environment)
        output, _none = started.communicate(timeout=60)
        return started.returncode, output

    @property
    def home(self) -> Path:
        return self.root / "build" / "hello-pt"

    def folders(self) -> list[Path]:
        return sorted(path for path in self.home.iterdir() if path.is_dir() and not path.is_symlink())


def test_each_call_has_its_folder_and_touches_no_run_of_another(tmp_path):
    checkout = Checkout(tmp_path, _GOOD)
    status, output = checkout.call()
    assert status == 0, output
    (first,) = checkout.folders()
    (first / "hello-pt" / "wandb" / "precious").write_text("a run")
    at_once = [checkout.start("--seed", str(seed)) for seed in range(3)]
    assert [started.wait(60) for started in at_once] == [0, 0, 0]
    for started in at_once:
        started.stdout.close()
    folders = checkout.folders()
    assert len(folders) == 4
    assert (first / "hello-pt" / "wandb" / "precious").read_text() == "a run"
    assert (checkout.home / "latest").resolve() in folders[1:]
    assert sorted((folder / "command.txt").read_text()[-2] for folder in folders[1:]) == ["0", "1", "2"]
    assert all("site-1 round 1/1" in (folder / "job.log").read_text() for folder in folders)


def test_the_end_shows_where_the_runs_are_and_what_can_be_typed(tmp_path):
    checkout = Checkout(tmp_path, _GOOD)
    status, output = checkout.call()
    assert status == 0, output
    (folder,) = checkout.folders()
    assert f"build/hello-pt/{folder.name}/hello-pt/wandb\n" in output
    assert f"for a browser: build/hello-pt/{folder.name}/report.html\n" in output
    assert (folder / "report.html").read_text()
    typed = [line.split("#")[0] for line in output.splitlines() if line.startswith("  ./flarebridge ")]
    assert len(typed) == 3
    for line in typed:
        words = shlex.split(line)
        assert (tmp_path / words[0]).is_file()
        assert all((tmp_path / word).exists() for word in words[2:3])
    assert "flarebridge sync build/hello-pt/latest" in output
    assert "sync" not in checkout.call("--mode", "online")[1]


def test_a_named_folder_that_a_call_has_or_that_holds_anything_is_refused_and_left_alone(tmp_path):
    checkout = Checkout(tmp_path, _GOOD)
    assert checkout.call("--workspace", "mine")[0] == 0
    log = (tmp_path / "mine" / "job.log").read_text()
    status, output = checkout.call("--workspace", "mine")
    assert status == 2
    assert "another call has this folder" in output
    assert (tmp_path / "mine" / "job.log").read_text() == log
    (tmp_path / "earlier" / "hello-pt" / "server").mkdir(parents=True)
    status, output = checkout.call("--workspace", "earlier")
    assert status == 2
    assert "NVFlare would delete" in output
    (tmp_path / "file").write_text("")
    status, output = checkout.call("--workspace", "file/below")
    assert status == 2
    assert "file/below: Not a directory" in output


_FAILING = """\
import sys
print("Traceback (most recent call last):")
for line in range(100): print('  File "x.py", line 1, in f')
print("ValueError: the cause")
print("2026-11-21 02:43:13,001 - Runner - ERROR - [identity=site-1]: it has died", flush=True)
raise RuntimeError("Simulation failed with return code 2.")
"""


def test_a_job_that_fails_ends_with_its_status_and_the_line_that_says_why(tmp_path):
    status, output = Checkout(tmp_path, _FAILING).call()
    assert status == 1
    assert "  ValueError: the cause\n  RuntimeError: Simulation failed with return code 2.\n" in output
    assert "Traceback" not in output and 'File "' not in output
    assert len(output.splitlines()) < 12
    assert "job.log" in output


def test_a_job_whose_runs_failed_or_are_missing_is_no_success(tmp_path):
    checkout = Checkout(tmp_path, "print('2026-11-21 02:43:13,001 - Runner - ERROR - both sites have died')")
    status, output = checkout.call()
    assert status == 1
    assert "of 1 runs 0 are finished" in output and "both sites have died" in output
    (checkout.root / "jobs" / "hello-pt" / "job.py").write_text(_GOOD)
    assert checkout.call(STAND_IN_STATE="failed (exit code 1)")[0] == 1
    assert checkout.call("--mode", "disabled")[0] == 0
    assert checkout.call("--streamed_to_clients")[0] == 1  # one run of two


_LASTING = """\
import os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(os.environ["HELLO_PT_FOLDER"])
for name, mind in (("meek", ""), ("stubborn", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); ")):
    code = mind + "import sys, time; open(sys.argv[1], 'w'); time.sleep(99)"
    subprocess.Popen([sys.executable, "-c", code, folder / name], start_new_session=True)
time.sleep(99)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_says_what_remains(tmp_path, number):
    checkout = Checkout(tmp_path, _LASTING)
    started = checkout.start()
    try:
        for name in ("meek", "stubborn"):
            wait_for(lambda name=name: list(checkout.root.glob(f"build/hello-pt/2*/{name}")), f"the {name} process")
        started.send_signal(number)
        output, _none = started.communicate(timeout=40)
    finally:
        started.kill()
        (folder,) = checkout.folders()
        left = processes.end_all(call_folder.MARK, str(folder))
    assert started.returncode == 130
    assert left == [] and processes.marked(call_folder.MARK, str(folder)) == []
    assert "none of them is left" in output
    assert f"stays in build/hello-pt/{folder.name}" in output
    assert "Traceback" not in output


# --- run.sh, in front of the set-up ---


def _run_sh(root: Path, *options: str, path: Optional[str] = None) -> subprocess.CompletedProcess:
    """run.sh in a checkout whose set-up says that it was called, and goes no further."""
    if not (root / "jobs").exists():
        shutil.copytree(_JOBS / "hello-pt", root / "jobs" / "hello-pt", ignore=shutil.ignore_patterns("__pycache__"))
        setup = root / "jobs" / "setup.sh"
        setup.write_text("#!/bin/sh\necho setting up\nexit 7\n")
        setup.chmod(0o755)
    command = ["/bin/bash", str(root / "jobs" / "hello-pt" / "run.sh"), *options]
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, cwd=root)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--num_round", "3"], "unrecognized arguments: --num_round"),
        (["--n_clients", "0"], "--n_clients must be 1 or more, not 0"),
        (["--n_clients", "two"], "invalid int value: 'two'"),
        (["--threads", "3"], "--threads 3 is more than the 2 sites"),
        (["--seed", "-1"], "--seed must be from 0"),
        (["--data", "cifar10"], "--data takes `digits`, or `cifar10` and a folder"),
        (["--data", "cifar10", "/no/such"], "there is no folder /no/such"),
        (["--mode", "onlin"], "invalid choice: 'onlin'"),
    ],
)
def test_what_is_typed_wrong_is_told_before_the_set_up(tmp_path, options, words):
    done = _run_sh(tmp_path, *options)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("hello-pt: error: ") and words in line
    assert "setting up" not in done.stdout


def test_help_teaches_before_the_set_up_and_also_without_python(tmp_path):
    done = _run_sh(tmp_path, "--help")
    assert done.returncode == 0
    for words in ("examples:", "run.sh --mode online", "--seed SEED", "number of sites", "latest"):
        assert words in done.stdout
    assert "setting up" not in done.stdout and "--folder" not in done.stdout
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("dirname", "sed"):
        (tools / tool).symlink_to(shutil.which(tool))
    assert "run.sh --mode online" in _run_sh(tmp_path, "--help", path=str(tools)).stdout


def test_a_set_up_that_fails_ends_the_call(tmp_path):
    assert _run_sh(tmp_path).returncode == 7


def test_behind_the_set_up_the_job_runs_with_the_options_also_at_a_path_with_spaces(tmp_path):
    root = tmp_path / "my checkout"
    root.mkdir()
    checkout = Checkout(root, _GOOD)
    setup = root / "jobs" / "setup.sh"
    setup.write_text("#!/bin/sh\necho setting up $1\n")
    setup.chmod(0o755)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    done = subprocess.run(
        [root / "jobs" / "hello-pt" / "run.sh", "--n_clients", "1", "--name", "of two words"],
        capture_output=True, text=True, timeout=60, cwd=root,
        env={**os.environ, "FLAREBRIDGE_BINARY": str(checkout.program)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("setting up job\n") and "What next:" in done.stdout
    (folder,) = checkout.folders()
    assert (folder / "command.txt").read_text() == "jobs/hello-pt/run.sh --n_clients 1 --name 'of two words'\n"


# --- the parts ---


def test_the_lines_that_are_shown_are_without_nvflares_frame():
    assert job_log.shown("2026 - INFO - \x1b[32mhello-pt: round 1\x1b[0m\n") == "hello-pt: round 1"
    assert job_log.shown("2026-11-21 02:43:13,001 - Receiver - WARNING - flarebridge: hello-pt: lost") == (
        "WARNING: flarebridge: hello-pt: lost"
    )
    assert job_log.shown("2026 - Communicator - INFO - Got the new primary SP") is None
    assert job_log.shown("2026 - x - ERROR - bad") == "2026 - x - ERROR - bad"
    assert job_log.shown("2026 - x - ERROR - Traceback (most recent call last):") is None


def test_without_an_exception_the_first_error_is_the_reason_else_the_last_line():
    log = ["fine", "2026-11-21 02:43:13,001 - Runner - ERROR - [identity=x, run=y]: first", "a - ERROR - second"]
    assert job_log.reasons(log) == ["first"]
    assert job_log.reasons(["one", "Killed", ""]) == ["Killed"]
    log = [
        "client.py: error: unrecognized arguments: x",
        "a - ERROR - Traceback (most recent call last):",
        "  f",
        "E: y",
    ]
    assert job_log.reasons(log) == ["client.py: error: unrecognized arguments: x", "E: y"]
    assert job_log.reasons([]) == []


def test_paths_with_spaces_get_a_plain_name_for_as_long_as_it_is_needed(tmp_path, monkeypatch):
    folder = tmp_path / "a folder's"
    folder.mkdir()
    before = sys.executable
    with plain_paths.plain(folder) as plain:
        # As NVFlare puts it together and splits it.
        subprocess.run(shlex.split(f"touch {plain}/written", True), check=True, timeout=30)
        subprocess.run(shlex.split(f"{sys.executable} -c pass", True), check=True, timeout=30)
    assert (folder / "written").exists()
    assert not os.path.lexists(plain)
    assert sys.executable == before
    with plain_paths.plain(tmp_path) as same:
        assert same == tmp_path
