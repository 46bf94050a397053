"""Uses an installed flarebridge without NVFlare and wandb: a run is written, listed, and uploaded over https.

    use.py FOLDER

Run by check.sh in a bare root, as an ordinary user, beside the tests' bridge_driver.py and strict_server.py.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

from bridge_driver import Driver
from strict_server import StrictServer

_ROWS = 500


def _flarebridge(*words: str, **environment: str) -> str:
    """What the command prints, by the name that pip has put beside this Python."""
    command = [str(Path(sys.executable).parent / "flarebridge"), *words]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stderr}"
    return done.stdout


def _write_run(folder: Path) -> "list[float]":
    """Gives what was logged."""
    values = [1 / (step + 1) for step in range(_ROWS)]
    with Driver(folder, {"wandb": {"project": "bare", "entity": "tester"}}) as driver:
        driver.start_run("site-1")
        for step, value in enumerate(values):
            assert driver.data("site-1", "METRIC", "loss", value, step), "an event was not taken"
        driver.end()
    return values


def _encrypt(server: StrictServer, folder: Path) -> Path:
    """Puts a certificate of its own on the server. Gives the file of the authority."""
    key, authority = folder / "server.key", folder / "authority.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
         "-out", str(authority)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, key)
    context.set_alpn_protocols(["http/1.1"])
    server.use_tls(context)
    return authority


def main() -> int:
    folder = Path(sys.argv[1])
    print(_flarebridge("--version", "--verbose"), end="")
    values = _write_run(folder / "runs")
    (run,) = json.loads(_flarebridge("show", "--json", str(folder / "runs")))
    shown = json.loads(_flarebridge("show", "--json", run["log"]))
    assert [row["loss"] for row in shown["rows"]] == values, "show tells other values than were logged"
    with StrictServer() as server:
        authority = _encrypt(server, folder)
        account = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.key, "HOME": str(folder)}
        _flarebridge("sync", str(folder / "runs"), SSL_CERT_FILE=str(authority), **account)
        assert [row["loss"] for row in server.run(run["id"]).rows] == values, "the server has other values"
        assert not server.violations, server.violations
    print(f"use: Python {sys.version.split()[0]}: {len(values)} rows written, listed and uploaded over https")
    shutil.rmtree(folder / "runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
