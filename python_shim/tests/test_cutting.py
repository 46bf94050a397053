"""Limits of an event: the shim counts them as the bridge does, and nothing is lost that can be cut."""

import time

import msgpack
import numpy as np
import pytest
from flarebridge.cutting import MAX_CONFIG_BYTES, MAX_ROW_BYTES, Parts, cut
from flarebridge.events import MAX_EVENT_BYTES, MAX_NODES, Encoder, EventRejected, Record


def _record(value, kind: str = "METRICS", step=7, tag: str = "metrics", extra=None) -> Record:
    return Record(kind, "WANDB", tag, value, step, None, extra)


def _cut(value, **more) -> tuple[list, list]:
    events, left_out = cut(Encoder(), 1.5, "site-1", _record(value, **more))
    assert all(len(event) <= MAX_EVENT_BYTES for event in events)
    return [msgpack.unpackb(event) for event in events], left_out


def _joined(into: dict, values: dict) -> dict:
    """As the bridge joins records of one step: at their leaves."""
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _joined(into[key], value)
        else:
            assert key not in into
            into[key] = value
    return into


def _nested(depth: int):
    value = 1.0
    for _ in range(depth):
        value = {"a": value}
    return value


def _fits(value) -> bool:
    try:
        Encoder().data(1.0, "s", "METRICS", "WANDB", "m", value, 1)
    except EventRejected:
        return False
    return True


def test_an_event_may_be_as_deep_wide_and_large_as_the_bridge_takes_it():
    assert _fits(_nested(15))  # the event itself is the sixteenth
    assert not _fits(_nested(16))
    # The event, its eight fields, and of the value the dict itself, keys and numbers.
    most = (MAX_NODES - 9) // 2
    assert _fits({f"{i}": 1 for i in range(most)})
    assert not _fits({f"{i}": 1 for i in range(most + 1)})
    room = MAX_EVENT_BYTES - len(Encoder().data(1.0, "s", "METRICS", "WANDB", "m", "x" * 70000, 1)) + 70000
    assert _fits("x" * room)
    assert not _fits("x" * (room + 1))


def test_a_wide_dict_becomes_events_of_one_step_and_one_time():
    value = {f"layer{i}/weight/norm": 0.5 + i for i in range(40000)}
    events, left_out = _cut(value)
    assert left_out == []
    assert len(events) > 1
    assert {tuple(event[:6]) + (event[7],) for event in events} == {(2, 1.5, "site-1", 4, 3, "metrics", 7)}
    whole: dict = {}
    for event in events:
        _joined(whole, event[6])
    assert whole == value
    assert list(whole) == list(value)


def test_what_addresses_receivers_goes_with_every_part():
    events, _ = _cut({f"k{i}": 0.5 for i in range(40000)}, extra={"receivers": ["wandb"]})
    assert {tuple(event[9]) for event in events} == {("wandb",)}


def test_a_nested_dict_of_metrics_is_cut_at_its_own_keys():
    value = {"layers": {f"layer{i}": {"mean": 0.5, "norm": float(i)} for i in range(30000)}, "loss": 1.0}
    events, left_out = _cut(value)
    assert left_out == []
    whole: dict = {}
    for event in events:
        _joined(whole, event[6])
    assert whole == value


def test_a_config_is_cut_by_keys_and_a_key_is_never_divided():
    value = {f"key{i}": {"a": "x" * 100_000, "b": 1} for i in range(30)}
    events, left_out = _cut(value, kind="PARAMETERS")
    assert left_out == []
    whole: dict = {}
    for event in events:
        whole.update(event[6])
    assert whole == value
    events, left_out = _cut({"large": {f"k{i}": "x" * 1000 for i in range(2000)}, "lr": 0.1}, kind="PARAMETERS")
    assert [one.name for one in left_out] == ["large"]
    assert [event[6] for event in events] == [{"lr": 0.1}]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("x" * (MAX_EVENT_BYTES + 1), "characters"),
        (b"x" * (MAX_EVENT_BYTES + 1), "characters"),
        (np.zeros(MAX_NODES + 1), "elements"),
        (list(range(MAX_NODES + 1)), "values"),
        (_nested(20), "deeper"),
    ],
    ids=["text", "bytes", "array", "list", "depth"],
)
def test_one_value_that_can_not_be_cut_is_left_out_and_the_others_arrive(value, why):
    events, left_out = _cut({"before": 1.0, "odd": value, "after": 2.0})
    whole: dict = {}
    for event in events:
        _joined(whole, event[6])
    assert whole == {"before": 1.0, "after": 2.0}
    (one,) = left_out
    assert one.name.split("/")[0] == "odd"
    assert why in one.why


def test_a_record_without_a_dict_is_left_out_by_its_tag():
    events, left_out = _cut("x" * (MAX_EVENT_BYTES + 1), kind="TEXT", tag="note")
    assert events == []
    assert [one.name for one in left_out] == ["note"]


@pytest.mark.parametrize(("kind", "limit"), [("METRICS", MAX_ROW_BYTES), ("PARAMETERS", MAX_CONFIG_BYTES)])
def test_beyond_what_wandb_takes_at_once_values_are_left_out(kind, limit):
    value = {f"k{i}": "x" * 500_000 for i in range(limit // 500_000 + 5)}
    events, left_out = _cut(value, kind=kind)
    sent = sum(len(text) for event in events for text in event[6].values())
    assert limit - 1_500_000 < sent <= limit
    assert len(left_out) + sum(len(event[6]) for event in events) == len(value)
    assert f"{limit // 1_000_000} MB" in left_out[0].why


def test_sizes_are_looked_at_before_anything_is_made_of_a_value():
    large = np.zeros(30_000_000)  # 240 MB; as a list 1 GB
    pixels = np.zeros((4000, 4000, 3), np.float32)
    began = time.process_time()
    for value, kind in ((large, "METRIC"), ({"a": large}, "METRICS"), (pixels, "IMAGE"), ("x" * 50_000_000, "TEXT")):
        with pytest.raises(EventRejected):
            Encoder().data(1.0, "s", kind, "WANDB", "m", value)
    assert time.process_time() - began < 0.2


class _Buffer:
    def __init__(self):
        self.events, self.drops = [], []

    def put(self, event: bytes) -> int:
        self.events.append(event)
        return len(self.events)

    def count_drop(self, reason: str) -> None:
        self.drops.append(reason)


def test_what_is_left_out_is_named_at_once_counted_each_time_and_told_once():
    said: list = []
    parts, buffer = Parts(lambda level, text: said.append((level, text))), _Buffer()
    for step in range(5):
        record = _record({"loss": 1.0, "embedding": np.zeros(100_000)}, step=step)
        parts.put(buffer, Encoder(), 1.0, "s", record)
    assert len(buffer.events) == 5
    assert buffer.drops == ["no event can hold it"] * 5
    ((level, text),) = said
    assert level == "warning"
    assert "'embedding'" in text
    assert "100000 elements" in text


def test_names_that_are_told_are_few_and_short():
    said: list = []
    parts, buffer = Parts(lambda level, text: said.append(text)), _Buffer()
    for call in range(300):
        large = {f"{call}-{i}" + "n" * 1000: np.zeros(100_000) for i in range(10)}
        parts.put(buffer, Encoder(), 1.0, "s", _record(large))
    assert len(said) == 100
    assert max(map(len, said)) < 1000
    assert "7 more" in said[0]
    assert len(buffer.drops) == 3000
