"""Which server, which key: as W&B's own client has them, in both directions; and `flarebridge login`."""

import base64
import json
import os
import pty
import select
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import pytest
from run_log_writer import exit_record, header, run_record, write_run
from strict_server import Answer, Request, StrictServer
from uploads import BINARY, DEADLINE, environment, is_marked, make_run, sync
from wandb_command import run_isolated, run_wandb

_OTHERS = "# mine\nmachine other.example\n\tlogin me   password theirs # keep\n"


def _login(home: Path, *arguments: str, key: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BINARY, "login", *arguments],
        env=environment(home, **more),
        input=key,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=home,
    )


def _as_wandb_finds_it(home: Path) -> dict[str, str]:
    """Server and key as W&B's package finds them in this home."""
    code = (
        "import json\n"
        "from wandb.sdk import wandb_setup\n"
        "from wandb.sdk.lib.wbauth import wbnetrc\n"
        "url = wandb_setup.singleton().settings.base_url\n"
        "print(json.dumps({'url': url, 'key': wbnetrc.read_netrc_auth(host=url)}))\n"
    )
    done = run_isolated([sys.executable, "-c", code], DEADLINE, cwd=home, **_home_of(home))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _home_of(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "WANDB_CONFIG_DIR": str(home / ".config" / "wandb")}


# --- what W&B's client has written ---


def test_the_server_and_key_of_wandb_login_are_found_and_the_run_goes_there(tmp_path):
    run = make_run(tmp_path, 1, rows=20)
    with StrictServer() as server:
        theirs = run_wandb(["login", "--host", server.url, server.key], DEADLINE, **_home_of(tmp_path))
        assert theirs.returncode == 0, theirs.stderr
        done = sync(tmp_path, environment(tmp_path))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert is_marked(run.log)
        assert not server.violations


def test_without_a_key_it_is_told_for_which_server_and_from_where_its_name_is(tmp_path):
    make_run(tmp_path, 1, rows=5)
    settings = tmp_path / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nbase_url = http://127.0.0.1:1\n")
    done = sync(tmp_path, environment(tmp_path))
    assert done.returncode == 78
    assert done.stderr == (
        "flarebridge: no API key for 127.0.0.1:1: WANDB_API_KEY is not set, and "
        f"{tmp_path}/.netrc is not there; log in with: flarebridge login --host http://127.0.0.1:1\n"
    )


def test_a_refused_key_is_told_with_server_and_place_and_without_the_key(tmp_path):
    make_run(tmp_path, 1, rows=5)
    wrong = "a" * 40
    with StrictServer() as server:
        machine = server.url.removeprefix("http://")
        (tmp_path / ".netrc").write_text(f"{_OTHERS}machine {machine} login user password {wrong}\n")
        done = sync(tmp_path, environment(tmp_path, WANDB_BASE_URL=server.url))
        assert done.returncode == 1
        assert f"{server.url} does not accept the API key from {tmp_path}/.netrc, line 4" in done.stderr
        assert wrong not in done.stderr


def test_a_key_that_is_a_word_of_the_servers_answer_ends_the_upload_all_the_same(tmp_path):
    make_run(tmp_path, 1, rows=5)
    with StrictServer() as server:
        # Its answer to a wrong key is "... without the API key".
        done = sync(tmp_path, environment(tmp_path, WANDB_BASE_URL=server.url, WANDB_API_KEY="key"))
        assert done.returncode == 1
        assert "does not accept" in done.stderr


def test_runs_that_name_no_place_go_to_the_one_that_is_set(tmp_path):
    write_run(tmp_path, "placeless", [header(), run_record("placeless", project="", entity=""), exit_record(0)])
    named = make_run(tmp_path, 1, rows=5)
    with StrictServer() as server:
        places = {"WANDB_ENTITY": "team", "WANDB_PROJECT": "set"}
        done = sync(tmp_path, environment(tmp_path, server, **places))
        assert done.returncode == 0, done.stderr
        assert set(server.runs) == {("team", "set", "placeless"), ("tester", "made", named.run_id)}


# --- ways to a server ---


@contextmanager
def _forwarded(to: str) -> Iterator[str]:
    """An address of IPv6 whose connections end at a server of IPv4."""
    host, port = to.removeprefix("http://").split(":")
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    ends: list[socket.socket] = [listener]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one end is closed

    def accept() -> None:
        try:
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((host, int(port)))
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()
        except OSError:
            pass  # the test is over

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://[::1]:{listener.getsockname()[1]}"
    finally:
        for end in ends:
            end.close()


def test_a_server_of_ipv6_is_reached_and_its_key_found(tmp_path):
    run = make_run(tmp_path, 1, rows=5, files=0)
    with StrictServer() as server, _forwarded(server.url) as url:
        (tmp_path / ".netrc").write_text(f"machine {url.removeprefix('http://')} login user password {server.key}\n")
        done = sync(tmp_path, environment(tmp_path, WANDB_BASE_URL=url.replace("http", "HTTP")))
        assert done.returncode == 0, done.stderr
        assert f"{url}/tester/made/runs/{run.run_id}" in done.stdout


def test_http_2_is_offered(tmp_path):
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    make_run(tmp_path, 1, rows=5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    chosen: list[Optional[str]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                chosen.append(secured.selected_alpn_protocol())

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        sync(
            tmp_path,
            environment(tmp_path, WANDB_BASE_URL=url, WANDB_API_KEY="k" * 40, SSL_CERT_FILE=str(certificate)),
            "--retry-for",
            "0",
        )
        thread.join(DEADLINE)
    assert chosen == ["h2"]


class _Watching(StrictServer):
    """Keeps each request, and takes an identity's token in place of the key."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.path == "/oidc/token":
            return Answer(body={"access_token": "given.for.it", "expires_in": 3600})
        if request.headers.get("Authorization") == "Bearer given.for.it":
            key = base64.b64encode(f"api:{self.key}".encode()).decode()
            request = Request(
                request.method,
                request.path,
                {**dict(request.headers.items()), "Authorization": f"Basic {key}"},
                request.body,
            )
        return super().answer(request)


def test_headers_of_the_users_are_on_every_request(tmp_path):
    run = make_run(tmp_path, 1, rows=5)
    with _Watching() as server:
        done = sync(tmp_path, environment(tmp_path, server, WANDB_X_EXTRA_HTTP_HEADERS='{"X-Gate": "open"}'))
        assert done.returncode == 0, done.stderr
        run.assert_on(server)
        assert {request.headers.get("X-Gate") for request in server.requests} == {"open"}
        assert not server.violations


def test_an_identity_is_exchanged_as_wandbs_own_client_does_it(tmp_path):
    token = tmp_path / "token"
    token.write_text("head.body.sign\n")
    exchanges = []
    for number, ours in ((1, True), (2, False)):
        run = make_run(tmp_path / str(number), number, rows=5)
        with _Watching() as server:
            if ours:
                given = environment(tmp_path, WANDB_BASE_URL=server.url, WANDB_IDENTITY_TOKEN_FILE=str(token))
                done = sync(tmp_path / "1", given)
            else:
                given = {"WANDB_BASE_URL": server.url, "WANDB_IDENTITY_TOKEN_FILE": str(token)}
                done = run_wandb(["sync", str(run.log.parent)], DEADLINE, **given)
            assert done.returncode == 0, done.stderr
            assert len(server.run(run.run_id).rows) == 5
            assert not server.violations
            asked = [request for request in server.requests if request.path == "/oidc/token"]
            assert len(asked) >= 1
            exchanges.append((asked[0].method, asked[0].headers["Content-Type"], asked[0].body.strip()))
    assert exchanges[0] == exchanges[1]


# --- flarebridge login ---


def test_a_login_is_found_by_wandbs_package_and_leaves_all_else_as_it_was(tmp_path):
    (tmp_path / ".netrc").write_text(_OTHERS)
    with StrictServer() as server:
        done = _login(tmp_path, "--host", server.url.replace("http", "HTTP"), "-", key=f" {server.key}\n")
        assert done.returncode == 0, done.stderr
        assert done.stdout == (
            f"logged in to {server.url} as tester; the key is in {tmp_path}/.netrc\n"
            f"{server.url} is the server from now on ({tmp_path}/.config/wandb/settings)\n"
        )
        assert server.key not in done.stdout + done.stderr
        machine = server.url.removeprefix("http://")
        entry = f"machine {machine}\n  login user\n  password {server.key}\n"
        assert (tmp_path / ".netrc").read_text() == _OTHERS + entry
        assert stat.S_IMODE((tmp_path / ".netrc").stat().st_mode) == 0o600
        assert _as_wandb_finds_it(tmp_path) == {"url": server.url, "key": server.key}
        check = _login(tmp_path, "--check")
        assert (check.returncode, check.stdout) == (
            0,
            f"{server.url}: tester, by the key from {tmp_path}/.netrc, line 4\n",
        )
        again = _login(tmp_path, "--host", server.url, key=server.key)
        assert again.returncode == 0, again.stderr
        assert (tmp_path / ".netrc").read_text() == _OTHERS + entry


def test_a_login_goes_to_the_file_that_wandbs_client_takes(tmp_path):
    with StrictServer() as server:
        (tmp_path / "_netrc").write_text(_OTHERS)
        assert _login(tmp_path, "--host", server.url, key=server.key).returncode == 0
        assert not (tmp_path / ".netrc").exists()
        elsewhere = tmp_path / "elsewhere"
        assert _login(tmp_path, "--host", server.url, key=server.key, NETRC=str(elsewhere)).returncode == 0
        assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600
        # A link stays a link.
        (tmp_path / ".netrc").symlink_to("dotfiles")
        (tmp_path / "dotfiles").write_text("")
        assert _login(tmp_path, "--host", server.url, key=server.key).returncode == 0
        assert (tmp_path / ".netrc").is_symlink()
        assert server.key in (tmp_path / "dotfiles").read_text()


def test_a_login_to_wandb_itself_takes_another_servers_name_out(tmp_path):
    settings = tmp_path / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\n# mine\nentity = me\nbase_url = http://old:8080\n")
    done = _login(tmp_path, "--host", "https://api.wandb.ai", "--no-verify", key="k" * 40)
    assert (done.returncode, done.stdout) == (0, f"not checked; the key is in {tmp_path}/.netrc\n")
    assert settings.read_text() == "[default]\n# mine\nentity = me\n"


@pytest.mark.parametrize(
    ("key", "status", "words"),
    [
        ("b" * 40, 78, "does not accept the API key from this login"),
        ("short", 78, "an API key has 40 letters or more; this one has 5"),
        ("two words", 78, "letters, digits"),
        ("", 66, "no API key came"),
    ],
)
def test_what_is_no_key_of_the_servers_is_not_stored(tmp_path, key, status, words):
    with StrictServer() as server:
        done = _login(tmp_path, "--host", server.url, key=key)
        assert done.returncode == status
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert not key or key not in done.stderr
        assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_told_with_what_helps(tmp_path):
    done = _login(tmp_path, "--host", "http://127.0.0.1:1", key="k" * 40)
    assert done.returncode == 75
    assert "nothing was stored. --no-verify stores the key unchecked" in done.stderr
    assert not (tmp_path / ".netrc").exists()


def _read_until(terminal: int, words: bytes) -> bytes:
    shown, deadline = b"", time.monotonic() + DEADLINE
    while words not in shown:
        assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_a_key_that_is_typed_is_not_shown(tmp_path):
    with StrictServer() as server:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [BINARY, "login", "--host", server.url],
            env=environment(tmp_path),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=tmp_path,
        )
        os.close(theirs)
        try:
            shown = _read_until(ours, b"authorize): ")
            os.write(ours, f"{server.key}\n".encode())
            shown += _read_until(ours, b"/settings)")
            assert process.wait(DEADLINE) == 0, shown
        finally:
            process.kill()
            process.wait()
            os.close(ours)
        assert b"as tester" in shown
        assert server.key.encode() not in shown
        assert server.key in (tmp_path / ".netrc").read_text()
