"""A worker that was taken over gets nowhere; what does not hold it is told; the key is the uploader's alone.

Each law holds for root and, by running this file again, for an ordinary user.
"""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from bridge_driver import Driver, children_of, wait_for
from flarebridge.bridge_process import find_binary
from wandb_tools import logs_below

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_UNIT = _ROOT / "bridge" / "flarebridge.service"
_WANDB = {"wandb": {"project": "tests"}}
_KEY = "0123456789abcdef" * 2 + "76543210"
_NOBODY = 65534
_SANITIZED = pytest.mark.skipif("FLAREBRIDGE_SANITIZED" in os.environ, reason="a sanitizer needs more than a worker")
# What @system-service of systemd 252 leaves out on x86-64 (`systemd-analyze syscall-filter`).
_LEFT_OUT_BY_252 = """
    _sysctl acct adjtimex afs_syscall bpf chroot clock_adjtime clock_settime create_module delete_module fanotify_init
    fanotify_mark finit_module fsconfig fsmount fsopen fspick get_kernel_syms getpmsg init_module ioperm iopl
    kexec_file_load kexec_load landlock_add_rule landlock_create_ruleset landlock_restrict_self lookup_dcookie
    memfd_secret mincore modify_ldt mount mount_setattr move_mount nfsservctl open_by_handle_at open_tree
    perf_event_open pidfd_getfd pivot_root pkey_alloc pkey_free pkey_mprotect process_mrelease ptrace putpmsg
    query_module quotactl quotactl_fd reboot seccomp security setdomainname sethostname settimeofday swapoff swapon
    sysfs syslog tuxcall umount2 uselib ustat vhangup vserver
"""


def _compiled(folder: Path, name: str, *options: str) -> Path:
    built = folder / name
    source = _HERE / f"{name}.c"
    subprocess.run(
        ["cc", "-O1", *options, "-o", str(built), str(source), "-ldl"],
        check=True,
        timeout=60,
    )
    return built


@pytest.fixture(scope="module")
def intruder(tmp_path_factory) -> Path:
    return _compiled(tmp_path_factory.mktemp("intruder"), "intruder", "-shared", "-fPIC")


@pytest.fixture(scope="module")
def refusing_kernel(tmp_path_factory) -> Path:
    return _compiled(tmp_path_factory.mktemp("kernel"), "refusing_kernel")


def _numbers() -> dict[str, int]:
    """The system calls of this machine, as the headers of its kernel name them."""
    command = ["cc", "-dM", "-E", "-include", "asm/unistd.h", "-x", "c", "/dev/null"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text)}


def _refuse(folder: Path, refusing_kernel: Path, monkeypatch, names: set[str]) -> None:
    """From now on the bridge is started where these calls give EPERM."""
    numbers = _numbers()
    refused = " ".join(str(numbers[name]) for name in sorted(names) if name in numbers)
    program = folder / "flarebridge"
    program.write_text(f'#!/bin/sh\nexec {refusing_kernel} {errno.EPERM} {refused} -- {find_binary()} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("FLAREBRIDGE_BINARY", str(program))


_LANDLOCK = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}


def _of_group(name: str) -> set[str]:
    """The calls of a group, as the systemd of this machine has it; without one, as 252 has @system-service."""
    if shutil.which("systemd-analyze") is None:
        assert name == "@system-service", "this test knows no other group without systemd"
        return set(_numbers()) - set(_LEFT_OUT_BY_252.split())
    command = ["systemd-analyze", "syscall-filter", name]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    words = [line.strip() for line in lines if line.startswith("    ") and not line.strip().startswith("#")]
    return set().union(*(_of_group(word) if word.startswith("@") else {word} for word in words))


def _left_out_by_unit() -> set[str]:
    """The calls that a bridge which the shipped unit starts can't make."""
    words = [
        word
        for line in re.findall(r"^SystemCallFilter=(.*)$", _UNIT.read_text(), re.MULTILINE)
        for word in line.split()
    ]
    assert words and not any(word.startswith("~") for word in words)
    allowed = set().union(*(_of_group(word) if word.startswith("@") else {word} for word in words))
    return set(_numbers()) - allowed


def _log(state: Path) -> str:
    return (state / "bridge.log").read_text()


class Attempts:
    """What became of each attempt of a worker that was taken over, by name: errno, or None where it worked."""

    def __init__(self, folder: Path, intruder: Path, monkeypatch):
        other = folder / "wandb" / "offline-run-20200101_000000-other" / "run-other.wandb"
        other.parent.mkdir(parents=True)
        other.write_text("another site's log")
        # Not below the test's folder, and so no process that is looked for there.
        victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd="/")
        try:
            monkeypatch.setenv("INTRUDER_VICTIM", str(victim.pid))
            monkeypatch.setenv("INTRUDER_LOG", str(other))
            monkeypatch.setenv("LD_PRELOAD", str(intruder))
            with Driver(folder, _WANDB, state=folder / "state") as driver:
                assert driver.data("site-1", "METRIC", "n", 1, 1)
                assert driver.data("site-1", "TEXT", "note", "words", path="intruder.txt")
                assert driver.link.wait_acknowledged(60)
                driver.end()
            self.victim_lives = victim.poll() is None
        finally:
            monkeypatch.delenv("LD_PRELOAD")
            victim.kill()
            victim.wait()
        (report,) = (folder / "wandb").glob("offline-run-*/files/intruder.txt.found")
        lines = [line.split() for line in report.read_text().splitlines()]
        self.found = {name: None if what == "done" else int(number) for name, what, number in lines}
        assert "end" in self.found, "the worker died at an attempt"
        self.other_is_whole = other.exists() and other.read_text() == "another site's log"
        self.log = _log(folder / "state")

    def done(self, kind: str) -> list[str]:
        return [name for name, error in self.found.items() if name.startswith(kind + ":") and error is None]

    def refused(self, kind: str) -> list[str]:
        return [name for name, error in self.found.items() if name.startswith(kind + ":") and error is not None]

    def assert_held(self) -> None:
        assert self.done("call") == []
        assert self.done("file") == []
        assert self.refused("own") == []
        assert self.victim_lives and self.other_is_whole
        assert "not confined" not in self.log


@_SANITIZED
def test_a_worker_that_was_taken_over_gets_nowhere(tmp_path, intruder, monkeypatch):
    attempts = Attempts(tmp_path, intruder, monkeypatch)
    attempts.assert_held()
    kinds = defaultdict(int)
    for name in attempts.found:
        kinds[name.split(":")[0]] += 1
    assert kinds["call"] >= 60 and kinds["file"] >= 20  # it did try


@_SANITIZED
def test_without_landlock_it_still_reaches_no_process_and_no_network_and_that_is_told_once(
    tmp_path, intruder, refusing_kernel, monkeypatch
):
    _refuse(tmp_path, refusing_kernel, monkeypatch, _LANDLOCK)
    attempts = Attempts(tmp_path, intruder, monkeypatch)
    assert attempts.done("call") == []
    assert attempts.refused("own") == []
    assert attempts.victim_lives
    assert "file:passwd" in attempts.done("file"), "nothing but Landlock refuses that"
    assert attempts.log.count("workers are not confined as they should be") == 1
    assert "somebody refuses the calls of Landlock" in attempts.log


@_SANITIZED
def test_without_landlock_the_bridges_memory_and_environment_stay_closed_to_its_user(
    tmp_path, intruder, refusing_kernel, monkeypatch
):
    if os.geteuid() == 0:
        pytest.skip("root looks into any process; the law is tried by an ordinary user below")
    _refuse(tmp_path, refusing_kernel, monkeypatch, _LANDLOCK)
    attempts = Attempts(tmp_path, intruder, monkeypatch)
    assert {"file:bridge-environ", "file:bridge-mem", "file:bridge-maps"} <= set(attempts.refused("file"))


def test_what_has_to_hold_and_does_not_starts_no_bridge(tmp_path, refusing_kernel, monkeypatch):
    command = ["serve", "--own", "--state", str(tmp_path / "state")]
    for refused, status in ((set(), 0), (_LANDLOCK, 78)):
        _refuse(tmp_path, refusing_kernel, monkeypatch, refused)
        by_flag = subprocess.run(
            [os.environ["FLAREBRIDGE_BINARY"], *command, "--require-confinement"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert by_flag.returncode == status, by_flag.stderr
        by_variable = subprocess.run(
            [os.environ["FLAREBRIDGE_BINARY"], *command],
            env={**os.environ, "FLAREBRIDGE_REQUIRE_CONFINEMENT": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert by_variable.returncode == status
        monkeypatch.undo()
    assert "--require-confinement" in by_flag.stderr and "Landlock" in by_flag.stderr


@_SANITIZED
def test_a_worker_that_has_to_be_confined_and_is_not_writes_nothing(tmp_path, intruder, monkeypatch):
    monkeypatch.setenv("FLAREBRIDGE_REQUIRE_CONFINEMENT", "1")
    monkeypatch.setenv("LD_PRELOAD", str(intruder))
    monkeypatch.setenv("INTRUDER_NO_LANDLOCK", "1")
    with Driver(tmp_path, _WANDB, state=tmp_path / "state") as driver:
        assert driver.data("site-1", "METRIC", "n", 1, 1)
        driver.end()
    assert not logs_below(tmp_path)
    assert (tmp_path / "state" / "journal.db").exists()
    log = _log(tmp_path / "state")
    assert log.count("can't confine itself") >= 1
    assert "Landlock fails: Cannot allocate memory" in log


@_SANITIZED
def test_it_holds_under_the_filter_of_the_shipped_unit(tmp_path, intruder, refusing_kernel, monkeypatch):
    left_out = _left_out_by_unit()
    assert {"mount", "ptrace", "reboot"} <= left_out
    _refuse(tmp_path, refusing_kernel, monkeypatch, left_out)
    monkeypatch.setenv("FLAREBRIDGE_REQUIRE_CONFINEMENT", "1")
    Attempts(tmp_path, intruder, monkeypatch).assert_held()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_shipped_unit(tmp_path):
    unit = tmp_path / "flarebridge.service"
    unit.write_text(_UNIT.read_text().replace("/usr/local/bin/flarebridge", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "flarebridge.service" not in checked.stderr, checked.stderr


_SECRETS = {
    "{key}": ["WANDB_API_KEY"],
    '{{"X-Gate": "{key}"}}': ["WANDB_X_EXTRA_HTTP_HEADERS", "WANDB__EXTRA_HTTP_HEADERS"],
    "http://user:{key}@127.0.0.1:9": ["WANDB_BASE_URL", "WANDB_HTTPS_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"],
}


def test_secrets_are_in_no_environment_but_the_uploaders(tmp_path, monkeypatch):
    for form, names in _SECRETS.items():
        for name in names:
            monkeypatch.setenv(name, form.format(key=_KEY))
    with Driver(tmp_path, _WANDB, state=tmp_path / "state") as driver:
        driver.start_run("site-1")
        bridge = driver.pid()
        workers = wait_for(lambda: children_of(bridge), "the worker")
        wait_for(lambda: list(tmp_path.glob("wandb/offline-run-*/files")), "the run")
        for process in (bridge, *workers):
            try:
                environment = Path(f"/proc/{process}/environ").read_bytes()
            except PermissionError:
                assert os.geteuid() != 0
                continue
            assert os.geteuid() == 0 or "FLAREBRIDGE_SANITIZED" in os.environ
            assert b"PATH=" in environment and _KEY.encode() not in environment
        driver.end()


def _python_of(user: list[str], environment: dict[str, str]) -> str:
    """An interpreter that this user may start, and start again, and that has the tests' packages."""
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import pytest, flarebridge'], check=True)"
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if (
            subprocess.run(
                [*user, python, "-c", again],
                env=environment,
                capture_output=True,
                check=False,
            ).returncode
            == 0
        ):
            return python
    pytest.skip("an ordinary user can't start this Python, which lies where it may not look")


def test_all_of_it_holds_for_an_ordinary_user():
    if os.geteuid() != 0:
        pytest.skip("this is one")
    # Where an ordinary user gets to, other than pytest's own folders of root's.
    folder = Path(tempfile.mkdtemp(prefix="fb-user-", dir="/tmp"))
    try:
        for name in ("flarebridge", "flarebridge-upload"):
            shutil.copy(Path(find_binary()).with_name(name), folder / name)
        os.chown(folder, _NOBODY, _NOBODY)
        user = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        environment = {
            **os.environ,
            "FLAREBRIDGE_BINARY": str(folder / "flarebridge"),
            "HOME": str(folder),
        }
        environment |= {
            "TMPDIR": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [
            *user,
            _python_of(user, environment),
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            __file__,
        ]
        done = subprocess.run(
            command,
            env=environment,
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        passed = re.search(r"(\d+) passed", done.stdout)
        assert passed and int(passed[1]) >= 7, done.stdout[-2000:]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
