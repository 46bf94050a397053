"""The encoder makes the bytes that the C++ decoder reads: both are held to the same examples."""

import enum
import json
import math
import random
import sys
import threading
from pathlib import Path

import msgpack
import numpy as np
import pytest
from flarebridge.events import MAX_EVENT_BYTES, NUMBER_KEY, Encoder, EventRejected, clean_name, record_of
from nvflare.apis.analytix import AnalyticsDataType

try:
    from nvflare.apis.analytix import LogWriterName
except ImportError:  # NVFlare 2.5
    from nvflare.app_common.tracking.tracker_types import LogWriterName

_VECTORS = Path(__file__).resolve().parents[2] / "events" / "vectors" / "events.json"
_TYPES = [
    "UNKNOWN", "SCALAR", "SCALARS", "METRIC", "METRICS", "PARAMETER", "PARAMETERS", "TAG", "TAGS", "TEXT", "IMAGE",
    "MODEL", "LOG_RECORD", "INIT_DATA", "MEDIA", "OPERATION",
]  # fmt: skip
_WRITERS = ["UNKNOWN", "TORCH_TB", "MLFLOW", "WANDB"]


def _value(written):
    """A vector's value: {"$float": "nan"} and {"$binary": hex} stand for what JSON lacks."""
    if isinstance(written, dict):
        if "$float" in written:
            return float(written["$float"])
        if "$binary" in written:
            return bytes.fromhex(written["$binary"])
        return {key: _value(item) for key, item in written.items()}
    return [_value(item) for item in written] if isinstance(written, list) else written


def _encode(event: dict) -> bytes:
    encoder = Encoder()
    kind, time = event["kind"], event["time"]
    if kind == "session_opened":
        fields = (event[name] for name in ("job", "run_name", "side", "folder", "receivers"))
        return encoder.session_opened(time, *fields, event.get("writer"))
    if kind == "run_started":
        return encoder.run_started(time, event["site"])
    if kind == "session_ended":
        return encoder.session_ended(time, event["exit_code"], event["reason"])
    extra = event["extra"]
    if event["receivers"]:
        extra = {**(extra or {}), "receivers": event["receivers"]}
    return encoder.data(
        time, event["site"], _TYPES[event["type"]], _WRITERS[event["writer"]], event["tag"], _value(event["value"]),
        event["step"], event["path"], extra,
    )  # fmt: skip


_ACCEPTED = [vector for vector in json.loads(_VECTORS.read_text())["accept"] if vector["event"]["kind"] != "run_ended"]


@pytest.mark.parametrize("vector", _ACCEPTED, ids=lambda vector: vector["name"])
def test_every_shared_example_encodes_to_its_bytes(vector):
    assert _encode(vector["event"]).hex() == vector["hex"]


class _Unknown:
    def __str__(self) -> str:
        return "an object"


class _Color(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (np.array([1, 2]), [1, 2]),
        ({"a": np.float32(0.25), 3: None}, {"a": 0.25, "3": None}),
        ((1, (2,)), [1, [2]]),
        ({1}, [1]),
        (1 << 70, float(1 << 70)),
        (10**400, str(10**400)),
        (_Color.RED, 1),
        (_Unknown(), "an object"),
        ({"nested": {"deep": np.int32(-1)}}, {"nested": {"deep": -1}}),
        ("bad \ud800 text", "bad ? text"),
        (b"\x00", b"\x00"),
    ],
)
def test_a_value_is_sent_as_what_is_nearest_to_it(value, sent):
    event = msgpack.unpackb(Encoder().data(1.0, "s", "METRICS", "WANDB", "m", value, 1), strict_map_key=False)
    assert event[6] == sent
    assert type(event[6]) is type(sent)


def test_torch_scalars_are_numbers():
    torch = pytest.importorskip("torch")
    event = msgpack.unpackb(Encoder().data(1.0, "s", "METRIC", "WANDB", "m", torch.tensor(0.5), 1))
    assert event[6] == 0.5


def test_infinities_and_nan_are_sent_as_floats():
    for number in (math.nan, math.inf, -math.inf):
        (sent,) = msgpack.unpackb(Encoder().data(1.0, "s", "METRIC", "WANDB", "m", number))[6:7]
        assert str(sent) == str(number)


def test_what_can_not_be_sent_is_rejected_and_the_next_event_is_not_touched_by_it():
    encoder = Encoder()
    circular: list = []
    circular.append(circular)
    for value in (circular, "x" * MAX_EVENT_BYTES):
        with pytest.raises(EventRejected):
            encoder.data(1.0, "s", "METRIC", "WANDB", "m", value)
    assert msgpack.unpackb(encoder.data(1.0, "s", "METRIC", "WANDB", "m", 1))[6] == 1


def test_both_spellings_of_a_writer_and_unknown_types_are_sent():
    encoder = Encoder()
    for name, code in (("WANDB", 3), ("WEIGHTS_AND_BIASES", 3), ("TORCH_TENSORBOARD", 1), ("NEW", 0)):
        assert msgpack.unpackb(encoder.data(1.0, "s", "METRIC", name, "m", 1))[4] == code
    event = msgpack.unpackb(encoder.data(1.0, "s", "HOLOGRAM", "WANDB", "m", 1))
    assert event[3] == 0
    assert event[10] == {"analytics_data_type": "HOLOGRAM"}


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("site-1", "site-1"),
        ("a\nb\0", "a_b_"),
        ("", "unknown"),
        ("é" * 300, "é" * 127),
        ("x\ud800", "x_"),
        (None, "None"),
    ],
)
def test_a_name_from_elsewhere_is_made_fit_for_the_wire(name, clean):
    assert clean_name(name) == clean


@pytest.mark.parametrize(
    ("value", "height", "width", "channels", "first"),
    [
        (np.full((2, 3), 7, np.uint8), 2, 3, 1, 7),
        (np.full((2, 30, 3), 1.0), 2, 30, 3, 255),
        (np.full((3, 20, 30), 0.5, np.float32), 20, 30, 3, 127),
        (np.full((4, 5, 4), 1000), 4, 5, 4, 255),
        ([[True, False]], 1, 2, 1, 1),
    ],
)
def test_pixels_of_every_layout_become_bytes_row_by_row(value, height, width, channels, first):
    event = msgpack.unpackb(Encoder().data(1.0, "s", "IMAGE", "TORCH_TB", "img", value, 1))
    sent = event[6]
    assert (sent["height"], sent["width"], sent["channels"], sent["data"][0]) == (height, width, channels, first)
    assert len(sent["data"]) == height * width * channels


def test_an_images_file_is_sent_as_it_is_and_no_image_is_refused():
    event = msgpack.unpackb(Encoder().data(1.0, "s", "IMAGE", "TORCH_TB", "img", b"\x89PNG...", 1))
    assert event[6] == b"\x89PNG..."
    for wrong in (np.zeros(3), np.zeros((2, 2, 2, 2)), np.zeros((1500, 1500))):
        with pytest.raises(EventRejected):
            Encoder().data(1.0, "s", "IMAGE", "TORCH_TB", "img", wrong, 1)


class _Color(enum.Enum):
    RED = 1


_VALUES = [
    0.5, 7, 1 << 70, -(1 << 70), True, None, "text", "\ud800", b"bytes", [1, 2], {"a": 1.5, "b": 2}, {1: 2.5},
    {"a": {2: 3}}, {"a": np.float32(1.5)}, np.float64(2.5), np.arange(3), {}, _Color.RED,
    {"a": "\ud800"}, "x" * MAX_EVENT_BYTES,
]  # fmt: skip
_ABSENT = object()


def _random_shareable(chance: random.Random) -> dict:
    """A record as writers of all NVFlare versions make it, or one that was tampered with."""
    step = chance.choice([None, 0, 7, True, np.int64(5), "8"])
    further = {"global_step": step, "path": "p", "mine": 1, NUMBER_KEY: ["w", 3]}
    data = {
        "track_key": chance.choice(["loss", "loss", "loss", 5, "\ud800"]),
        "track_value": chance.choice(_VALUES),
        "global_step": step,
        "path": chance.choice([_ABSENT, _ABSENT, None, "p"]),
        "analytics_kwargs": chance.choice(
            [_ABSENT, None, {}, {key: further[key] for key in further if chance.random() < 0.4}]
        ),
    }
    meta = {
        "analytics_data_type": chance.choice([*AnalyticsDataType, "METRIC", None, _ABSENT, _Color.RED]),
        "tracker_key": chance.choice([*LogWriterName, "WANDB", None, _ABSENT]),
    }
    parts = ({key: value for key, value in part.items() if value is not _ABSENT} for part in (data, meta))
    return {"DXO": dict(zip(("data", "meta"), parts))}


def _outcome(call):
    try:
        return call()
    except Exception as e:
        return type(e)


def test_a_record_is_encoded_by_the_short_way_as_by_the_long_one():
    chance = random.Random(7)
    short, long = Encoder(), Encoder()
    events = 0
    for _ in range(5000):
        shareable = _random_shareable(chance)

        def the_long_way(shareable=shareable):
            record, number = record_of(shareable)
            long._members.clear()  # nothing is remembered, so that every field is looked at
            return long.data(1.0, "s", *record), number

        expected = _outcome(the_long_way)
        assert _outcome(lambda shareable=shareable: short.record(1.0, "s", shareable)) == expected, shareable
        events += isinstance(expected, tuple)
    assert events > 1000


def test_threads_share_an_encoder():
    encoder, wrong = Encoder(), []

    def encode(site: str) -> None:
        for step in range(20000):
            event = encoder.data(
                1.0, site, AnalyticsDataType.METRICS, LogWriterName.WANDB, "m", {"a": 0.5, "b": 1}, step
            )
            if msgpack.unpackb(event) != [2, 1.0, site, 4, 3, "m", {"a": 0.5, "b": 1}, step]:
                wrong.append(event)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=encode, args=(f"site-{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


@pytest.mark.parametrize("value", [{"loss": 0.5}, {"deep": {"x": np.float32(1)}}, "a text", [1, 2]])
def test_each_record_of_a_labelled_writer_has_its_label_and_is_else_as_it_was(value):
    def fields(encoder, **more):
        return msgpack.unpackb(encoder.data(1.0, "s", _TYPES[4], _WRITERS[3], "metrics", value, 7, **more))

    labelled, plain = Encoder(label="rank0"), Encoder()
    for more in ({}, {"path": "a.txt"}, {"extra": {"x": 1}}):
        expected = [*fields(plain, **more), None, None, None][:11]
        expected[10] = {**(expected[10] or {}), "writer": "rank0"}
        assert fields(labelled, **more) == expected
