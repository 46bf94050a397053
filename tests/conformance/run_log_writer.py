"""A tiny writer of W&B run logs from W&B's protobuf classes, for tests that need a log made to measure.

It is no model of a good writer: it makes whatever it is told to, so that readers and `wandb sync` can be
asked what they accept.
"""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union

from run_log import BLOCK_BYTES, CHUNK_HEADER, FILE_HEADER, FIRST, FULL, LAST, MIDDLE
from wandb.proto import wandb_internal_pb2 as pb

START_SECONDS = 1_700_000_000  # since the epoch: when the runs of the builders below begin


def container(payloads: Iterable[bytes]) -> bytes:
    """A log's bytes: the file's header and each payload as a record."""
    log = bytearray(FILE_HEADER)
    for payload in payloads:
        rest = memoryview(payload)  # a slice of it copies nothing: records of 70 MiB are cut 2,240 times
        kinds = (FULL, FIRST)
        while True:
            room = BLOCK_BYTES - len(log) % BLOCK_BYTES
            if room < CHUNK_HEADER.size:
                log += bytes(room)
                room = BLOCK_BYTES
            part, rest = rest[: room - CHUNK_HEADER.size], rest[room - CHUNK_HEADER.size :]
            kind = kinds[1] if rest else kinds[0]
            log += CHUNK_HEADER.pack(zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind)
            log += part
            kinds = (LAST, MIDDLE)
            if not rest:
                break
    return bytes(log)


def write_run(folder: Path, run_id: str, records: Iterable[Union[pb.Record, bytes]]) -> Path:
    """Makes a run folder below `folder`, with the records numbered from 1. Gives the log's path.

    Bytes among the records stand for a serialized record and are written as they are.
    """
    run_folder = folder / f"offline-run-20231114_221320-{run_id}"
    run_folder.mkdir(parents=True)
    payloads = []
    for number, record in enumerate(records, 1):
        if isinstance(record, pb.Record):
            record.num = number
            payloads.append(record.SerializeToString())
        else:
            payloads.append(record)
    log = run_folder / f"run-{run_id}.wandb"
    log.write_bytes(container(payloads))
    return log


def header() -> pb.Record:
    """The record that begins a log."""
    return pb.Record(header=pb.HeaderRecord(version_info=pb.VersionInfo(producer="test", min_consumer="0.70.0")))


def run_record(run_id: str, **fields: Any) -> pb.Record:
    """A run record of the project "made" with a start time, and RunRecord's fields as given."""
    record = pb.Record(run=pb.RunRecord(**{"run_id": run_id, "project": "made", **fields}))
    record.run.start_time.seconds = START_SECONDS
    return record


def history(step: int, values: dict[str, Any]) -> pb.Record:
    """A row. Floats may be NaN or infinite."""
    record = pb.Record(history=pb.HistoryRecord(step=pb.HistoryStep(num=step)))
    for key, value in {
        **values,
        "_step": step,
        "_runtime": float(step),
        "_timestamp": START_SECONDS + step,
    }.items():
        record.history.item.add(nested_key=[key], value_json=json.dumps(value))
    return record


def summary_update(values: dict[str, Any]) -> pb.Record:
    """New values in the summary."""
    record = pb.Record(summary=pb.SummaryRecord())
    for key, value in values.items():
        record.summary.update.add(nested_key=[key], value_json=json.dumps(value))
    return record


def exit_record(code: int = 0) -> pb.Record:
    """The record that ends a run."""
    return pb.Record(exit=pb.RunExitRecord(exit_code=code, runtime=1))


def with_unknown_field(record: pb.Record, number: int, content: bytes) -> pb.Record:
    """The record with a length-delimited field that W&B does not know. content: up to 127 bytes."""
    tag, encoded = number << 3 | 2, bytearray()
    while tag > 0x7F:
        encoded.append(tag & 0x7F | 0x80)
        tag >>= 7
    encoded.append(tag)
    return pb.Record.FromString(record.SerializeToString() + bytes([*encoded, len(content)]) + content)
