"""Values of every kind, by every writer, in the real simulator: what becomes of them in the W&B run.

NVFlare's own WandBReceiver runs beside ours; where it keeps a value, ours keeps the same.
"""

import json
import math

import nvflare
import pytest
from burst_job import Burst
from strict_server import StrictServer
from sync import sync
from wandb_tools import records, rows, run_of

# Jobs with NVFlare 2.5's WandBReceiver can't be exported.
_THEIRS = tuple(int(part) for part in nvflare.__version__.split(".")[:2]) >= (2, 6)


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Burst:
    folder = tmp_path_factory.mktemp("kinds")
    policy = folder / "policy.json"  # without one, files and console output stay at the sites
    policy.write_text('{"kinds": ["scalars", "params", "tags", "texts", "images", "files", "console"]}')
    environment = {"FLAREBRIDGE_POLICY": str(policy)}
    environment |= {"WANDB_CONFIG_DIR": str(folder / "config"), "WANDB_CACHE_DIR": str(folder / "cache")}
    beside = ["--wandb_receiver"] if _THEIRS else []
    job = Burst(folder, "--writer", "kinds", "--pause", "0.05", "--server_logs", *beside, **environment)
    job.finish()
    return job


def _by_key(path) -> dict:
    """Key -> (step, value); a key is logged once or twice at most here."""
    found: dict = {}
    for row in rows(path):
        for key, value in row.items():
            if not key.startswith("_"):
                found.setdefault(key, []).append((row["_step"], value))
    return found


def test_numbers_arrive_as_they_were_logged(job):
    for site in ("site-1", "site-2"):
        found = _by_key(job.logs()[site])
        assert found["a"] == [(0, 1), (1, True)]
        assert found["b"][0] == (0, 0.1)
        # Two records of one step are one row; the later value stays.
        assert found["b"][1:] == [(1, -math.inf)]
        assert found["c"] == [(2, 2**53 + 1)]
        assert (found["d"], found["e"]) == ([(3, -1e-300)], [(3, 0)])
        assert found["train/loss"] == [(10, 0.25)]
        # TensorBoard's, which WandBReceiver drops on NVFlare up to 2.8; numpy's, which NVFlare itself drops there.
        assert found["tb"] == [(11, 0.5)]
        assert (found["x"], found["y"]) == ([(12, 1.5)], [(12, 2)])
        assert (found["np"], found["np_int"]) == ([(13, 0.5)], [(13, 7)])
        assert found["words"] == [(17, "in the history")]
        assert "elsewhere" not in found
        step, value = found["last"][0]
        assert (step, value) == (17, 1)  # it has no step, and joins the row of the one before


def test_parameters_tags_texts_and_lines_have_their_places(job):
    log = job.logs()["site-1"]
    config = {}
    for record in records(log):
        for update in (record.config.update, record.run.config.update):
            config.update({item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in update})
    assert config["lr"] == 0.1
    assert (config["batch"], config["opt"]) == (32, {"name": "sgd"})
    assert set(run_of(log).tags) >= {"phase:one", "empty", "n:5"}
    assert (log.parent / "files" / "notes" / "a.txt").read_text() == "a file of text\n"
    lines = [record.output_raw.line for record in records(log) if record.WhichOneof("record_type") == "output_raw"]
    assert lines == ["a line of the console\n"]


def test_an_image_is_a_file_of_the_run_that_wandb_uploads(job, tmp_path):
    log = job.logs()["site-1"]
    (image,) = [value for key, value in _flat(log).items() if key == "img.path"]
    content = (log.parent / "files" / image).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert (_flat(log)["img.width"], _flat(log)["img.height"], _flat(log)["img._type"]) == (6, 4, "image-file")
    with StrictServer() as server:
        done = sync(log.parent, server)
        assert done.returncode == 0, done.stderr
        assert server.violations == []
        held = server.run(run_of(log).run_id)
    assert held.files[image] == content
    assert [row["img"]["path"] for row in held.rows if "img" in row] == [image]


def test_the_servers_own_records_have_a_run_of_their_own(job):
    (server,) = [log for site, log in job.logs().items() if not site.startswith("site-")]
    assert _by_key(server) == {"aggregated": [(3, 0.75)]}


def _flat(log) -> dict:
    return {key: value for row in rows(log) for key, value in row.items()}


@pytest.mark.skipif(not _THEIRS, reason="NVFlare's WandBReceiver can't be put into a job by 2.5's Job API")
def test_where_wandb_receiver_keeps_a_value_ours_is_the_same(job):
    theirs_folder = job.folder / "theirs"
    theirs = {run_of(path).display_name.rsplit("-", 2)[0]: path for path in sorted(theirs_folder.rglob("run-*.wandb"))}
    assert sorted(theirs) == ["site-1", "site-2"], "WandBReceiver wrote no runs: there is nothing to compare with"
    for site, path in theirs.items():
        ours = _by_key(job.logs()[site])
        compared = 0
        for key, values in _by_key(path).items():
            if key in ("lr", "batch", "opt.name", "last", "elsewhere"):
                continue  # on purpose: parameters are config, no step is a row of its own, receivers are addressed
            assert [_same(value) for value in ours[key]] == [_same(value) for value in values], key
            compared += len(values)
        assert compared >= 7
        names = {run_of(path).display_name, run_of(job.logs()[site]).display_name}
        assert {name.rsplit("-", 2)[0] for name in names} == {site}


def _same(value: tuple) -> tuple:
    return tuple("NaN" if isinstance(part, float) and math.isnan(part) else part for part in value)
