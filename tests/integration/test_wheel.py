"""The wheel for any Linux, where packaging/build.sh has made it: what is in it, and that its programs work.

FLAREBRIDGE_WHEEL names another one.
"""

import os
import platform
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from bridge_driver import Driver
from strict_server import StrictServer
from uploads import environment, is_marked
from wandb_tools import logs_below, rows, run_of

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGING = _ROOT / "packaging"
_BUILT = _ROOT / "build" / "packaging"


def _wheel() -> Path:
    named = os.environ.get("FLAREBRIDGE_WHEEL")
    found = [Path(named)] if named else list((_BUILT / "dist").glob(f"flarebridge-*_{platform.machine()}.whl"))
    if not found:
        pytest.skip("packaging/build.sh has made no wheel for this machine here")
    return found[0]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the package and its command."""
    folder = tmp_path_factory.mktemp("installed")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*install, str(_wheel())], check=True, timeout=120)
    return folder


@pytest.fixture
def trusted(tmp_path) -> "tuple[ssl.SSLContext, Path]":
    """A server's side of TLS, and the authority that vouches for it."""
    key, authority = tmp_path / "server.key", tmp_path / "authority.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
         "-out", str(authority)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, key)
    context.set_alpn_protocols(["http/1.1"])
    return context, authority


def test_it_runs_on_any_linux_by_its_looks():
    wheel = _wheel()
    python = _BUILT / "python" / "bin" / "python"
    if not python.exists():
        pytest.skip("the tools of packaging/requirements.txt are not installed: packaging/build.sh does that")
    done = subprocess.run(
        [str(python), str(_PACKAGING / "check.py"), str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_it_tells_what_it_is_made_of(installed):
    done = subprocess.run(
        [str(installed / "bin" / "flarebridge"), "--version", "--verbose"],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    pins = [line.split()[1:3] for line in (_PACKAGING / "sources.txt").read_text().splitlines() if line[0] != "#"]
    assert pins
    for name, version in pins:
        assert f"{name} {version.split(':')[-1]}" in done.stdout


def test_its_bridge_writes_runs_and_its_uploads_arrive_over_https(tmp_path, monkeypatch, installed, trusted):
    program = installed / "flarebridge" / "bin" / "flarebridge"
    monkeypatch.setenv("FLAREBRIDGE_BINARY", str(program))
    with Driver(tmp_path / "runs", {"wandb": {"project": "made", "entity": "tester"}}) as driver:
        driver.start_run("site-1")
        for step in range(500):
            assert driver.data("site-1", "METRIC", "loss", 1 / (step + 1), step)
        driver.end()
    (log,) = logs_below(tmp_path / "runs").values()
    written = rows(log)
    assert [row["loss"] for row in written] == [1 / (step + 1) for step in range(500)]
    context, authority = trusted
    with StrictServer() as server:
        server.use_tls(context)
        sync = [str(installed / "bin" / "flarebridge"), "sync", str(tmp_path / "runs")]
        unknown = subprocess.run(
            sync, env=environment(tmp_path, server), capture_output=True, text=True, check=False, timeout=120
        )
        assert unknown.returncode == 1
        assert "SSL certificate problem" in unknown.stderr
        assert not server.calls
        environ = environment(tmp_path, server, SSL_CERT_FILE=str(authority))
        done = subprocess.run(sync, env=environ, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        assert server.run(run_of(log).run_id).rows == written
        assert not server.violations
    assert is_marked(log)
