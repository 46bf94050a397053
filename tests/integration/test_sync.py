"""`flarebridge sync`: what is in a log is on the server, once, whatever the network and the machine do."""

import contextlib
import http.client
import http.server
import itertools
import os
import random
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Optional

import pytest
from artifacts import assert_same_artifacts
from faulty_server import FINAL, PASSING, FaultyServer, at_random
from run_log_writer import container
from strict_server import FILE_STREAM, Request, StrictServer
from sync import sync as wandb_sync
from uploads import (
    DEADLINE,
    environment,
    is_marked,
    kill_after,
    make_run,
    same_run,
    start_sync,
    sync,
    wait_for_marks,
)
from wandb_command import run_isolated

_KILL_ROUNDS = int(os.environ.get("FLAREBRIDGE_KILL_ROUNDS", "60"))
_FAULT_RUNS = int(os.environ.get("FLAREBRIDGE_FAULT_RUNS", "200"))


def test_a_run_is_uploaded_whole_and_marked_and_not_sent_twice(tmp_path):
    run = make_run(tmp_path, 1, rows=500, files=3)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert f"{run.log.parent.name}: 500 rows, counted by the server, {server.url}/tester/made/runs/" in done.stdout
        run.assert_on(server)
        assert is_marked(run.log)
        calls = len(server.calls)
        again = sync(tmp_path, environment(tmp_path, server))
        assert (again.returncode, again.stdout) == (0, "every run there is uploaded already (1)\n")
        assert len(server.calls) == calls
        forced = sync(tmp_path, environment(tmp_path, server), "--again")
        assert forced.returncode == 0, forced.stderr
        run.assert_on(server)
        assert not server.violations


def test_nothing_is_sent_in_a_dry_run(tmp_path):
    run = make_run(tmp_path, 1, rows=5)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server), "--dry-run")
        assert done.returncode == 0
        assert f"; {run.log.parent}\n" in done.stdout
        assert not server.calls


def test_many_runs_and_lines_larger_than_a_request(tmp_path):
    runs = [make_run(tmp_path, number, rows=20) for number in range(30)]
    # 9 MB rows: only one fits into a request.
    runs.append(make_run(tmp_path, 100, rows=4, width=9_000_000))
    runs.append(make_run(tmp_path, 101, rows=60, width=300_000))
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60"), "--jobs", "8")
        assert done.returncode == 0, done.stderr
        for run in runs:
            run.assert_on(server)
        assert not server.violations


def test_full_requests_wait_for_each_other_once_the_server_has_said_that_they_are_too_many(tmp_path):
    # 18 MB of lines, in requests of 4 MiB and more.
    run = make_run(tmp_path, 1, rows=60, width=300_000)
    came: list[float] = []  # when requests of the file stream came

    def once_too_many(request: Request) -> Optional[str]:
        if not FILE_STREAM.fullmatch(request.path):
            return None
        came.append(time.monotonic())
        return "429" if len(came) == 2 else None

    with FaultyServer(once_too_many) as server:
        done = sync(tmp_path, environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60"))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert server.faults == ["429"] and not server.violations
    # The second was refused and sent again as the third; from then on there are two a second at most.
    gaps = [later - earlier for earlier, later in zip(came[2:], came[3:])]
    assert len(gaps) >= 2
    assert min(gaps) > 0.4


def test_a_row_that_no_server_takes_keeps_its_place_and_is_told(tmp_path):
    run = make_run(tmp_path, 1, rows=2, width=11_000_000)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60"))
        assert done.returncode == 0
        assert "not uploaded: 2 lines of more than 9.9 MiB" in done.stderr
        assert "not uploaded: the summary: it has more than 9.9 MiB" in done.stderr
        assert server.run(run.run_id).rows == [{}, {}]
        assert not server.violations


def test_a_failed_run_is_failed_and_one_without_an_end_runs(tmp_path):
    failed, open_ = make_run(tmp_path, 1, rows=5, exit_code=3), make_run(tmp_path, 2, rows=5, exit_code=None)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert "without an end: the run goes on, or its process was killed" in done.stdout
        assert server.run(failed.run_id).state == "failed"
        assert server.run(open_.run_id).state == "running"
        failed.assert_on(server)
        open_.assert_on(server)
        assert is_marked(failed.log)
        assert not is_marked(open_.log)


def test_a_growing_log_is_followed_and_new_ones_are_found(tmp_path):
    (tmp_path / "made").mkdir()
    source = make_run(tmp_path / "made", 1, rows=400)
    content = source.log.read_bytes()
    source.log.write_bytes(content[:100])
    with StrictServer() as server:
        process = start_sync(tmp_path, environment(tmp_path, server), "--watch")
        try:
            for end in range(0, len(content), len(content) // 7):
                with source.log.open("ab") as log:  # torn anywhere
                    log.write(content[source.log.stat().st_size : end])
                if end > len(content) // 2:
                    server.wait_for(lambda held: held.runs and len(held.run(source.run_id).rows) > 100)
            assert server.run(source.run_id).state == "running"
            with source.log.open("ab") as log:
                log.write(content[source.log.stat().st_size :])
            later = make_run(tmp_path / "made", 2, rows=10)
            wait_for_marks([source, later])
            source.assert_on(server)
            later.assert_on(server)
        finally:
            process.terminate()
            _out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        assert not server.violations


@pytest.mark.parametrize("fault", FINAL)
def test_a_refusal_ends_the_upload_with_words_and_leaves_the_run_to_be_uploaded(tmp_path, fault):
    run = make_run(tmp_path, 1, rows=50)
    refuse = [True]
    with FaultyServer(lambda request: fault if refuse[0] and "file_stream" in request.path else None) as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 1
        assert f"sending rows was refused: status {fault}" in done.stderr
        assert not is_marked(run.log)
        refuse[0] = False
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        run.assert_on(server)
        assert not server.violations


def test_a_key_that_expires_in_the_middle_is_told_and_a_new_one_goes_on(tmp_path):
    run = make_run(tmp_path, 1, rows=60, width=300_000)
    taken = []

    def expire(request):
        if "file_stream" not in request.path:
            return None
        taken.append(request.path)
        return "401" if len(taken) == 3 else None

    with FaultyServer(expire) as server:
        environ = environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60")
        done = sync(tmp_path, environ)
        assert done.returncode == 1
        assert f"{server.url} does not accept the API key from WANDB_API_KEY" in done.stderr
        assert 0 < len(server.run(run.run_id).rows) < 60
        assert sync(tmp_path, environ).returncode == 0
        run.assert_on(server)
        assert not server.violations


@pytest.mark.parametrize("fault", PASSING)
def test_each_fault_alone_is_got_over(tmp_path, fault):
    """Every other request meets it, whatever it asks for."""
    run = make_run(tmp_path, 1, rows=50, files=1)
    count = itertools.count()
    with FaultyServer(lambda _request: fault if next(count) % 2 == 0 else None) as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert fault in server.faults
        assert not server.violations


def test_random_faults_leave_every_row_exactly_once(tmp_path):
    """200 runs, each of which meets its own faults; two programs at once share the server."""
    draw = random.Random(5)
    folders = [tmp_path / "a", tmp_path / "b"]
    runs = [
        make_run(folders[number % 2], number, rows=draw.randrange(1, 60), files=draw.randrange(3))
        for number in range(_FAULT_RUNS)
    ]
    with FaultyServer(at_random(seed=7, share=0.25)) as server:
        processes = [start_sync(folder, environment(tmp_path, server), "--jobs", "24") for folder in folders]
        for process in processes:
            _out, err = process.communicate(timeout=5 * DEADLINE)
            assert process.returncode == 0, err[-2000:]
        assert len(set(server.faults)) > 10
        for run in runs:
            run.assert_on(server)
        assert not server.violations


def test_kills_at_any_moment_leave_every_row_exactly_once(tmp_path):
    draw = random.Random(11)
    folder = tmp_path / "runs"
    runs = [make_run(folder, number, rows=draw.randrange(1, 300), files=2) for number in range(max(40, _KILL_ROUNDS))]
    runs.append(make_run(folder, 90000, rows=60, width=300_000))
    with FaultyServer(at_random(seed=3, share=0.1)) as server:
        environ = environment(tmp_path, server)
        for _ in range(_KILL_ROUNDS):
            kill_after(start_sync(folder, environ, "--jobs", "4"), draw.random() * 0.4)
        assert not all(is_marked(run.log) for run in runs), "nothing was left to be killed at"
        done = sync(folder, environ, "--jobs", "16")
        assert done.returncode == 0, done.stderr
        for run in runs:
            run.assert_on(server)
        # A killed client leaves its request behind, while the next one begins.
        assert not [told for told in server.violations if "in flight" not in told]


@pytest.mark.parametrize("fault", ["hang before", "hang after"])
def test_files_are_reported_though_a_kill_parts_their_upload_from_the_report(tmp_path, fault):
    run = make_run(tmp_path, 1, rows=20, files=3)
    hang = [True]

    def at_the_end(request: Request) -> Optional[str]:
        return fault if hang[0] and "file_stream" in request.path and b'"complete"' in request.body else None

    with FaultyServer(at_the_end) as server:
        environ = environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60")
        process = start_sync(tmp_path, environ)
        server.wait_for(lambda _held: server.faults)
        process.kill()
        process.communicate(timeout=DEADLINE)
        hang[0] = False
        done = sync(tmp_path, environ)
        assert done.returncode == 0, done.stderr
        run.assert_on(server)


def test_a_run_whose_log_was_set_aside_goes_on_in_its_next_log(tmp_path):
    run = make_run(tmp_path, 1, rows=90)
    records = _payloads(run.log)
    first = tmp_path / "offline-run-20231114_221320-made00001.damaged" / run.log.name
    run.log.parent.rename(first.parent)
    first.write_bytes(container(records[:60]))
    second = tmp_path / "offline-run-20231114_221320-made00001" / run.log.name
    second.parent.mkdir()
    shutil.copytree(first.parent / "files", second.parent / "files")
    second.write_bytes(container(records[:2] + records[60:]))
    with StrictServer() as server:
        # The earlier part comes along, though only the later one is named.
        done = sync(second.parent, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert is_marked(first)
        assert is_marked(second)
        assert not server.violations


def test_a_file_that_was_written_anew_is_sent_anew(tmp_path):
    run = make_run(tmp_path, 1, rows=5, exit_code=None)
    (name,) = run.files
    with StrictServer() as server:
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        puts = server.calls.count(f"PUT {name}")
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        assert server.calls.count(f"PUT {name}") == puts
        changed = run.files[name].swapcase()  # of the same size
        (run.log.parent / "files" / name).write_bytes(changed)
        assert sync(tmp_path, environment(tmp_path, server)).returncode == 0
        assert server.run(run.run_id).files[name] == changed
        assert not server.violations


@pytest.mark.parametrize("console", ["auto", "off"])
def test_wandb_sync_and_flarebridge_sync_leave_the_same_run(tmp_path, console):
    """Every kind of record that the SDK writes."""
    script = Path(__file__).with_name("sdk_kinds.py")
    kept = str(tmp_path / "data")  # contents of artifacts stay where the SDK has put them
    command = [sys.executable, str(script), console]
    made = run_isolated(command, 120, tmp_path, WANDB_MODE="offline", WANDB_DATA_DIR=kept)
    assert made.returncode == 0, made.stderr
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    ours, theirs = tmp_path / "ours" / folder.name, tmp_path / "theirs" / folder.name
    for copy in (ours, theirs):
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("logs"))
    with StrictServer() as server, StrictServer() as other:
        done = sync(ours, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert is_marked(next(ours.glob("run-*.wandb")))
        wandb_sync(theirs, other)
        (run,), (wandbs,) = server.runs.values(), other.runs.values()
        assert not server.violations
        same_run(run, wandbs)
        assert_same_artifacts(server, other)


# --- what goes wrong before a request ---


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"WANDB_API_KEY": ""}, 78, "log in with: flarebridge login --host http://127.0.0.1:"),
        ({"WANDB_API_KEY": "a b"}, 78, "holds blanks"),
        ({"WANDB_BASE_URL": "ftp://x"}, 78, "WANDB_BASE_URL: a server's address begins with https:// or http://"),
        ({"WANDB_HTTP_TIMEOUT": "soon"}, 78, "WANDB_HTTP_TIMEOUT must be a number of seconds"),
        ({"WANDB_INSECURE_DISABLE_SSL": "true"}, 78, "not verified; unset it"),
        ({"WANDB_BASE_URL": "http://127.0.0.1:1"}, 1, "has of the run failed for too long: Failed to connect"),
    ],
)
def test_what_is_wrong_with_the_environment_is_told(tmp_path, change, status, words):
    make_run(tmp_path, 1, rows=1)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server, **change), "--retry-for", "1")
        assert done.returncode == status
        assert words in done.stderr
        assert not server.calls


def test_the_key_may_come_from_netrc(tmp_path):
    run = make_run(tmp_path, 1, rows=1)
    with StrictServer() as server:
        (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login user password {server.key}\n")
        environ = environment(tmp_path, server)
        del environ["WANDB_API_KEY"]
        assert sync(tmp_path, environ).returncode == 0
        run.assert_on(server)


class _Proxy(http.server.BaseHTTPRequestHandler):
    """An HTTP proxy for requests whose address is in their first line."""

    asked: list[str] = []

    def do_POST(self) -> None:
        self.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")
        }
        # Not urllib, which would add a type of content.
        address = urllib.parse.urlsplit(self.path)
        there = http.client.HTTPConnection(address.netloc, timeout=30)
        with contextlib.closing(there):
            there.request(self.command, address.path, body, headers)
            answer = there.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "WANDB_HTTP_PROXY"])
def test_a_proxy_is_used_unless_the_server_is_excepted(tmp_path, variable):
    run = make_run(tmp_path, 1, rows=5)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
    thread.start()
    try:
        with StrictServer() as server:
            environ = environment(tmp_path, server, **{variable: f"http://127.0.0.1:{proxy.server_address[1]}"})
            _Proxy.asked.clear()
            assert sync(tmp_path, environ).returncode == 0
            run.assert_on(server)
            assert len(_Proxy.asked) == len(server.calls)
            _Proxy.asked.clear()
            assert sync(tmp_path, {**environ, "NO_PROXY": "127.0.0.1"}, "--again").returncode == 0
            assert not _Proxy.asked
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def test_a_server_of_an_unknown_authority_gets_nothing(tmp_path):
    make_run(tmp_path, 1, rows=1)
    certificate = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(certificate), "-out", str(tmp_path / "authority.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_bytes(certificate.read_bytes() + (tmp_path / "authority.pem").read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with StrictServer() as server:
        server.use_tls(context)
        refused = sync(tmp_path, environment(tmp_path, server))
        assert refused.returncode == 1
        assert "SSL certificate problem" in refused.stderr
        assert not server.calls
        environ = environment(tmp_path, server, SSL_CERT_FILE=str(tmp_path / "authority.pem"))
        trusted = sync(tmp_path, environ)
        assert trusted.returncode == 0, trusted.stderr


def test_the_key_is_nowhere_but_in_the_environment(tmp_path):
    """Not in a file, not in the output, not in the process table; also if the server repeats it."""
    run = make_run(tmp_path, 1, rows=60, width=300_000)
    seen = []

    def look(request):
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(entry.read_bytes())
            except OSError:
                continue
        return "echo" if len(seen) > 20000 else None

    class Echoing(FaultyServer):
        def answer(self, request):
            answer = super().answer(request)
            if "file_stream" in request.path and len(self.calls) > 4:
                answer.status, answer.body = 400, {"error": f"your key {self.key} is not for this"}
            return answer

    with Echoing(look) as server:
        done = sync(tmp_path, environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60"))
        assert done.returncode == 1
        assert "your key <the API key> is not for this" in done.stderr
        key = server.key.encode()
        assert seen
        assert not [command for command in seen if key in command]
        assert key.decode() not in done.stdout + done.stderr
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert not is_marked(run.log)


def test_an_interrupt_ends_it_at_once_and_it_goes_on_later(tmp_path):
    run = make_run(tmp_path, 1, rows=60, width=300_000)
    hang = [True]
    with FaultyServer(lambda r: "hang before" if hang[0] and "file_stream" in r.path else None) as server:
        environ = environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60")
        process = start_sync(tmp_path, environ)
        server.wait_for(lambda held: held.runs)
        started = time.monotonic()
        process.send_signal(2)
        _out, err = process.communicate(timeout=DEADLINE)
        assert time.monotonic() - started < 30
        assert process.returncode == 1
        assert "run the same command again to go on" in err
        hang[0] = False
        assert sync(tmp_path, environ).returncode == 0
        run.assert_on(server)


def _payloads(log: Path) -> list[bytes]:
    from wandb_tools import records

    return [record.SerializeToString() for record in records(log)]
