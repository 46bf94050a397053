"""A run that may not tell of the machine that writes it: no byte of that in its folder, nor in what is uploaded."""

import getpass
import os
import platform
from pathlib import Path

import pytest
from bridge_driver import Driver
from preloaded import compiled
from strict_server import Answer, Request, StrictServer
from sync import sync as wandb_sync
from uploads import environment, is_marked, sync
from wandb_tools import logs_below, records

_KEPT = {"wandb": {"project": "private", "entity": "tester", "system": False}}
_TOLD = {"wandb": {"project": "private", "entity": "tester"}}


@pytest.fixture(autouse=True)
def machine(tmp_path_factory, monkeypatch) -> str:
    """Names of the machine that nothing else has, for programs that are started."""
    library = str(compiled("named_machine.c", tmp_path_factory.mktemp("library")))
    monkeypatch.setenv("LD_PRELOAD", library)
    return library


class _Recording(StrictServer):
    """Keeps all that it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.received = b""

    def handle(self, request: Request) -> Answer:
        self.received += f"{request.path}\n{request.headers}".encode() + request.body
        return super().handle(request)


def _facts(folder: Path) -> dict[str, str]:
    """What this machine could be told by."""
    return {
        "host": "ward-nine-machine", "kernel": "wards-kernel",  # named_machine.c
        "user": getpass.getuser(), "home": str(Path.home()), "working folder": os.getcwd(), "folder": str(folder),
        "processor": platform.machine(), "system": platform.system(),
        "program": os.path.realpath(os.environ.get("FLAREBRIDGE_BINARY", "/proc/self/exe")),
    }  # fmt: skip


def _found(content: bytes, folder: Path) -> list[str]:
    return [what for what, fact in _facts(folder).items() if fact.encode().lower() in content.lower()]


def _all_files(folder: Path) -> bytes:
    """Names and contents of all files below a folder."""
    return b"".join(
        str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    )


def _make_run(folder: Path, receivers: dict) -> Path:
    """A site's run with every kind of value. Gives its log."""
    with Driver(folder, receivers, side="client") as driver:
        driver.start_run("site-1")
        for step in range(20):
            driver.data("site-1", "METRIC", "loss", 1 / (step + 1), step)
        driver.data("site-1", "PARAMETER", "lr", 0.1)
        driver.data("site-1", "TAG", "stage", "final")
        driver.data("site-1", "TEXT", "text", "a report", path="reports/a.txt")
        driver.data("site-1", "LOG_RECORD", "console", "a line")
        driver.end()
    (log,) = logs_below(folder).values()
    return log


@pytest.mark.parametrize(("receivers", "tells"), [(_KEPT, False), (_TOLD, True)], ids=["kept", "told"])
def test_the_folder_and_what_sync_sends_of_it(tmp_path, machine, receivers, tells):
    log = _make_run(tmp_path, receivers)
    kinds = [record.WhichOneof("record_type") for record in records(log)]
    assert ("environment" in kinds) is tells
    before = _found(_all_files(log.parent), tmp_path)
    with _Recording() as server:
        done = sync(tmp_path, environment(tmp_path / "home", server, LD_PRELOAD=machine))
        assert done.returncode == 0, done.stderr
        (run,) = server.runs.values()
        assert not server.violations
    assert is_marked(log)
    assert len(run.rows) == 20
    assert run.files["reports/a.txt"] == b"a report"
    assert ("wandb-metadata.json" in run.files, run.host is not None) == (tells, tells)
    sent, after = _found(server.received, tmp_path), _found(_all_files(log.parent), tmp_path)
    if tells:  # the looking finds what is there
        for found in (before, sent, after):
            assert {"host", "kernel", "processor", "system", "program"} <= set(found)
    else:
        assert (before, sent, after) == ([], [], [])


def test_what_is_uploaded_as_it_grows(tmp_path, monkeypatch):
    with _Recording() as server:
        for name, value in environment(tmp_path / "home", server).items():
            monkeypatch.setenv(name, value)
        log = _make_run(tmp_path, {"wandb": {**_KEPT["wandb"], "mode": "online"}})
        (run,) = server.runs.values()
        assert not server.violations
    assert is_marked(log)
    assert (len(run.rows), run.host) == (20, None)
    assert _found(server.received, tmp_path) == []
    assert _found(_all_files(log.parent), tmp_path) == []


def test_wandbs_own_sync_takes_it(tmp_path):
    log = _make_run(tmp_path, _KEPT)
    with StrictServer() as server:
        done = wandb_sync(log.parent, server)
        assert done.returncode == 0, done.stderr
        assert "rror" not in done.stderr, done.stderr
        (run,) = server.runs.values()
        assert not server.violations
    assert is_marked(log)
    assert (len(run.rows), run.user_config["lr"], run.exit_code, run.host) == (20, 0.1, 0, None)
