"""`flarebridge sync`: files go beside the rows, each for itself, and many runs need no more than a few do."""

import itertools
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Optional

import pytest
import wandb_tools
from faulty_server import FaultyServer
from run_log_writer import container
from strict_server import FILE_STREAM, Request, StrictServer
from uploads import BINARY, DEADLINE, Logged, environment, is_marked, make_run, start_sync, sync

_SANITIZED = "FLAREBRIDGE_SANITIZED" in os.environ


def _add_file(run: Logged, size: int) -> str:
    """Makes one of the run's files as large as that. Gives its name."""
    name = next(iter(run.files))
    run.files[name] = os.urandom(size)
    (run.log.parent / "files" / name).write_bytes(run.files[name])
    return name


@pytest.mark.parametrize("status", ["400", "403", "413"])
def test_a_refused_file_is_named_and_all_else_of_the_run_arrives(tmp_path, status):
    run = make_run(tmp_path, 1, rows=100, files=3, exit_code=0)
    refused = _add_file(run, 1234)
    held: list[FaultyServer] = []

    def refuse(request: Request) -> Optional[str]:
        return status if request.method == "PUT" and held[0].file_at(request.path) == refused else None

    with FaultyServer(refuse) as server:
        held.append(server)
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 1
        (told,) = [line for line in done.stderr.splitlines() if refused in line]
        assert f"not uploaded: the file {refused}: it has 1234 bytes, and the storage refuses it" in told
        assert f"status {status}" in told and "made for a test" in told and "API key" not in told
        assert not is_marked(run.log)
        content = run.files.pop(refused)
        run.assert_on(server)
        assert server.run(run.run_id).state == "finished"
        assert refused not in server.run(run.run_id).reported
        # Once the storage takes it, the same command brings it there.
        server.fault = lambda _request: None
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        run.files[refused] = content
        run.assert_on(server)
        assert is_marked(run.log)
        assert not server.violations


def test_addresses_that_expire_before_all_files_have_gone_are_renewed(tmp_path):
    run = make_run(tmp_path, 1, rows=10, files=40)
    with StrictServer() as server:
        server.upload_lifetime, server.storage_speed = 0.35, 1e6  # a file takes 0.1 s
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert is_marked(run.log)
        assert not server.violations


def test_a_large_file_takes_longer_than_a_request_may_and_rows_do_not_wait_for_it(tmp_path):
    (tmp_path / "made").mkdir()
    run = make_run(tmp_path / "made", 1, rows=400)
    name = _add_file(run, 1_200_000)  # 4 s at that speed
    *records, of_files, end = [record.SerializeToString() for record in wandb_tools.records(run.log)]
    content = container([*records[:2], of_files, *records[2:], end])
    later = content[-2000:]  # with the log's end
    run.log.write_bytes(content[:-2000])
    with StrictServer() as server:
        server.storage_speed = 300_000
        process = start_sync(tmp_path, environment(tmp_path, server, WANDB_HTTP_TIMEOUT="2"), "--watch")
        try:
            server.wait_for(lambda held: "CreateRunFiles" in held.calls)
            first = len(server.run(run.run_id).rows)
            with run.log.open("ab") as log:
                log.write(later)
            server.wait_for(lambda held: len(held.run(run.run_id).rows) == 400)
            assert first < 400
            assert name not in server.run(run.run_id).files, "the rows came behind the file"
            server.wait_for(lambda held: held.run(run.run_id).complete)
        finally:
            process.terminate()
            _out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        run.assert_on(server)
        assert server.calls.count(f"PUT {name}") == 1, "it was begun anew"
        assert not server.violations


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_files_take_no_more_requests_at_once_than_jobs_say(tmp_path, jobs):
    runs = [make_run(tmp_path, number, rows=20, files=6) for number in range(4)]
    lock = threading.Lock()
    at_once, most = [0], [0]

    class Counting(StrictServer):
        def begin(self, path: str) -> None:
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            super().begin(path)

        def end(self, path: str) -> None:
            with lock:
                at_once[0] -= 1
            super().end(path)

    with Counting() as server:
        server.storage_speed = 1e6
        done = sync(tmp_path, environment(tmp_path, server), "--jobs", str(jobs))
        assert done.returncode == 0, done.stderr
        for run in runs:
            run.assert_on(server)
        assert most[0] <= jobs
        assert jobs < 8 or most[0] > 1
        assert not server.violations


def test_a_run_that_the_server_does_not_make_again_is_told_with_a_way_on(tmp_path):
    make_run(tmp_path, 1, rows=5)
    other = make_run(tmp_path, 2, rows=5)

    def deleted(request: Request) -> Optional[str]:
        return "409" if b"UpsertBucket" in request.body and b"made00001" in request.body else None

    with FaultyServer(deleted) as server:
        begun = time.monotonic()
        done = sync(tmp_path, environment(tmp_path, server))
        assert time.monotonic() - begun < 30
        assert done.returncode == 1
        assert "creating the run was refused: status 409" in done.stderr
        assert "upload it under another with --id" in done.stderr
        assert len(server.faults) == 21
        other.assert_on(server)


def test_many_runs_arrive_with_few_descriptors(tmp_path):
    runs = [make_run(tmp_path, number, rows=3) for number in range(300)]
    with StrictServer() as server:
        done = subprocess.run(
            ["sh", "-c", 'ulimit -n 128; exec "$0" "$@"', BINARY, "sync", "--jobs", "8", str(tmp_path)],
            env=environment(tmp_path, server), capture_output=True, text=True, timeout=DEADLINE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        for run in runs:
            run.assert_on(server)
        assert not server.violations


@pytest.mark.parametrize("options", [(), ("--watch",)], ids=["sync", "watch"])
def test_memory_is_of_requests_and_not_of_runs(tmp_path, options):
    """Each run has more than a request to send, and the server is in trouble, so that all of them wait."""
    runs = 40
    for number in range(runs):
        make_run(tmp_path, number, rows=400, width=12_000, files=0)
    tried: set[str] = set()

    def busy(request: Request) -> Optional[str]:
        if not FILE_STREAM.fullmatch(request.path):
            return None
        tried.add(request.path)
        return "500"

    with FaultyServer(busy) as server:
        environ = environment(tmp_path, server, WANDB_HTTP_TIMEOUT="30")
        process = start_sync(tmp_path, environ, "--jobs", "4", "--retry-for", "3", *options)
        try:
            server.wait_for(lambda _held: len(tried) == runs, DEADLINE)
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=DEADLINE)
        assert peak is not None
        assert _SANITIZED or int(peak.group(1)) < 80 << 10
        assert not server.violations


def test_a_file_s_signed_headers_are_all_that_a_storage_is_sent(tmp_path):
    run = make_run(tmp_path, 1, rows=20, files=2)
    _add_file(run, 0)
    seen: list[set[str]] = []

    def look(request: Request) -> Optional[str]:
        if request.method == "PUT":
            seen.append({name.lower() for name in dict(request.headers)})
        return None

    with FaultyServer(look) as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert len(seen) >= 4
        assert set(itertools.chain(*seen)) == {"host", "user-agent", "content-length", "x-signature"}
        assert not server.violations
