"""Reports for tests: made by the command, and read again; runs and images to make them of."""

import json
import re
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

from flarebridge.bridge_process import find_binary
from run_log_writer import exit_record, header, history, run_record, write_run

# What is meant to become a part of the page.
HOSTILE = '</script><img src=x onerror="hacked=1"><!--<script>\''


def report(*arguments: Any) -> subprocess.CompletedProcess:
    """Calls the command."""
    return subprocess.run(
        [find_binary(), "report", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def made(*arguments: Any, status: int = 0) -> subprocess.CompletedProcess:
    """The same, with the status that it must have."""
    done = report(*arguments)
    assert done.returncode == status, done.stderr
    return done


def data_of(page: str) -> dict:
    """What is in a report's page."""
    return json.loads(re.search(r'<script type="application/json" id="data"[^>]*>(.*?)</script>', page, re.S)[1])


def write(folder: Path, name: str, rows: list[dict], **fields: Any) -> Path:
    """A run of rows at steps 0, 1, 2, ... Gives its log."""
    records = [header(), run_record(name, **{"display_name": name, **fields})]
    return write_run(folder, name, [*records, *[history(i, row) for i, row in enumerate(rows)], exit_record()])


def png(width: int, height: int, *colors: tuple[int, int, int]) -> bytes:
    """An image whose pixels have these colours in turn."""
    pixels = [bytes(colors[i % len(colors)]) for i in range(width * height)]
    rows = b"".join(b"\0" + b"".join(pixels[y * width : (y + 1) * width]) for y in range(height))
    return _png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), zlib.compress(rows))


def huge_png(side: int) -> bytes:
    """One that claims to have so many pixels a side."""
    return _png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), zlib.compress(b"\0" * 100))


def _png(head: bytes, content: bytes) -> bytes:
    chunks = ((b"IHDR", head), (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
