"""A reader of W&B run logs (`.wandb` files) for tests, and W&B's own reader beside it.

The container is read by code of the tests' own, written from the description of the format and strict where
W&B's reader is lenient: every checksum, every padding byte and every joint of chunks must be right. The
records in it are parsed by W&B's protobuf classes. `inspect_with_wandb` lets W&B's tool read the same file.

A log ends in one of three ways:
  clean    behind its last whole record
  torn     in the midst of a record, as a killed writer leaves it: what is there is right, but not whole
  corrupt  somewhere there are bytes that no writer of the format leaves, however early it was stopped
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Optional, Union

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2 as pb
from wandb_command import run_wandb

FILE_HEADER = b":W&B\xe1\xbe\x00"  # ident, magic 0xBEE1 in little endian, version 0
BLOCK_BYTES = 32768
CHUNK_HEADER = struct.Struct("<IHB")  # CRC-32 of kind and payload, payload's length, kind
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class End(Enum):
    """How a log ends."""

    CLEAN = "clean"
    TORN = "torn"
    CORRUPT = "corrupt"


class DamagedLogError(Exception):
    """A log that does not end cleanly. `scan` tells what stands before the damage."""

    def __init__(self, path: Path, found: "Scan"):
        super().__init__(f"{path}: {found.end.value} at byte {found.offset}: {found.reason}")
        self.scan = found


class TornLogError(DamagedLogError):
    """A log that ends in the midst of a record."""


class CorruptLogError(DamagedLogError):
    """A log with bytes that no writer of the format leaves."""


@dataclass
class Scan:
    """A log, read up to its end or its first damage.

    offset: in bytes. At a clean end the file's size; of a torn log the beginning of the torn record, to which
        the file has to be cut (0 if the file's own header is torn); of a corrupt one the place of the damage.
    ends: for each record the byte behind it.
    """

    records: list[pb.Record] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    end: End = End.CLEAN
    offset: int = 0
    reason: str = ""


class _Stop(Exception):
    """Ends a scan."""

    def __init__(self, end: End, offset: int, reason: str):
        super().__init__(reason)
        self.end, self.offset, self.reason = end, offset, reason


def _payloads(log: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The log's records as (first byte, byte behind it, payload). Raises _Stop at any end."""
    if log[: len(FILE_HEADER)] != FILE_HEADER:
        if FILE_HEADER.startswith(log):
            raise _Stop(End.TORN, 0, "the file's header is not whole")
        raise _Stop(End.CORRUPT, 0, f"the file begins with {log[: len(FILE_HEADER)]!r}")
    at = start = whole = len(FILE_HEADER)
    parts: list[bytes] = []
    while at < len(log):
        room = BLOCK_BYTES - at % BLOCK_BYTES
        if room < CHUNK_HEADER.size:
            padding = log[at : at + room]
            if any(padding):
                raise _Stop(End.CORRUPT, at, "a block's padding is not zero")
            if len(padding) < room:
                raise _Stop(End.TORN, start if parts else whole, "a block's padding is not whole")
            at += room
            continue
        header = log[at : at + CHUNK_HEADER.size]
        if len(header) < CHUNK_HEADER.size:
            raise _Stop(End.TORN, start if parts else whole, "a chunk's header is not whole")
        checksum, size, kind = CHUNK_HEADER.unpack(header)
        if kind not in (FULL, FIRST, MIDDLE, LAST):
            raise _Stop(End.CORRUPT, at, f"a chunk of the unknown kind {kind}")
        if (kind in (FULL, FIRST)) == bool(parts):
            raise _Stop(End.CORRUPT, at, f"a chunk of kind {kind} {'inside' if parts else 'outside'} a record")
        behind = at + CHUNK_HEADER.size + size
        if size > room - CHUNK_HEADER.size:
            raise _Stop(End.CORRUPT, at, f"a chunk of {size} bytes crosses its block's end")
        if kind in (FIRST, MIDDLE) and behind % BLOCK_BYTES:
            raise _Stop(End.CORRUPT, at, f"a chunk of kind {kind} goes on before its block's end")
        if behind > len(log):
            raise _Stop(End.TORN, start if parts else whole, "a chunk's payload is not whole")
        payload = log[at + CHUNK_HEADER.size : behind]
        if zlib.crc32(payload, zlib.crc32(bytes([kind]))) != checksum:
            raise _Stop(End.CORRUPT, at, "a chunk's checksum is wrong")
        if not parts:
            start = at
        parts.append(payload)
        at = behind
        if kind in (FULL, LAST):
            yield start, at, b"".join(parts)
            parts, whole = [], at
    if parts:
        raise _Stop(End.TORN, start, "the last record is not whole")
    raise _Stop(End.CLEAN, at, "")


def scan(path: Path) -> Scan:
    """Reads a log as far as it is right, and tells how it ends. Raises nothing but OSError."""
    found = Scan()
    try:
        for start, behind, payload in _payloads(Path(path).read_bytes()):
            record = pb.Record()
            try:
                record.ParseFromString(payload)
            except DecodeError as error:
                raise _Stop(End.CORRUPT, start, f"no record: {error}") from None
            if record.WhichOneof("record_type") is None:
                raise _Stop(End.CORRUPT, start, "a record of no kind, which ends wandb-core")
            found.records.append(record)
            found.ends.append(behind)
    except _Stop as stop:
        found.end, found.offset, found.reason = stop.end, stop.offset, stop.reason
    return found


def read_records(path: Path) -> list[pb.Record]:
    """All records of a log that ends cleanly. Raises TornLogError, CorruptLogError."""
    found = scan(path)
    if found.end is End.TORN:
        raise TornLogError(path, found)
    if found.end is End.CORRUPT:
        raise CorruptLogError(path, found)
    return found.records


def kind_of(record: pb.Record) -> str:
    """What a record holds: the name of its field ("history", "run", ...)."""
    return record.WhichOneof("record_type") or ""


# --- what a log says; each takes a path, or the records (of a log that is damaged or still grows) ---

Log = Union[str, Path, Iterable[pb.Record]]


def _records(log: Log) -> Iterable[pb.Record]:
    return read_records(Path(log)) if isinstance(log, (str, Path)) else log


def _key(item: Any) -> str:
    return ".".join(getattr(item, "nested_key", ())) or item.key  # a StatsItem has only a key


def rows(log: Log) -> list[dict[str, Any]]:
    """The history: for each row key -> value, nested keys joined by ".", NaN and infinities as floats.

    Raises ValueError for a value that is not JSON and for a row with the same key twice.
    """
    found = []
    for record in _records(log):
        if kind_of(record) != "history":
            continue
        row = {_key(item): json.loads(item.value_json) for item in record.history.item}
        if len(row) != len(record.history.item):
            raise ValueError(f"record {record.num}: a key twice in a row of {sorted(map(_key, record.history.item))}")
        found.append(row)
    return found


def summary(log: Log) -> dict[str, Any]:
    """The summary at the log's end, keys and values as in `rows`."""
    merged: dict[str, Any] = {}
    for record in _records(log):
        for item in record.summary.update:
            merged[_key(item)] = json.loads(item.value_json)
        for item in record.summary.remove:
            merged.pop(_key(item), None)
    return merged


def _place(tree: dict[str, Any], item: Any) -> tuple[dict[str, Any], str]:
    """Where an item's value stands in a nested config: the innermost dict and the key in it."""
    *outer, last = item.nested_key or [item.key]
    for key in outer:
        tree = tree.setdefault(key, {})
    return tree, last


def config(log: Log) -> dict[str, Any]:
    """The config at the log's end, nested, with W&B's own part under "_wandb"."""
    merged: dict[str, Any] = {}
    for record in _records(log):
        change = record.run.config if kind_of(record) == "run" else record.config
        for item in change.update:
            place, last = _place(merged, item)
            place[last] = json.loads(item.value_json)
        for item in change.remove:
            place, last = _place(merged, item)
            place.pop(last, None)
    return merged


def run(log: Log) -> pb.RunRecord:
    """The newest run record. Raises LookupError if there is none."""
    found = [record.run for record in _records(log) if kind_of(record) == "run"]
    if not found:
        raise LookupError("a log without a run record")
    return found[-1]


def exit_code(log: Log) -> Optional[int]:
    """The exit record's code; None if the run has not ended."""
    codes = [record.exit.exit_code for record in _records(log) if kind_of(record) == "exit"]
    return codes[-1] if codes else None


def find_runs(folder: Path) -> list[Path]:
    """All run logs below a folder, in the order of their paths. Links (`latest-run`) are not followed."""
    return sorted(path for path in Path(folder).rglob("run-*.wandb") if path.is_file())


# --- W&B's own reader ---


@dataclass(frozen=True)
class Inspected:
    """What `wandb leet inspect --json` gave: the records, and its words on damage ("" for a clean end)."""

    records: list[dict[str, Any]]
    complaint: str


def inspect_with_wandb(path: Path, seconds: float = 60.0) -> Inspected:
    """Lets W&B's own tool read a log; `as_inspected` makes records comparable with what it gives.

    The tool ends with status 0 after a torn tail and leaves out what is corrupt: look at `complaint`.
    seconds: the deadline. Raises subprocess.TimeoutExpired; RuntimeError if the tool fails.
    """
    done = run_wandb(["leet", "inspect", "--json", str(Path(path).resolve())], seconds)
    if done.returncode != 0:
        raise RuntimeError(f"wandb leet inspect of {path} ended with {done.returncode}: {done.stderr}")
    return Inspected([json.loads(line) for line in done.stdout.splitlines()], done.stderr.strip())


def as_inspected(record: pb.Record) -> dict[str, Any]:
    """A record as `wandb leet inspect --json` gives it: items as an object, NaN as the text "NaN"."""
    kind = kind_of(record)
    message = getattr(record, kind)
    shown = MessageToDict(message, preserving_proto_field_name=True)
    if kind == "history":
        shown["item"] = _inspected_items(message.item)
        shown["step"] = {"num": message.step.num}
    elif kind == "stats":
        shown["item"] = _inspected_items(message.item)
    elif kind in ("summary", "config") and message.update:
        shown["update"] = _inspected_items(message.update)
    elif kind == "run" and message.config.update:
        shown["config"]["update"] = _inspected_items(message.config.update)
    elif kind == "exit":
        shown["exit_code"] = message.exit_code
    return {"num": record.num, "type": kind, kind: shown}


def _inspected_items(items: Iterable[Any]) -> dict[str, Any]:
    return {_key(item): json.loads(item.value_json, parse_constant=str) for item in items}
