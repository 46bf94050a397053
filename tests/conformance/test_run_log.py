"""The laws of the strict reader, on logs made to measure."""

import zlib
from pathlib import Path

import pytest
from run_log import (
    BLOCK_BYTES,
    CHUNK_HEADER,
    FILE_HEADER,
    FIRST,
    FULL,
    LAST,
    MIDDLE,
    End,
    Scan,
    config,
    rows,
    scan,
)
from run_log import run as run_of
from run_log_writer import container, header, history, run_record, summary_update
from wandb.proto import wandb_internal_pb2 as pb

_HEADER = header().SerializeToString()
_FIRST_ROOM = BLOCK_BYTES - len(FILE_HEADER) - CHUNK_HEADER.size  # payload that fills the first block


def _scan(folder: Path, log: bytes) -> Scan:
    path = folder / "run-x.wandb"
    path.write_bytes(log)
    return scan(path)


def _chunk(kind: int, payload: bytes) -> bytes:
    return CHUNK_HEADER.pack(zlib.crc32(bytes([kind]) + payload), len(payload), kind) + payload


def _record(size: int) -> bytes:
    """A serialized record of exactly this many bytes (a few hundred or more)."""
    record = pb.Record(output_raw=pb.OutputRawRecord(line=""))
    while record.ByteSize() < size:
        record.output_raw.line += "x" * max(1, size - record.ByteSize() - 8)
    assert record.ByteSize() == size
    return record.SerializeToString()


@pytest.mark.parametrize("left", range(9))
def test_a_block_may_end_with_any_room(tmp_path: Path, left: int):
    """0 to 6 bytes are padding; 7 hold a chunk without payload; 8 one of a byte."""
    log = container([_record(_FIRST_ROOM - left), _HEADER])
    found = _scan(tmp_path, log)
    assert (found.end, len(found.records), found.offset) == (End.CLEAN, 2, len(log))
    if 0 < left < CHUNK_HEADER.size:
        assert log[BLOCK_BYTES - left : BLOCK_BYTES] == bytes(left)
        damaged = bytearray(log)
        damaged[BLOCK_BYTES - 1] = 1
        found = _scan(tmp_path, bytes(damaged))
        assert (found.end, found.offset) == (End.CORRUPT, BLOCK_BYTES - left)


def test_a_record_over_four_blocks_is_one_record(tmp_path: Path):
    found = _scan(tmp_path, container([_HEADER, _record(3 * BLOCK_BYTES), _HEADER]))
    assert (found.end, len(found.records)) == (End.CLEAN, 3)


def test_an_empty_log_is_clean_and_an_empty_file_torn(tmp_path: Path):
    assert _scan(tmp_path, FILE_HEADER).end is End.CLEAN
    assert _scan(tmp_path, b"").end is End.TORN


@pytest.mark.parametrize(
    ("log", "offset"),
    [
        (b":W&B\xbe\xe1\x00", 0),
        (b":W&B\xe1\xbe\x01", 0),
        (b"x", 0),
        (FILE_HEADER + bytes(7), 7),
        (FILE_HEADER + _chunk(5, b""), 7),
        (FILE_HEADER + _chunk(MIDDLE, b"x"), 7),
        (FILE_HEADER + _chunk(LAST, b"x"), 7),
        (FILE_HEADER + _chunk(FIRST, b"x") + _chunk(LAST, b"x"), 7),
        (FILE_HEADER + CHUNK_HEADER.pack(0, BLOCK_BYTES, FULL), 7),
        (container([_record(_FIRST_ROOM + 9)])[:BLOCK_BYTES] + _chunk(FULL, _HEADER), BLOCK_BYTES),
        (container([_HEADER, b"\xff"]), 7 + 7 + len(_HEADER)),
        (container([_HEADER, b"\x08\x02"]), 7 + 7 + len(_HEADER)),
    ],
    ids=["magic", "version", "ident", "zeros", "kind", "middle without first", "last without first",
         "first that does not fill its block", "longer than its block", "full inside a record", "no protobuf",
         "a record of no kind"],
)  # fmt: skip
def test_what_no_writer_leaves_is_corruption(tmp_path: Path, log: bytes, offset: int):
    found = _scan(tmp_path, log)
    assert (found.end, found.offset) == (End.CORRUPT, offset), found.reason


def test_a_later_run_record_replaces_and_config_is_merged():
    first, second = run_record("r", tags=["a"]), run_record("r", tags=["b"])
    first.run.config.update.add(key="lr", value_json="0.1")
    first.run.config.update.add(nested_key=["model", "depth"], value_json="3")
    later = pb.Record(config=pb.ConfigRecord())
    later.config.update.add(nested_key=["model", "width"], value_json="[1]")
    later.config.remove.add(key="lr")
    assert list(run_of([first, second]).tags) == ["b"]
    assert config([first, second, later]) == {"model": {"depth": 3, "width": [1]}}


def test_a_key_twice_in_a_row_is_told():
    row = history(3, {"x": 1})
    assert rows([row, summary_update({"y": 1})])[0]["x"] == 1
    row.history.item.add(key="x", value_json="2")
    with pytest.raises(ValueError, match="twice"):
        rows([row])
