"""BridgeWriter logs the same whether its script is a thread of the client's process or a process of its own."""

import json
import math

import pytest
from burst_job import Burst
from wandb_tools import records, rows, run_of

_WAYS = {"in process": [], "external": ["--external"]}
_ROWS = {
    0: {"note": "text", "loss": 1.0},
    1: {"none": None, "beside_none": 1},
    2: {"list": [1, 2.5, "x", None]},
    3: {"nested.deep.deeper": 1, "nested.text": "in it"},
    4: {"array": [0, 1, 2], "matrix": [[1.0, 1.0], [1.0, 1.0]]},
    5: {"np32": 0.5, "np_int": 7, "np_bool": True, "one": 3.0},
    6: {"nan": math.nan, "inf": -math.inf},
    7: {"beyond_64_bits": float(1 << 70), "flag": True},
    8: {"bytes": "<3 bytes>", "tuple": [1, 2], "set": [3]},
    9: {"5": 1, "('a', 1)": 2},
    11: {"object": "an odd object", "beside_object": 1},
    12: {"beside_long": 1},
    13: {"beside_deep": 1},
    14: {"metrics": 5},
    15: {"metrics": "text"},
    16: {"metrics": None},
    20: {"text_metric": "words"},
    21: {"none_metric": None},
    22: {"array_metric": [0, 1]},
    23: {"7": 1.0},
    24: {"np_scalar": 2.5},
    25: {"x": 1, "y": "text"},
    26: {"number_text": 5},
    27: {"img._type": "image-file", "img.format": "png", "img.width": 3, "img.height": 2},
    28: {"np_step": 1},
    29: {"addressed": 1},
    31: {"last": 1},
}
_CONFIG = {"list_param": [1, {"a": None}], "nested_param": {"x": 3}, "text_param": "t"}


@pytest.fixture(scope="module", params=_WAYS)
def job(request, tmp_path_factory) -> Burst:
    folder = tmp_path_factory.mktemp("odd")
    policy = folder / "policy.json"  # without one, files and console output stay at the sites
    policy.write_text('{"kinds": ["scalars", "histograms", "params", "tags", "texts", "images", "files", "console"]}')
    job = Burst(folder, "--writer", "odd", "--clients", "1", *_WAYS[request.param], FLAREBRIDGE_POLICY=str(policy))
    job.finish()
    job.in_process = request.param == "in process"
    return job


def test_odd_values_become_the_same_in_and_out_of_the_clients_process(job):
    log = job.logs()["site-1"]
    beside = ("_step", "_timestamp", "_runtime", "img.path", "img.sha256", "img.size")
    found = {row["_step"]: {key: row[key] for key in row if key not in beside} for row in rows(log)}
    assert json.dumps(found) == json.dumps(_ROWS)  # as text: a NaN equals none
    config = {}
    for record in records(log):
        for update in (record.config.update, record.run.config.update):
            config.update({item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in update})
    assert {key: config[key] for key in _CONFIG} == _CONFIG
    assert list(run_of(log).tags) == ["none_tag", "number:4", "list:[1]"]
    assert [one.output_raw.line for one in records(log) if one.WhichOneof("record_type") == "output_raw"] == ["5\n"]
    assert (log.parent / "files" / "notes" / "odd.txt").read_text() == "a file of text\n"


def test_what_no_event_can_hold_is_named(job):
    said = job.said("site-1")
    assert "left out of what is logged: 'long': a text of 2097152 characters; an event may have 1 MiB" in said
    assert "left out of what is logged: 'deep/deeper/" in said
    assert "left out of what is logged: 'bad_step': a step is a whole number from 0 on, not '-1'" in said
    if job.in_process:  # else the training process counts them for itself
        assert "35 logged records safe on the server's disk; 6 no event can hold it" in said
        assert "6 dropped: no event can hold it at site-1" in job.said("server")
