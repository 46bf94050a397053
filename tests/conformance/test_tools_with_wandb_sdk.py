"""The judges are right: what the real W&B SDK writes and sends passes all of them, and damage does not."""

import base64
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sdk_training as training
from run_log import (
    BLOCK_BYTES,
    CorruptLogError,
    End,
    TornLogError,
    as_inspected,
    config,
    exit_code,
    find_runs,
    inspect_with_wandb,
    kind_of,
    read_records,
    rows,
    run,
    scan,
    summary,
)
from strict_run import HISTORY, Run
from strict_server import MAX_REQUEST_BYTES, Request, StrictServer
from sync import sync
from wandb_command import run_isolated

_SECONDS = 120.0  # that a script of the SDK's may take


def _train(folder: Path, mode: str, first: int = 0, *resume: str, **environment: str) -> None:
    command = [sys.executable, training.__file__, mode, str(first), *resume]
    done = run_isolated(command, _SECONDS, cwd=folder, **environment)
    assert done.returncode == 0, done.stderr


def _comparable(value: Any) -> Any:
    """The value with NaN, which equals nothing, as a text. W&B writes 1.0 as 1: Python calls them equal."""
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _user_part(row: dict[str, Any]) -> dict[str, Any]:
    return _comparable({key: value for key, value in row.items() if not key.startswith("_")})


def _check_run(held: Run, sessions: int = 1) -> None:
    """The server holds what the script logged, session after session."""
    assert [_user_part(row) for row in held.rows] == [
        _user_part(training.row(step)) for step in range(sessions * training.ROWS)
    ]
    assert [row["_step"] for row in held.rows] == list(range(sessions * training.ROWS))
    assert held.user_config == {**training.CONFIG, "late": 5}
    assert held.tags == training.TAGS
    assert (held.entity, held.project, held.display_name) == (
        training.ENTITY,
        training.PROJECT,
        training.NAME,
    )
    assert (held.group, held.job_type, held.notes) == (training.GROUP, training.JOB_TYPE, training.NOTES)
    last = {**training.row(sessions * training.ROWS - 1), "best": (sessions - 1) * training.ROWS}
    assert _user_part(held.summary) == _user_part(last)
    assert (held.state, held.exit_codes) == ("finished", [0] * sessions)
    assert any("a line on the console" in line for line in held.console)
    assert held.events
    assert {
        "wandb-metadata.json",
        "config.yaml",
        "wandb-summary.json",
        "requirements.txt",
    } <= held.files.keys()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of an offline run."""
    folder = tmp_path_factory.mktemp("offline")
    _train(folder, "offline")
    (found,) = find_runs(folder)
    return found


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer() as running:
        yield running


def _post(server: StrictServer, path: str, body: Any, key: str = StrictServer.key) -> int:
    """Posts JSON. Gives the HTTP status."""
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    passwords.add_password(None, server.url, "api", key, is_authenticated=True)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(passwords)
    )
    content = json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, content, {"Content-Type": "application/json"})
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _lines(offset: int, *lines: str) -> dict[str, Any]:
    return {"files": {HISTORY: {"offset": offset, "content": list(lines)}}}


def _create() -> dict[str, Any]:
    """The GraphQL request that creates the run "r"."""
    variables = {"name": "r", "project": "p", "entity": "e"}
    return {"query": "mutation UpsertBucket { }", "variables": variables}


def _graphql(query: str, variables: dict[str, Any]) -> Request:
    key = base64.b64encode(f"api:{StrictServer.key}".encode()).decode()
    headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
    return Request("POST", "/graphql", headers, json.dumps({"query": query, "variables": variables}).encode())


# --- the reader ---


def test_the_reader_finds_what_the_script_logged(log: Path):
    records = read_records(log)
    assert log.stat().st_size > 3 * BLOCK_BYTES
    assert [kind_of(record) for record in records[:2]] == ["header", "run"]
    assert kind_of(records[-1]) == "exit"
    assert [record.num for record in records] == list(range(1, len(records) + 1))
    found = rows(log)
    assert [_user_part(row) for row in found] == [_user_part(training.flat_row(s)) for s in range(training.ROWS)]
    assert [row["_step"] for row in found] == list(range(training.ROWS))
    assert _user_part(summary(log)) == _user_part({**training.flat_row(training.ROWS - 1), "best": 0})
    held = config(log)
    assert {key: held[key] for key in held if key != "_wandb"} == {**training.CONFIG, "late": 5}
    assert (run(log).run_group, list(run(log).tags)) == (training.GROUP, training.TAGS)
    assert exit_code(log) == 0


def test_wandbs_own_reader_yields_the_same_records(log: Path):
    inspected = inspect_with_wandb(log)
    assert inspected.complaint == ""
    assert inspected.records == [as_inspected(record) for record in read_records(log)]


def test_a_log_cut_anywhere_is_torn_and_whole_up_to_there(log: Path, tmp_path: Path):
    content, whole = log.read_bytes(), scan(log)
    # The records that lie over two blocks are where a cut can meet every kind of chunk.
    crossing = [i for i, end in enumerate(whole.ends) if i and whole.ends[i - 1] // BLOCK_BYTES < end // BLOCK_BYTES]
    assert len(crossing) >= 3
    edges = {0, 7, BLOCK_BYTES, 2 * BLOCK_BYTES, len(content)}
    edges |= {whole.ends[i + before] for i in crossing for before in (-1, 0)}
    cuts = sorted({edge + step for edge in edges for step in range(-9, 10) if 0 <= edge + step < len(content)})
    path = tmp_path / "run-cut.wandb"
    for cut in cuts:
        path.write_bytes(content[:cut])
        found = scan(path)
        count = sum(end <= cut for end in whole.ends)
        # A block's last bytes, too few for a chunk, are padding: with all of them a log is as whole as with none.
        last = max((end for end in whole.ends if end <= cut), default=7)
        padded = cut % BLOCK_BYTES == 0 and 0 <= cut - last < 7
        assert found.end is (End.CLEAN if cut == last or padded else End.TORN), (cut, found.reason)
        assert len(found.records) == count
        if found.end is End.TORN:
            with pytest.raises(TornLogError):
                read_records(path)
            # Cut at the place that the scan names, the log is right again.
            path.write_bytes(content[: found.offset])
            assert scan(path).end is End.CLEAN or found.offset == 0
            assert len(scan(path).records) == count


def test_a_changed_byte_is_corruption_and_told_with_its_place(log: Path, tmp_path: Path):
    content, whole = bytearray(log.read_bytes()), scan(log)
    path = tmp_path / "run-changed.wandb"
    content[whole.ends[20] + 12] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptLogError, match="checksum") as error:
        read_records(path)
    assert error.value.scan.offset == whole.ends[20]
    assert len(error.value.scan.records) == 21
    assert "corrupt" in inspect_with_wandb(path).complaint


# --- the server, fed by the real SDK ---


def test_sync_uploads_the_offline_run_completely(log: Path, tmp_path: Path, server: StrictServer):
    folder = shutil.copytree(log.parent, tmp_path / log.parent.name, symlinks=True)
    done = sync(folder, server)
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr
    assert (folder / f"{log.name}.synced").exists()
    assert server.violations == []
    _check_run(server.run(training.RUN_ID))


def test_an_online_run_arrives_completely_and_can_be_resumed(tmp_path: Path, server: StrictServer):
    environment = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.key}
    _train(tmp_path, "online", **environment)
    assert server.violations == []
    _check_run(server.run(training.RUN_ID))
    assert "RunResumeStatus" not in server.calls
    _train(tmp_path, "online", training.ROWS, "must", **environment)
    assert server.violations == []
    assert "RunResumeStatus" in server.calls
    _check_run(server.run(training.RUN_ID), sessions=2)


def test_a_sync_that_gets_no_answer_is_ended_with_all_its_processes(log: Path, tmp_path: Path):
    folder = shutil.copytree(log.parent, tmp_path / log.parent.name, symlinks=True)
    with socket.create_server(("127.0.0.1", 0)) as silent:

        class Silent:
            url, key = f"http://127.0.0.1:{silent.getsockname()[1]}", StrictServer.key

        with pytest.raises(subprocess.TimeoutExpired):
            sync(folder, Silent(), seconds=3)
        mark = f"WANDB_BASE_URL={Silent.url}".encode()
        assert [pid for pid in _pids() if mark in _environment(pid)] == []


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _environment(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


# --- the server's rules, over HTTP; all of them are in test_strict_run.py ---


def test_the_server_notes_and_refuses_a_gap(server: StrictServer):
    assert _post(server, "/graphql", _create()) == 200
    assert _post(server, "/files/e/p/r/file_stream", _lines(0, "{}", "{}")) == 200
    assert server.violations == []
    assert _post(server, "/files/e/p/r/file_stream", _lines(3, "{}")) == 400
    server.wait_for(lambda held: bool(held.violations), 10)
    (violation,) = server.violations
    assert "gap" in violation
    assert len(server.run("r").rows) == 2


def test_the_server_notes_and_refuses_what_is_not_the_protocol(server: StrictServer):
    assert _post(server, "/graphql", {"query": "query Viewer { }"}, key="0" * 40) == 401
    assert _post(server, "/graphql", {"query": "mutation DeleteEverything { }"}) == 400
    assert _post(server, "/files/e/p/unknown/file_stream", _lines(0, "{}")) == 404
    assert _post(server, "/elsewhere", {}) == 404
    assert len(server.violations) == 4


def test_the_server_refuses_an_oversize_request_without_reading_it(server: StrictServer):
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=10) as client:
        client.sendall(f"POST /graphql HTTP/1.1\r\nContent-Length: {MAX_REQUEST_BYTES + 1}\r\n\r\n".encode())
        assert client.makefile("rb").readline().split()[1] == b"413"
    assert len(server.violations) == 1


def test_an_upload_needs_its_signed_address_and_headers_and_no_key(server: StrictServer):
    assert _post(server, "/graphql", _create()) == 200
    wanted = {"entity": "e", "project": "p", "run": "r", "files": ["a/b.txt"]}
    created = server.handle(_graphql("mutation CreateRunFiles { }", wanted)).body["data"]["createRunFiles"]
    (file,), (header,) = created["files"], created["uploadHeaders"]
    path, headers = file["uploadUrl"].removeprefix(server.url), dict([header.split(":", 1)])

    def put(path: str, headers: dict[str, str]) -> int:
        return server.handle(Request("PUT", path, headers, b"content")).status

    assert put(path, {}) == 403
    assert put(path, {**headers, "Authorization": "Basic x"}) == 400
    assert put("/storage/0", headers) == 403
    assert len(server.violations) == 3
    assert server.run("r").files == {}
    assert put(path, headers) == 200
    assert server.run("r").files == {"a/b.txt": b"content"}


def test_waiting_for_the_server_has_a_deadline(server: StrictServer):
    with pytest.raises(TimeoutError):
        server.wait_for(lambda held: bool(held.runs), 0.01)
