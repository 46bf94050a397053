"""W&B's own tools, run on folders that flarebridge wrote: its upload, its log reader, its records."""

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as pb

_BLOCK = 32768
_HEADER = b":W&B\xe1\xbe\x00"
_DEADLINE = 120  # seconds that one of W&B's commands may take


class DamagedLog(Exception):
    """A log that is not as W&B's format demands."""

    may_pass = True  # while it is written, it may be whole in a moment


def records(path: Path) -> Iterator[pb.Record]:
    """The records of a run log, parsed by W&B's own protobuf classes.

    Strict: every checksum, every padding byte and the end of the file must be right. Raises DamagedLog.
    """
    log = path.read_bytes()
    if log[:7] != _HEADER:
        raise DamagedLog(f"{path} begins with {log[:7]!r}")
    offset, content = 7, None
    while offset < len(log):
        room = _BLOCK - offset % _BLOCK
        if room < 7:
            if log[offset : offset + room].strip(b"\0"):
                raise DamagedLog(f"{path}: padding at {offset} is not zero")
            offset += room
            continue
        checksum, size, kind = struct.unpack("<IHB", log[offset : offset + 7])
        payload = log[offset + 7 : offset + 7 + size]
        if len(payload) < size or size > room - 7:
            raise DamagedLog(f"{path}: the chunk at {offset} is cut")
        if zlib.crc32(bytes([kind]) + payload) != checksum:
            raise DamagedLog(f"{path}: the chunk at {offset} has a wrong checksum")
        if (kind in (1, 2)) != (content is None):
            raise DamagedLog(f"{path}: a chunk of kind {kind} at {offset} does not join")
        content = payload if content is None else content + payload
        offset += 7 + size
        if kind in (1, 4):
            record = pb.Record()
            record.ParseFromString(content)
            content = None
            yield record
    if content is not None:
        raise DamagedLog(f"{path} ends within a record")


def _key(item: Any) -> str:
    return ".".join(item.nested_key) or item.key


def rows(path: Path) -> list[dict[str, Any]]:
    """The history rows of a log: key (components joined by '.') -> value."""
    return [
        {_key(item): json.loads(item.value_json) for item in record.history.item}
        for record in records(path)
        if record.WhichOneof("record_type") == "history"
    ]


def summary(path: Path) -> dict[str, Any]:
    """The summary as it stands at the log's end."""
    merged: dict[str, Any] = {}
    for record in records(path):
        for item in record.summary.update:
            merged[_key(item)] = json.loads(item.value_json)
    return merged


def _run_records(path: Path) -> list[pb.RunRecord]:
    return [record.run for record in records(path) if record.WhichOneof("record_type") == "run"]


def run_of(path: Path) -> pb.RunRecord:
    """The newest run record."""
    return _run_records(path)[-1]


def logs_below(folder: Path) -> dict[str, Path]:
    """The run logs below a folder by their display name.

    Without those that were set aside as damaged, and those that a worker has opened and not named yet.
    """
    logs = [path for path in sorted(folder.rglob("run-*.wandb")) if ".damaged" not in path.parent.name]
    return {runs[-1].display_name: path for path in logs if (runs := _run_records(path))}


def _environment(home: Path, **more: str) -> dict[str, str]:
    """An environment of its own: nothing of the user's wandb settings, and no words to W&B's own servers."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "WANDB_CONFIG_DIR": str(home / "config"),
        "WANDB_CACHE_DIR": str(home / "cache"),
        "WANDB_DATA_DIR": str(home / "data"),
        "WANDB_ERROR_REPORTING": "false",
        **more,
    }


def _wandb(arguments: list[str], home: Path, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "wandb", *arguments]
    return subprocess.run(
        command, env=_environment(home, **environment), cwd=home, capture_output=True, text=True, timeout=_DEADLINE
    )


def sync(folder: Path, url: str, key: str, home: Path) -> subprocess.CompletedProcess:
    """`wandb sync` of a run folder to a server. `home`: an empty folder of the test's."""
    return _wandb(["sync", str(folder)], home, WANDB_BASE_URL=url, WANDB_API_KEY=key)


def inspect(path: Path, home: Path) -> list[dict[str, Any]]:
    """The records of a log as W&B's own reader (`wandb leet inspect`) gives them."""
    done = _wandb(["leet", "inspect", "--json", str(path)], home)
    if done.returncode != 0:
        raise DamagedLog(f"{path}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
