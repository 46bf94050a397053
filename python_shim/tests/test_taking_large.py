"""Laws of large values of a site's script: they go behind the site's policy, where their records do, or nowhere."""

import numpy as np
import pytest
from flarebridge.audit import Audit
from flarebridge.buffer import EventBuffer
from flarebridge.cutting import Parts
from flarebridge.events import Encoder
from flarebridge.gate import Gate
from flarebridge.large import NO_WAY, Large
from flarebridge.policy import Policy
from flarebridge.rules import Rule
from flarebridge.spool import Spool
from flarebridge.taker import Taker

_IMAGE = {"_type": "image-file", "pixels": {"height": 1000, "width": 1000, "channels": 3, "data": b"x" * 3_000_000}}


class _Buffer(EventBuffer):
    def __init__(self, spool, room: int = 1 << 20):
        super().__init__(room)
        self.spool = spool

    def _wake(self) -> None:
        pass

    def _refusal(self) -> str:
        return "buffer full"


def _taker(tmp_path, rule: dict, buffer: EventBuffer) -> Taker:
    def report(level, text):
        pass

    gate = Gate(Policy([Rule.of(rule).with_defaults()]), Audit(str(tmp_path / "book"), "way", {}, report))
    return Taker(buffer, gate, Encoder(), Parts(report), "site-1")


def _large(value: dict) -> dict:
    return {**value, "pixels": {**value["pixels"], "data": Large(value["pixels"]["data"])}}


def _files(tmp_path) -> list:
    return [path for path in (tmp_path / "state").rglob("*") if path.is_file()]


def test_behind_the_policy_it_is_frozen_and_named(tmp_path):
    buffer = _Buffer(Spool(str(tmp_path / "state" / "spool"), "a" * 32))
    taker = _taker(tmp_path, {"kinds": ["images"], "max_bytes": 1 << 30}, buffer)
    assert taker.takes_large
    taker.take("MEDIA", "WANDB", "sample", _large(_IMAGE), 3, None, None)
    assert buffer.accepted == 1 and not buffer._dropped
    (file,) = _files(tmp_path)
    assert file.read_bytes() == _IMAGE["pixels"]["data"]
    assert file.name.encode() in buffer._queue[0]


@pytest.mark.parametrize("rule", [{"kinds": ["scalars"]}, {"exclude": "sam*"}, {"max_bytes": {"images": 2_000_000}}])
def test_what_may_not_leave_the_site_is_never_written(tmp_path, rule):
    buffer = _Buffer(Spool(str(tmp_path / "state" / "spool"), "a" * 32))
    _taker(tmp_path, rule, buffer).take("MEDIA", "WANDB", "sample", _large(_IMAGE), 3, None, None)
    assert buffer.accepted == 0 and sum(buffer._dropped.values()) == 1
    assert not _files(tmp_path)


def test_where_there_is_no_way_or_no_room_it_is_counted_and_nothing_is_left(tmp_path):
    rule = {"kinds": ["images"], "max_bytes": 1 << 30}
    without = _Buffer(None)
    taker = _taker(tmp_path, rule, without)
    assert not taker.takes_large
    taker.take("MEDIA", "WANDB", "sample", _large(_IMAGE), 3, None, None)
    assert without._dropped == {NO_WAY: 1}

    full = _Buffer(Spool(str(tmp_path / "state" / "spool"), "a" * 32), room=10)
    _taker(tmp_path, rule, full).take("MEDIA", "WANDB", "sample", _large(_IMAGE), 3, None, None)
    assert full._dropped == {"buffer full": 1} and not _files(tmp_path)


def test_an_image_beside_its_event_costs_no_encoding(tmp_path, monkeypatch):
    from flarebridge.wandb.image import Image
    from flarebridge.wandb.media import Room, media_of
    from flarebridge.wandb.pixels import Pixels

    def refuse(_self):
        raise AssertionError("no PNG file is made in the script")

    monkeypatch.setattr(Pixels, "as_png", refuse)
    pixels = np.zeros((1024, 1024, 3), np.uint8)
    value = media_of(Image(pixels), lambda key, why: None, "key", Room(takes_large=True))
    assert value["pixels"]["data"] == pixels.tobytes()
