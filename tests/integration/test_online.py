"""Runs of mode online: live on the server while they run, whole there at the end, whatever happens in between."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from bridge_driver import Driver, children_of, processes_with, wait_for
from faulty_server import FaultyServer, at_random
from hello_pt import Job
from strict_server import Request, StrictServer
from uploads import environment, is_marked, make_run, sync
from wandb_tools import DamagedLog, logs_below, records, rows, run_of

_KILL_ROUNDS = int(os.environ.get("FLAREBRIDGE_KILL_ROUNDS", "40"))
_ONLINE = {"wandb": {"project": "online", "entity": "tester", "mode": "online"}}


@pytest.fixture
def as_user(tmp_path, monkeypatch):
    """Gives a function that sets this process's environment, which bridges inherit, for a server."""

    def use(server: StrictServer, **more: str) -> None:
        for name, value in environment(tmp_path, server, **more).items():
            monkeypatch.setenv(name, value)

    return use


def _assert_uploaded(server: StrictServer, folder: Path, state: str = "finished") -> None:
    """The server holds each run as its log does: rows in their order, once."""
    logs = logs_below(folder)
    assert logs
    for log in logs.values():
        run = server.run(run_of(log).run_id)
        assert [_flat(row) for row in run.rows] == rows(log)
        assert run.state == state
        assert is_marked(log)


def _flat(row: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in row.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def _uploaders(driver: Driver) -> list[int]:
    return [pid for pid, command in processes_with(str(driver.state)).items() if " upload " in command]


def _bridges(driver: Driver) -> list[int]:
    return [pid for pid, command in processes_with(str(driver.state)).items() if " serve " in command]


def _kill_all(driver: Driver) -> list[int]:
    pids = list(processes_with(str(driver.state)))
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


def test_rows_are_on_the_server_while_the_run_goes_on(tmp_path, as_user):
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            server.wait_for(lambda held: held.runs)
            (run,) = server.runs.values()
            for step in range(5):
                driver.data("site-1", "METRIC", "loss", 1.0 / (step + 1), step)
                driver.data("site-1", "PARAMETER", f"late {step}", step)
                server.wait_for(lambda _held, step=step: len(run.rows) == step, 20)
                server.wait_for(lambda _held, step=step: run.summary.get("loss") == 1.0 / (step + 1), 20)
                assert [row["loss"] for row in run.rows] == [1.0 / (before + 1) for before in range(step)]
                assert run.state == "running"
            driver.end()
        _assert_uploaded(server, tmp_path)
        assert run.user_config["late 4"] == 4
        assert {"config.yaml", "wandb-metadata.json", "wandb-summary.json"} <= run.files.keys()
        assert not server.violations
        (url,) = [text for level, text in driver.reports if level == "info" and "View run at" in text]
        assert url == f"View run at {server.url}/tester/online/runs/{run.id}"


def _times_woken(pid: int) -> int:
    """How often threads of a process have gone on after they waited."""
    status = [task.joinpath("status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE).group(1)) for text in status)


def test_a_hundred_quiet_runs_keep_nobody_awake_and_are_noticed_when_they_go_on(tmp_path, as_user):
    runs = [make_run(tmp_path / "runs", number, rows=3, files=0, exit_code=None) for number in range(100)]
    state = tmp_path / "state"
    (state / "uploads").mkdir(parents=True)
    for number, run in enumerate(runs):
        (state / "uploads" / f"{number}.upload").write_text(f"{run.log}\n17\n")
    with StrictServer() as server:
        as_user(server, FLAREBRIDGE_UPLOAD_TIMEOUT="60")
        with Driver(tmp_path, _ONLINE, state=state) as driver:
            (uploader,) = wait_for(lambda: _uploaders(driver), "the uploader")
            server.wait_for(lambda held: sum(len(run.rows) for run in held.runs.values()) == 300, 60)

            def woken_in_a_while() -> int:
                before = _times_woken(uploader)
                time.sleep(2)  # what is measured is a rate
                return _times_woken(uploader) - before

            wait_for(lambda: woken_in_a_while() < 2 * 5, "a time with fewer than 5 wake-ups a second", 25)
            longer = make_run(tmp_path / "longer", 7, rows=6, files=0, exit_code=None).log.read_bytes()
            with runs[7].log.open("ab") as log:
                log.write(longer[runs[7].log.stat().st_size :])
            server.wait_for(lambda held: len(held.run(runs[7].run_id).rows) == 6, 10)
            driver.end()
        assert not server.violations


def test_random_faults_during_runs_of_twenty_sites(tmp_path, as_user):
    sites = [f"site-{number}" for number in range(20)]
    with FaultyServer(at_random(seed=13, share=0.2)) as server:
        as_user(server, FLAREBRIDGE_UPLOAD_TIMEOUT="120")
        with Driver(tmp_path, _ONLINE) as driver:
            for site in sites:
                driver.start_run(site)
            for step in range(150):
                for site in sites:
                    assert driver.data(site, "METRIC", "loss", step * 0.5, step)
                time.sleep(0.02)  # a training's pace
            driver.end(seconds=150)
        assert len(server.runs) == len(sites)
        assert len(server.faults) > 20
        _assert_uploaded(server, tmp_path)
        assert all(len(run.rows) == 150 for run in server.runs.values())
        assert not server.violations


def test_a_server_that_is_down_for_the_whole_job_costs_nothing_but_a_sync(tmp_path, as_user):
    with StrictServer() as server:
        as_user(server, FLAREBRIDGE_UPLOAD_TIMEOUT="1")
        os.environ["WANDB_BASE_URL"] = "http://127.0.0.1:1"
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            for step in range(100):
                driver.data("site-1", "METRIC", "loss", 1.0, step)
            waits = "uploads wait, and nothing is lost"
            wait_for(lambda: any(waits in text for _level, text in driver.reports), "the message")
            driver.link.put(driver.encoder.session_ended(time.time(), 0))
            assert driver.link.wait_acknowledged(30)
            driver.link.close(10)
            # The bridge leaves in time; its uploader goes on, until somebody ends it.
            wait_for(lambda: not _bridges(driver), "the bridge's end")
            (uploader,) = _uploaders(driver)
            (log,) = logs_below(tmp_path).values()
            assert not is_marked(log)
            os.kill(uploader, signal.SIGTERM)
            driver.wait_gone()
        assert len(rows(log)) == 100
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        _assert_uploaded(server, tmp_path)
        assert not server.violations


def test_a_bridge_that_is_told_to_leave_stops_its_uploads_though_not_all_is_delivered(tmp_path, as_user):
    with FaultyServer(lambda _request: "503") as server:
        as_user(server)
        with Driver(tmp_path, {**_ONLINE, "jsonl": {"dir": "/proc/no-such-place"}}) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 1.0, 0)
            wait_for(lambda: logs_below(tmp_path) and _uploaders(driver), "the run")
            driver.process.ensure = lambda now: False  # it is not to come back by itself
            os.kill(driver.pid(), signal.SIGTERM)
            driver.wait_gone()
        assert "not delivered: run of site-1" in (driver.state / "bridge.log").read_text()
        assert any((driver.state / "uploads").iterdir()), "nothing is left for a later start"


def test_an_upload_goes_on_without_its_bridge_when_the_server_comes_back(tmp_path, as_user):
    down = [True]
    with FaultyServer(lambda _request: "503" if down[0] else None) as server:
        as_user(server, FLAREBRIDGE_UPLOAD_TIMEOUT="1")
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 1.0, 0)
            driver.link.put(driver.encoder.session_ended(time.time(), 0))
            assert driver.link.wait_acknowledged(30)
            driver.link.close(10)
            wait_for(lambda: not _bridges(driver), "the bridge's end")
            assert _uploaders(driver)
            down[0] = False
            driver.wait_gone()
        _assert_uploaded(server, tmp_path)
        assert not any((driver.state / "uploads").iterdir())
        assert not server.violations


def test_a_bridge_that_is_started_again_goes_on_with_uploads(tmp_path, as_user):
    """As after a reboot: everything was killed, and the state folder is there."""
    down = [True]
    with FaultyServer(lambda _request: "503" if down[0] else None) as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 1.0, 0)
            wait_for(lambda: logs_below(tmp_path) and _uploaders(driver), "the run")
            driver.link.put(driver.encoder.session_ended(time.time(), 0))
            assert driver.link.wait_acknowledged(30)
            driver.link.close(10)
            # Again: one that was being started is not found at once.
            wait_for(lambda: not _kill_all(driver), "the end of all")
        down[0] = False

        serve = [os.environ["FLAREBRIDGE_BINARY"], "serve", "--own", "--state", str(driver.state)]
        done = subprocess.run(serve, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        _assert_uploaded(server, tmp_path)


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_bridge_killed_at_its_runs_ends_writes_nothing_of_what_was_uploaded_again(tmp_path, as_user, mode):
    """Its journal has not forgotten the runs yet; meanwhile the uploads end, its own or those of `sync`."""
    sites = [f"site-{number}" for number in range(4)]  # the first one that ends is forgotten at once
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, {"wandb": {**_ONLINE["wandb"], "mode": mode}}) as driver:
            for step in range(20):
                for site in sites:
                    driver.data(site, "METRIC", "loss", step * 0.5, step)
            driver.link.put(driver.encoder.session_ended(time.time(), 0))
            assert driver.link.wait_acknowledged(30)
            driver.link.close(10)  # it starts no other bridge
            wait_for(lambda: sum(map(_ended, tmp_path.rglob("run-*.wandb"))) == len(sites), "the runs' ends")
            for pid in _bridges(driver):
                os.kill(pid, signal.SIGKILL)
            driver.wait_gone()
        if mode == "offline":
            assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        _assert_uploaded(server, tmp_path)

        serve = [os.environ["FLAREBRIDGE_BINARY"], "serve", "--own", "--state", str(driver.state)]
        done = subprocess.run(serve, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert len(list(tmp_path.rglob("run-*.wandb"))) == len(sites)
        _assert_uploaded(server, tmp_path)
        for run in server.runs.values():
            assert [row["loss"] for row in run.rows] == [step * 0.5 for step in range(20)]
        assert not server.violations


def _ended(log: Path) -> bool:
    try:
        return any(record.HasField("exit") for record in records(log))
    except DamagedLog:  # read in the middle of a write
        return False


def test_a_queue_of_the_version_before_is_uploaded_and_a_kind_that_is_not_known_stays(tmp_path):
    run = make_run(tmp_path / "runs", 1, rows=5)
    state = tmp_path / "state"
    (state / "uploads").mkdir(parents=True)
    (state / "uploads" / "1.upload").write_text(f"{run.log}\n17\n")
    unknown = state / "uploads" / "2.upload"
    unknown.write_text(f"{run.log}\n18\nunheard-of\n")
    with StrictServer() as server:
        serve = [os.environ["FLAREBRIDGE_BINARY"], "serve", "--own", "--state", str(state)]
        done = subprocess.run(serve, env=environment(tmp_path, server), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert not server.violations
    assert is_marked(run.log)
    assert list((state / "uploads").iterdir()) == [unknown]
    assert 'no uploads of kind "unheard-of"' in (state / "bridge.log").read_text()


@pytest.mark.parametrize("wait", ["30", "0"], ids=["after its end was uploaded", "at once"])
def test_a_run_that_goes_on_after_its_end_is_one_run_with_all_rows(tmp_path, as_user, wait):
    """As when a job's process is started again; without waiting, an earlier uploader is still at work."""
    with StrictServer() as server:
        as_user(server, FLAREBRIDGE_UPLOAD_TIMEOUT=wait)
        with ExitStack() as started:
            for first in (0, 3, 6):
                driver = started.enter_context(Driver(tmp_path, _ONLINE, state=tmp_path / "state"))
                driver.start_run("site-1")
                for step in range(first, first + 3):
                    driver.data("site-1", "METRIC", "loss", step * 0.5, step)
                driver.link.put(driver.encoder.session_ended(time.time(), 1 if first < 6 else 0))
                assert driver.link.wait_acknowledged(30)
                driver.link.close(10)
                wait_for(lambda driver=driver: not _bridges(driver), "the bridge's end")
        (run,) = server.runs.values()
        assert [row["loss"] for row in run.rows] == [step * 0.5 for step in range(9)]
        assert [row["_step"] for row in run.rows] == list(range(9))
        assert run.state == "finished"
        assert run.summary["loss"] == 4.0
        assert all(is_marked(log) for log in tmp_path.rglob("*.wandb"))
        assert not server.violations


def test_a_job_that_is_started_again_elsewhere_keeps_the_rows_of_both(tmp_path, as_user):
    """Its first result folder is not there: nothing here knows of the rows that the server has."""
    with StrictServer() as server:
        as_user(server)
        for part, first in (("one", 0), ("two", 6)):
            with Driver(tmp_path / part, _ONLINE) as driver:
                driver.start_run("site-1")
                for step in range(first, first + 6):
                    driver.data("site-1", "METRIC", "loss", step * 0.5, step)
                driver.end()
            shutil.rmtree(tmp_path / "one", ignore_errors=True)
        (run,) = server.runs.values()
        assert [row["_step"] for row in run.rows] == list(range(12))
        assert [row["loss"] for row in run.rows] == [step * 0.5 for step in range(12)]
        assert run.state == "finished"
        assert not server.violations


def test_what_people_set_in_the_browser_stays_while_a_run_logs_parameters(tmp_path, as_user):
    with StrictServer() as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 1.0, 0)
            server.wait_for(lambda held: held.runs)
            (run,) = server.runs.values()
            theirs = {"display_name": "the good one", "tags": ["keep"], "notes": "do not delete"}
            server.edit(run.id, **theirs)
            driver.data("site-1", "PARAMETER", "lr", 0.5)
            server.wait_for(lambda _held: run.user_config.get("lr") == 0.5, 20)
            driver.end()
        assert {name: getattr(run, name) for name in theirs} == theirs
        assert run.state == "finished"
        assert not server.violations


def test_kills_of_uploader_bridge_and_worker_during_uploads(tmp_path, as_user):
    draw = random.Random(17)
    sites = [f"site-{number}" for number in range(4)]
    with FaultyServer(at_random(seed=19, share=0.1)) as server:
        as_user(server, FLAREBRIDGE_UPLOAD_TIMEOUT="120")
        with Driver(tmp_path, _ONLINE) as driver:
            for site in sites:
                driver.start_run(site)
            step = kills = 0
            while kills < _KILL_ROUNDS:
                until = time.monotonic() + draw.random() * 0.3
                while time.monotonic() < until:
                    for site in sites:
                        assert driver.data(site, "METRIC", "loss", step * 0.5, step)
                    step += 1
                    time.sleep(0.005)  # a training's pace
                bridge = driver.process.pid
                victims = (
                    _uploaders(driver) * 2 + ([bridge] if bridge else []) + (children_of(bridge) if bridge else [])
                )
                if victims:
                    os.kill(draw.choice(victims), signal.SIGKILL)
                    kills += 1
            driver.end(seconds=180)
        _assert_uploaded(server, tmp_path)
        assert all([row["loss"] for row in run.rows] == [s * 0.5 for s in range(step)] for run in server.runs.values())
        assert not [told for told in server.violations if "in flight" not in told]


def test_a_key_that_expires_is_told_and_the_run_is_whole_on_disk(tmp_path, as_user):
    expired = []
    with FaultyServer(lambda _request: "401" if expired else None) as server:
        as_user(server)
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            for step in range(2):
                driver.data("site-1", "METRIC", "loss", 1.0, step)
            server.wait_for(lambda held: held.runs and next(iter(held.runs.values())).rows)
            expired.append(True)
            for step in range(2, 50):
                driver.data("site-1", "METRIC", "loss", 1.0, step)
            words = f"sending rows was refused: status 401: {server.url} does not accept the API key from WANDB_API_KEY"
            wait_for(lambda: any(words in text for _level, text in driver.reports), "the message")
            driver.end()
        expired.clear()
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        _assert_uploaded(server, tmp_path)
        assert not server.violations


def test_headers_of_the_users_are_on_every_request_of_a_bridge(tmp_path, as_user):
    seen = set()

    def note(request: Request) -> None:
        seen.add(request.headers.get("X-Gate"))

    with FaultyServer(note) as server:
        as_user(server, WANDB_X_EXTRA_HTTP_HEADERS='{"X-Gate": "open"}')
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 0.5, 0)
            driver.end()
        _assert_uploaded(server, tmp_path)
        assert seen == {"open"}
        assert not server.violations


def test_without_a_key_the_run_is_written_and_the_user_is_told(tmp_path, as_user, monkeypatch):
    with StrictServer() as server:
        as_user(server)
        monkeypatch.delenv("WANDB_API_KEY")
        with Driver(tmp_path, _ONLINE) as driver:
            driver.start_run("site-1")
            driver.data("site-1", "METRIC", "loss", 1.0, 0)
            wait_for(lambda: any("no API key for 127.0.0.1" in text for _level, text in driver.reports), "the message")
            driver.end()
        assert not server.calls
        (log,) = logs_below(tmp_path).values()
        assert len(rows(log)) == 1


def test_a_hundred_runs_at_once_keep_to_the_servers_limits(tmp_path, as_user):
    """At most 2 requests a second to a run's file stream, but for the first few; and a fair part for each."""
    times: dict[str, list[float]] = {}

    def note(request):
        if "file_stream" in request.path:
            times.setdefault(request.path, []).append(time.monotonic())

    sites = [f"site-{number}" for number in range(100)]
    with FaultyServer(note) as server:
        as_user(server, FLAREBRIDGE_UPLOAD_TIMEOUT="120", WANDB_HTTP_TIMEOUT="60")
        with Driver(tmp_path, _ONLINE) as driver:
            for site in sites:
                driver.start_run(site)
            for step in range(100):
                for site in sites:
                    assert driver.data(site, "METRIC", "loss", step * 0.5, step)
                time.sleep(0.05)  # a training's pace
            driver.end(seconds=150)
        _assert_uploaded(server, tmp_path)
        assert len(times) == 100
        for sent in times.values():
            lasted = sent[-1] - sent[0]
            assert len(sent) <= 2 + 2 * lasted + 5
        assert not server.violations


def test_hello_pt_online_on_two_sites(tmp_path, as_user):
    with StrictServer() as server:
        as_user(server, WANDB_HTTP_TIMEOUT="60")
        job = Job(tmp_path, "--mode", "online", "--num_rounds", "4")
        server.wait_for(lambda held: len(held.runs) == 2 and all(run.rows for run in held.runs.values()), 120)
        assert job.running, "nothing was live"
        assert all(run.state == "running" for run in server.runs.values())
        output = job.finish()
        wait_for(lambda: not processes_with(str(tmp_path)), "the bridge's end")
        assert "View run at" in output
        (entity, project, _run), *_ = server.runs
        (group,) = {run.group for run in server.runs.values()}
        page = f"View group at {server.url}/{entity}/{project}/groups/{quote(group, safe='')}"
        assert output.count(page) == 2, "when the first run is there, and at the job's end"
        assert {run.user_config["client"] for run in server.runs.values()} == {"site-1", "site-2"}
        _assert_uploaded(server, tmp_path)
        key = server.key.encode()
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and key in path.read_bytes()]
        assert not server.violations
