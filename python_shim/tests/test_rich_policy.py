"""What may leave a site of media, histograms, and what a script says of its run."""

import pytest
from flarebridge.judgement import Kept
from flarebridge.large import Large
from flarebridge.policy import Policy
from flarebridge.rules import Rule
from test_policy import _left, _policy, _record

_COUNTS = {"_type": "histogram", "values": [1, 2], "bins": [0.0, 0.5, 1.0]}
_TABLE = {
    "_type": "table-file", "columns": ["age", 3], "types": [["number"], ["string"]], "nrows": 1,
    "log_mode": "IMMUTABLE", "data": b"\x92\x01\xa1x",
}  # fmt: skip
_CHART = {"kind": "viz", "key": "shown", "value": {"id": "x"}}
_PIXELS = {"height": 1, "width": 2, "channels": 1, "data": b"ab"}


def test_a_histogram_is_one_value_of_a_kind_of_its_own():
    record = _record("METRICS", "metrics", {"loss": 0.5, "weights": _COUNTS, "n": {"grads": _COUNTS}})
    assert _policy().judge(record) == (record, [])
    left, kept = _left(_policy({"kinds": ["scalars", "texts"]}), record)
    assert left == {"loss": 0.5}
    assert kept == [Kept("weights", "histograms", "kind"), Kept("n/grads", "histograms", "kind")]
    left, kept = _left(_policy({"include": ["n.*"]}), record)
    assert left == {"n": {"grads": _COUNTS}}
    assert [one.name for one in kept] == ["loss", "weights"]
    assert _left(_policy({"max_bytes": {"histograms": 39}}), record)[0] == {"loss": 0.5}
    assert _left(_policy({"digits": 1, "include": "weights"}), record)[0] == {"weights": _COUNTS}


@pytest.mark.parametrize("more", [{"patient": 1}, {"values": ["a text"]}, {"bins": 3}, {"values": [{"patient": 1}]}])
def test_what_calls_itself_a_histogram_is_none_if_it_holds_more(more):
    record = _record("METRICS", "metrics", {"h": {**_COUNTS, **more}})
    assert _left(_policy({"kinds": ["histograms"]}), record)[0] is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"_type": "image-file", "data": b"x", "ext": ".png", "caption": "c"}, "images"),
        ({"_type": "image-file", "pixels": _PIXELS, "in": ["a"]}, "images"),
        ({"_type": "list", "items": [{"_type": "image-file", "pixels": _PIXELS}]}, "images"),
        ({"_type": "image-file", "data": b"x", "ext": ".png", "patients": "all"}, "files"),
        ({"_type": "image-file", "pixels": {**_PIXELS, "patients": "all"}}, "files"),
        ({"_type": "image-file", "pixels": _PIXELS, "masks": {"m": {"patients": "all"}}}, "files"),
        ({"_type": "list", "items": [{"_type": "html-file", "data": b"x"}]}, "files"),
        ({"_type": "list", "items": []}, "files"),
        ({"_type": "html-file", "data": b"x", "ext": ".html"}, "files"),
        (_TABLE, "tables"),
        ({**_TABLE, "chart": _CHART, "in": ["a"]}, "tables"),
        ({**_TABLE, "patients": "all"}, "files"),
        ("no map", "files"),
    ],
)
def test_media_leave_whole_by_their_name_and_their_kind(value, kind):
    record = _record("MEDIA", "sample", value)
    name = "a/sample" if isinstance(value, dict) and "in" in value else "sample"
    other = "files" if kind == "images" else "images"
    if isinstance(value, dict):
        assert _policy().judge(record) == (record, [])
    assert _policy({"kinds": [other, "texts"]}).judge(record)[0] is None
    left, kept = _policy({"exclude": "sample"}).judge(record)
    assert left is None and kept[0].name in (name, "sample")
    assert _policy({"include": ["other"]}).judge(record)[0] is None
    assert _policy({"include": [name], "kinds": [kind, "texts"]}).judge(record)[0] == (
        record if isinstance(value, dict) else None
    )


def test_an_image_leaves_without_its_texts_where_texts_stay():
    mask = {"height": 1, "width": 1, "data": b"\1", "class_labels": {"1": "cat"}}
    value = {"_type": "image-file", "pixels": _PIXELS, "caption": "c", "masks": {"m": mask}}
    value["boxes"] = {"b": {"box_data": []}}
    left, _ = _left(_policy({"kinds": ["images"]}), _record("MEDIA", "i", {"_type": "list", "items": [value]}))
    (item,) = left["items"]
    assert item == {"_type": "image-file", "pixels": _PIXELS, "masks": {"m": {"height": 1, "width": 1, "data": b"\1"}}}


def test_media_count_with_all_their_bytes():
    record = _record("MEDIA", "i", {"_type": "image-file", "pixels": {**_PIXELS, "data": bytes(100)}})
    assert _policy({"max_bytes": {"images": 99}}).judge(record)[1] == [Kept("i", "images", "size")]
    assert Policy([Rule.of({}).with_defaults()]).judge(record)[0] is record


@pytest.mark.parametrize(
    ("policy", "tag", "value", "left"),
    [
        ({"exclude": "patient*"}, "patient/*", {"op": "define_metric", "hidden": True}, None),
        (
            {"exclude": "patient*"},
            "loss",
            {"op": "define_metric", "step_metric": "patient", "summary": ["min", "x"], "goal": "minimize", "more": 1},
            {"op": "define_metric", "summary": ["min"], "goal": "minimize"},
        ),
        ({"include": "loss"}, "loss", {"op": "summary", "value": 1.5}, {"op": "summary", "value": 1.5}),
        ({"digits": 1}, "loss", {"op": "summary", "value": 1.26}, {"op": "summary", "value": 1.0}),
        ({"kinds": ["scalars"]}, "note", {"op": "summary", "value": "a text"}, None),
        ({"kinds": ["scalars"]}, "h", {"op": "summary", "value": _COUNTS}, None),
        ({"exclude": "id"}, "d", {"op": "summary", "value": {"id": 1, "n": 2}}, {"op": "summary", "value": {"n": 2}}),
        ({"kinds": ["scalars"]}, "g", {"op": "summary", "value": {"_type": "graph-file", "data": b"{}"}}, None),
        ({"kinds": ["scalars", "texts"]}, "g", {"op": "summary", "value": {"_type": "x-file", "a": "t"}}, None),
        (
            {"kinds": ["images"]},
            "i",
            {"op": "summary", "value": {"_type": "image-file", "pixels": _PIXELS, "caption": "c"}},
            {"op": "summary", "value": {"_type": "image-file", "pixels": _PIXELS}},
        ),
        ({"exclude": "loss"}, "loss", {"op": "summary_delete"}, None),
        (
            {"exclude": "notes"},
            "run",
            {"op": "run", "name": "n", "notes": "x", "tags": ["a", 1], "host": "h"},
            {"op": "run", "name": "n", "tags": ["a"]},
        ),
        ({"kinds": ["scalars", "texts"]}, "run", {"op": "run", "name": "n"}, None),
        (
            {"kinds": ["texts"]},
            "low",
            {"op": "alert", "text": "t", "level": "WARN", "more": 1},
            {"op": "alert", "text": "t", "level": "WARN"},
        ),
        ({"kinds": ["scalars"]}, "low", {"op": "alert", "text": "t"}, None),
        ({"include": "loss"}, "low", {"op": "alert", "text": "t"}, None),
        ({}, "x", {"op": "what is not known"}, None),
        ({}, "x", "no map", None),
    ],
)  # fmt: skip
def test_of_an_operation_only_what_is_known_leaves_and_by_its_names(policy, tag, value, left):
    assert _left(_policy(policy), _record("OPERATION", tag, value))[0] == left


def test_what_goes_beside_an_event_is_judged_by_its_kind_and_its_whole_size():
    def _of_site(rule: dict) -> Policy:
        return Policy([Rule.of(rule).with_defaults()])

    large = Large(b"x" * 3_000_000)
    image = _record("MEDIA", "sample", {"_type": "image-file", "pixels": {**_PIXELS, "data": large}})
    file = _record("OPERATION", "out/weights.bin", {"op": "save", "data": large})
    every = ["images", "files", "texts"]
    room, little = ({"kinds": every, "max_bytes": {"images": most, "files": most}} for most in (4_000_000, 2_000_000))
    name = "out/weights.bin"
    assert _of_site(room).judge(image) == (image, []) and _of_site(room).judge(file) == (file, [])
    assert _of_site(little).judge(image)[1] == [Kept("sample", "images", "size")]
    assert _of_site(little).judge(file)[1] == [Kept(name, "files", "size")]
    assert _of_site({**room, "kinds": ["files", "texts"]}).judge(image)[1] == [Kept("sample", "images", "kind")]
    assert _of_site({**room, "kinds": ["images"]}).judge(file)[1] == [Kept(name, "files", "kind")]
    assert _of_site({**room, "exclude": "weights*"}).judge(file)[0] is None


def test_a_table_stays_without_a_word_of_the_sites_and_whole_for_a_name_in_it():
    record = _record("MEDIA", "sample", {**_TABLE, "chart": _CHART})
    assert Policy([Rule.of({}).with_defaults()]).judge(record)[1] == [Kept("sample", "tables", "kind")]
    for name in ("age", "3", "shown"):
        assert _policy({"exclude": name}).judge(record) == (None, [Kept("sample", "tables", "name")])
    assert _policy({"exclude": "years"}).judge(record) == (record, [])
    assert _policy({"digits": 3}).judge(record) == (None, [Kept("sample", "tables", "kind")])
    assert _policy({"max_bytes": {"tables": 3}}).judge(record) == (None, [Kept("sample", "tables", "size")])
    assert _policy({"kinds": ["tables"]}).judge(record) == (record, [])
