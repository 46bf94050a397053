"""What may leave a site, as a pure decision."""

import random

import numpy as np
import pytest
from flarebridge.events import Record
from flarebridge.judgement import Kept
from flarebridge.policy import Policy
from flarebridge.rules import KINDS, Rule

_ALL = Rule.of({"kinds": list(KINDS)}).with_defaults()


def _policy(*rules: dict) -> Policy:
    """Of a site that allows everything, and of what narrows it."""
    return Policy([_ALL, *map(Rule.of, rules)])


def _record(data_type: str, tag: str, value, path=None, extra=None) -> Record:
    return Record(data_type, "WANDB", tag, value, 1, path, extra)


def _left(policy: Policy, record: Record):
    left, kept = policy.judge(record)
    return (None if left is None else left.value), kept


@pytest.mark.parametrize(
    ("include", "exclude", "name", "allowed"),
    [
        (None, None, "loss", True),
        ("train/*", None, "train/loss", True),
        ("train/*", None, "loss", False),
        ("train/*", None, "Train/loss", False),
        (None, ["patient*", "*_id"], "patient_age", False),
        (None, ["patient*", "*_id"], "scan_id", False),
        (None, ["patient*", "*_id"], "loss", True),
        (["*"], ["secret"], "secret", False),
        ([], None, "loss", False),
        # Whatever form a name is given, exclude means it.
        (None, "Loss", "loss", False),
        (None, "patient*", "Patient_age", False),
        (None, "patient*", "val/patient_age", False),
        (None, "patient*", "val.patient_age", False),
        (None, "patient*", "a/b\\patient_age/mean", False),
        (None, "patient_age", "patient_age/mean", False),
        (None, "patient.age", "patient/age", False),
        (None, "patient*", "\uff50atient_age", False),
        (None, "patient*", "pat\u200bient_age", False),
        (None, "*.csv", "data/patients.CSV", False),
        (None, "patient*", "/".join(["a"] * 100), False),  # too many parts to be asked
        (None, "patient*", "impatient", True),
    ],
)
def test_a_name_is_excluded_in_every_form_and_included_in_its_own(include, exclude, name, allowed):
    fields = {"include": include, "exclude": exclude}
    policy = _policy({key: value for key, value in fields.items() if value is not None})
    for record in (_record("METRIC", name, 1.0), _record("METRICS", "metrics", {name: 1.0})):
        for _ in range(2):  # the second time it is remembered
            left, kept = policy.judge(record)
            assert left is (record if allowed else None)
            assert kept == ([] if allowed else [Kept(name, "scalars", "name")])


@pytest.mark.parametrize(
    "record",
    [
        _record("METRICS", "metrics", {"val/patient_age": 70}),
        _record("METRICS", "metrics", {"Patient_age": 70}),
        _record("METRICS", "patient_stats", {"age": 70}),
        _record("SCALARS", "patient_stats", {"age": 70}),
        _record("SCALARS", "val/patient", {"age": 70}),
        _record("PARAMETERS", "params", {"cohort": {"patient_ids": [1, 2]}}),
        _record("PARAMETER", "cohort", {"patient_ids": [1, 2]}),
        _record("PARAMETERS", "params", {"list": [{"patient_id": 1}, [{"patient_id": 2}]]}),
        _record("PARAMETERS", "params", {"array": np.array([{"patient_id": 1}], dtype=object)}),
        _record("TEXT", "text", "1,70", path="out/patients.csv"),
        _record("TEXT", "patients", "1,70"),
        _record("IMAGE", "patient_17", b"pixels"),
        _record("LOG_RECORD", "patient", "line"),
        _record("TAGS", "tags", {"patient": 1}),
        _record("MODEL", "patient_model", b"1"),
        _record("INIT_DATA", "init", {"patient": 1}),
        _record("PATIENT_DUMP", "dump", 1),
        _record("METRIC", "loss", {"a": {"b": {"patient": 1}}}),
    ],
)
def test_whatever_way_a_name_is_given_its_value_stays(record):
    policy = _policy({"exclude": "patient*"})
    left, kept = _left(policy, record)
    assert left is None
    assert {one.why for one in kept} == {"name"}


def test_of_nested_values_only_the_excluded_leaf_stays_and_a_prefix_takes_what_is_below():
    policy = _policy({"exclude": ["patient*", "cohort/secret"]})
    value = {
        "lr": 0.1,
        "cohort": {"size": 9, "patient_ids": [1], "secret": {"a": 1, "b": 2}},
        "l": [{"patient": 1, "k": 2}],
    }
    before = repr(value)
    left, kept = _left(policy, _record("PARAMETERS", "params", value))
    assert left == {"lr": 0.1, "cohort": {"size": 9}, "l": [{"k": 2}]}
    assert [one.name for one in kept] == ["cohort/patient_ids", "cohort/secret", "l/patient"]
    assert repr(value) == before


def test_an_included_dict_includes_what_is_below_and_its_record_s_own_tag_does_not():
    policy = _policy({"include": ["opt", "loss", "out/*"]})
    assert _left(policy, _record("PARAMETERS", "params", {"opt": {"lr": 1}, "x": 2}))[0] == {"opt": {"lr": 1}}
    assert _left(policy, _record("METRICS", "loss", {"x": 2}))[0] is None
    left, _ = policy.judge(_record("METRICS", "who", {"loss": 2, "x": 1}, extra={"note": "x", "receivers": ["wandb"]}))
    assert (left.tag, left.value, left.extra) == ("metrics", {"loss": 2}, {"receivers": ["wandb"]})
    left, _ = policy.judge(_record("SCALARS", "out", {"a": 2}))
    assert (left.tag, left.value) == ("out", {"a": 2})  # it may be "out/a" in the run
    left, _ = policy.judge(_record("SCALARS", "who", {"loss": 2}))
    assert (left.tag, left.value) == ("scalars", {"loss": 2})
    left, _ = policy.judge(_record("TEXT", "who", "t", path="out/a.txt"))
    assert (left.tag, left.path) == ("text", "out/a.txt")


def test_without_a_word_of_the_sites_files_and_console_stay_and_images_are_small():
    policy = Policy([Rule.of({}).with_defaults()])
    for record in (
        _record("METRICS", "m", {"a": 1, "note": "text"}),
        _record("PARAMETERS", "p", {"a": {"b": 1}}),
        _record("TAG", "t", "x"),
        _record("TEXT", "t", "x"),
        _record("IMAGE", "i", bytes(256 << 10)),
        _record("IMAGE", "i", np.zeros((200, 300, 3))),
    ):
        assert policy.judge(record) == (record, [])
    for record, why in (
        (_record("TEXT", "text", "x", path="a.txt"), Kept("a.txt", "files", "kind")),
        (_record("MODEL", "m", b"x"), Kept("m", "files", "kind")),
        (_record("LATER_TYPE", "m", b"x"), Kept("m", "files", "kind")),
        (_record("LOG_RECORD", "log", "x"), Kept("log", "console", "kind")),
        (_record("IMAGE", "i", bytes((256 << 10) + 1)), Kept("i", "images", "size")),
        (_record("IMAGE", "i", np.zeros((400, 300, 3))), Kept("i", "images", "size")),
        (_record("IMAGE", "i", np.zeros((400, 300, 3)).tolist()), Kept("i", "images", "size")),
        (
            _record("IMAGE", "i", {"height": 1, "width": 1, "channels": 1, "data": bytes(1 << 20)}),
            Kept("i", "images", "size"),
        ),
        (_record("IMAGE", "i", {"data": b"", "more": 1}), Kept("i", "files", "kind")),
    ):
        assert policy.judge(record) == (None, [why])


def test_a_text_among_numbers_is_a_text():
    policy = _policy({"kinds": ["scalars"]})
    left, kept = _left(policy, _record("METRICS", "m", {"a": 1.5, "note": "x", "l": [1, ["x"]], "b": b"x", "n": None}))
    assert left == {"a": 1.5, "n": None}
    assert [one.kind for one in kept] == ["texts"] * 3


def test_what_has_left_before_opens_no_way_for_anything_else():
    policy = _policy({"include": ["loss"], "kinds": ["scalars", "texts"]}, {"kinds": "texts"})
    assert _left(policy, _record("METRICS", "metrics", {"loss": "x"}))[0] == {"loss": "x"}
    assert _left(policy, _record("METRICS", "metrics", {"loss": 1.0}))[0] is None
    policy = _policy({"include": ["loss"], "digits": 1})
    for _ in range(2):
        assert _left(policy, _record("METRICS", "metrics", {"loss": 1.26}))[0] == {"loss": 1.0}
        assert _left(policy, _record("METRICS", "metrics", {"loss": 1.26, "acc": 1.0}))[0] == {"loss": 1.0}
        assert _left(policy, _record("METRICS", "metrics", 1.0))[0] is None
        assert _left(policy, _record("METRICS", "metrics", {"loss": {"acc": [1.26]}}))[0] == {"loss": {"acc": [1.0]}}
        assert _left(policy, _record("METRICS", "metrics", {"loss": 1.0}, path="secret"))[0] == {"loss": 1.0}
        assert policy.judge(_record("METRICS", "metrics", {"loss": 1.0}, path="secret"))[0].path is None
        assert policy.judge(_record("METRICS", "other", {"loss": 1.0}))[0].tag == "metrics"


def test_a_dict_that_has_left_opens_no_way_for_a_number_of_its_name():
    for below in ({"b": 1.0}, [{"b": 1.0}]):
        policy = _policy({"include": ["a/*"]})
        assert policy.judge(_record("METRICS", "metrics", {"a": below}))[1] == []
        assert policy.judge(_record("METRICS", "metrics", {"a": 1.0}))[0] is None


def test_numbers_are_rounded_wherever_they_are_and_steps_are_not():
    policy = _policy({"digits": 3}, {"digits": 2})
    value = {
        "a": 123456,
        "b": 0.012345,
        "c": [1.26, "x"],
        "d": True,
        "e": float("inf"),
        "f": np.float32(1.26),
        "g": -987,
    }
    left, kept = policy.judge(_record("METRICS", "m", value)._replace(step=12345))
    assert left.value == {"a": 120000, "b": 0.012, "c": [1.3, "x"], "d": True, "e": float("inf"), "f": 1.3, "g": -990}
    assert left.step == 12345
    assert not kept
    assert policy.judge(_record("METRIC", "m", 1.7976931348623157e308))[0].value == 1e308
    same = _record("METRICS", "m", {"a": 1.5})
    assert policy.judge(same)[0] is same


def test_sizes_are_capped_by_kind_and_by_the_smaller_word():
    policy = _policy({"max_bytes": {"texts": 5}}, {"max_bytes": 9})
    assert _left(policy, _record("TEXT", "t", "\u00e9\u00e9"))[0] == "\u00e9\u00e9"
    assert _left(policy, _record("TEXT", "t", "\u00e9\u00e9\u00e9"))[1] == [Kept("t", "texts", "size")]
    assert _left(policy, _record("METRICS", "m", {"one": 1, "two": [1, 2]}))[0] == {"one": 1}


def test_what_no_event_can_hold_stays():
    deep: dict = {}
    deep["again"] = deep
    policy = _policy({"exclude": "patient*"})
    assert _left(policy, _record("PARAMETERS", "p", {"deep": deep, "a": 1}))[0] == {"a": 1}
    assert _left(policy, _record("PARAMETERS", "p", {"long": "x" * (1 << 21), "a": 1}))[0] == {"a": 1}


def test_a_job_narrows_and_never_widens():
    site = Rule.of({"include": ["loss", "acc"], "kinds": ["scalars"], "digits": 2, "max_bytes": 10}).with_defaults()
    job = Rule.of({"include": ["*"], "kinds": list(KINDS), "digits": 9, "max_bytes": 1000})
    policy = Policy([site, job])
    assert _left(policy, _record("METRICS", "m", {"loss": 1.234, "x": 1}))[0] == {"loss": 1.2}
    assert _left(policy, _record("PARAMETER", "loss", 1))[0] is None
    assert _left(Policy([site, Rule.of({"include": "acc"})]), _record("METRIC", "loss", 1))[0] is None


def test_a_record_that_needs_no_look_is_not_looked_at():
    policy = Policy([Rule.of({}).with_defaults()])
    for data_type in ("SCALAR", "SCALARS", "METRIC", "METRICS", "PARAMETER", "PARAMETERS", "TAG", "TAGS"):
        assert policy.is_free(data_type)
    for data_type in ("TEXT", "IMAGE", "LOG_RECORD", "MODEL", "INIT_DATA", "LATER"):
        assert not policy.is_free(data_type)
    for fields in ({"exclude": "a"}, {"include": "a"}, {"digits": 3}, {"kinds": "scalars"}, {"max_bytes": 9}):
        assert not Policy([_ALL, Rule.of(fields)]).is_free("METRICS")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"include": 3}, "include must be a glob"),
        ({"exclude": [3]}, "exclude must be a glob"),
        ({"exclude": 0}, "exclude must be a glob"),
        ({"exclude": {"a": 1}}, "exclude must be a glob"),
        ({"kinds": ["scalar"]}, "kinds names 'scalar', which is not known; there are scalars, "),
        ({"kinds": 1}, "kinds must be"),
        ({"digits": 0}, "digits must be"),
        ({"digits": True}, "digits must be"),
        ({"max_bytes": -1}, "max_bytes must be"),
        ({"max_bytes": {"scalars": "1"}}, "max_bytes must be"),
        ({"max_bytes": {"all": 1}}, "max_bytes names the kind 'all'"),
        ({"excludes": "a"}, "a policy has no field 'excludes'; there are include, "),
        (["a"], "a policy must be a dict"),
    ],
)
def test_a_policy_that_can_not_be_read_is_an_error(fields, words):
    with pytest.raises(ValueError, match=words):
        Rule.of(fields)


def _random_value(chance: random.Random, depth: int = 0):
    kinds = ["number", "integer", "text", "list", "dict", "dict", "none"] if depth < 3 else ["number", "text"]
    kind = chance.choice(kinds)
    if kind == "dict":
        return {chance.choice("abc"): _random_value(chance, depth + 1) for _ in range(chance.randint(0, 2))}
    if kind == "list":
        return [_random_value(chance, depth + 1) for _ in range(chance.randint(0, 2))]
    return {"number": 1.234, "integer": 12345, "text": "text", "none": None}[kind]


def test_a_tag_that_leaves_for_one_key_does_not_for_another():
    policy, values = _policy({"include": ["m/a", "b"]}), [{"a": 1.0, "b": 2.0}, {"b": 2.0}]
    tags = [policy.judge(_record("SCALARS", "m", value))[0].tag for value in values * 2]
    assert tags == ["m", "scalars", "m", "scalars"]


def test_numbers_under_names_that_stay_are_told_each_time():
    policy = _policy({"exclude": ["patient*"], "digits": 2})
    for value in (1.234, 12345, -0.5, 1 << 70, float("nan")):
        left, kept = policy.judge(_record("METRICS", "metrics", {"loss": 1.234, "patient": value, "acc": 0.5}))
        assert left.value == {"loss": 1.2, "acc": 0.5}
        assert policy.judge(_record("METRICS", "metrics", {"patient": value})) == (None, kept)
        assert kept == [Kept("patient", "scalars", "name")]


@pytest.mark.parametrize("seed", range(50))
def test_what_is_remembered_changes_no_decision(seed):
    chance = random.Random(seed)
    globs = ["a", "b", "a/*", "*b*", "m/a", "m", "*.c", "metrics", "c"]
    fields = {
        "include": chance.choice([None, chance.sample(globs, 2)]),
        "exclude": chance.choice([None, chance.sample(globs, 1)]),
        "kinds": chance.choice([None, chance.sample(KINDS, 4)]),
        "digits": chance.choice([None, 2]),
        "max_bytes": chance.choice([None, {"texts": 3}, 8]),
    }
    rule = {name: value for name, value in fields.items() if value is not None}
    warm = _policy(rule)
    for _ in range(300):
        data_type = chance.choice(["METRICS", "METRICS", "SCALARS", "METRIC", "PARAMETERS", "TAG", "TEXT"])
        extra = chance.choice([None, None, None, {"a": 1}, {"receivers": ["c"]}])
        path = chance.choice([None, None, None, "a", "b"])
        value = _random_value(chance)
        record = _record(data_type, chance.choice(["metrics", "m", "a"]), value, path, extra)
        assert warm.judge(record) == _policy(rule).judge(record)
