"""What may leave a site."""

import pytest
from flarebridge.events import Record
from flarebridge.policy import Policy


def _record(data_type: str, tag: str, value) -> Record:
    return Record(data_type, "WANDB", tag, value, 1, None, None)


@pytest.mark.parametrize(
    ("include", "exclude", "name", "allowed"),
    [
        (None, None, "loss", True),
        ("train/*", None, "train/loss", True),
        ("train/*", None, "loss", False),
        (None, ["patient*", "*_id"], "patient_age", False),
        (None, ["patient*", "*_id"], "scan_id", False),
        (None, ["patient*", "*_id"], "loss", True),
        (["*"], ["secret"], "secret", False),
        ([], None, "loss", False),
        (None, "Loss", "loss", True),
    ],
)
def test_names_are_matched_by_globs_and_exclude_wins(include, exclude, name, allowed):
    policy = Policy(include, exclude)
    assert policy.allows(name) is allowed
    assert policy.allows(name) is allowed  # remembered
    record = _record("METRIC", name, 1.0)
    assert policy.apply(record) is (record if allowed else None)


@pytest.mark.parametrize("data_type", ["METRICS", "SCALARS", "PARAMETERS", "TAGS"])
def test_of_a_dict_only_the_keys_that_may_leave_are_left(data_type):
    policy = Policy(None, "patient*")
    values = {"loss": 1.0, "patient_age": 70}
    kept = policy.apply(_record(data_type, "metrics", values))
    assert kept.value == {"loss": 1.0}
    assert values == {"loss": 1.0, "patient_age": 70}
    assert policy.apply(_record(data_type, "metrics", {"patient_age": 70})) is None


def test_a_policy_that_can_not_be_read_is_an_error():
    for bad in (3, [3], {"a": 1}):
        with pytest.raises(ValueError, match="include"):
            Policy(bad, None)
