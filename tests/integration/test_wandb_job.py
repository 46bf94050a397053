"""A script with `import flarebridge.wandb as wandb` in the real simulator, on two sites."""

import json

import pytest
from burst_job import Burst
from run_log import config, read_records, rows, run, summary


@pytest.fixture(scope="module", params=["in the client's process", "in one of its own"])
def job(request, tmp_path_factory) -> Burst:
    folder = tmp_path_factory.mktemp("facade")
    options = ["--external"] if request.param == "in one of its own" else []
    job = Burst(folder, "--writer", "facade", *options)
    job.finish()
    return job


def test_each_sites_run_has_the_rows_of_its_script(job):
    for site in ("site-1", "site-2"):
        log = job.logs()[site]
        found = rows(log)
        assert [row["_step"] for row in found][:9] == list(range(9))
        assert [row["loss"] for row in found if "loss" in row] == [1.0 / number for number in range(1, 7)]
        late = [row for row in found if "val/loss" in row]
        assert [(row["_step"], row["nested.deep"], row["weights.values"]) for row in late] == [
            (2, 0, [1, 2, 1]), (5, 1, [1, 2, 1]), (8, 2, [1, 2, 1]),
        ]  # fmt: skip


def test_media_definitions_and_the_summary_are_in_the_sites_runs_and_files_stay(job):
    for site in ("site-1", "site-2"):
        log = job.logs()[site]
        (image,) = {row["sample.path"] for row in rows(log) if row.get("nested.deep") == 2}
        pixels = (log.parent / "files" / image).read_bytes()
        assert pixels.startswith(b"\x89PNG")
        found = summary(log)
        assert (found["best"], found["loss"], found["sample._type"]) == (0.25, {"min": 1.0 / 6}, "image-file")
        definitions = [record.metric for record in read_records(log) if record.WhichOneof("record_type") == "metric"]
        assert {one.name or one.glob_name for one in definitions} == {"loss", "val/*"}
        assert run(log).notes == "some notes" and "facade" in run(log).tags
        assert not [row for row in rows(log) if "page._type" in row]  # a file, without a word of the site's policy


def test_what_init_says_is_added_to_the_sites_run_which_stays_the_jobs(job):
    for site in ("site-1", "site-2"):
        log = job.logs()[site]
        found = config(log)
        assert (found["lr"], found["layers"], found["late"]) == (0.1, [2, 3], {"a": 1})
        assert (found["client"], found["run_name"]) == (site, "burst")
        assert run(log).project == "tests"


_KINDS = {"scalars": 1000, "images": 4 << 20, "files": 6 << 20}


@pytest.mark.parametrize("where", ["on the clients", "on the server"])
def test_large_values_go_to_a_bridge_of_the_site_as_its_policy_says(tmp_path, where):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"kinds": ["scalars", "images", "files"], "max_bytes": _KINDS}))
    on_site = where == "on the clients"
    job = Burst(
        tmp_path, "--writer", "facade", "--clients", "1", tracking={"client_side": on_site}, BURST_LARGE="1",
        FLAREBRIDGE_POLICY=str(policy),
    )  # fmt: skip
    job.finish()
    log = job.logs("site-1" if on_site else "server")["site-1"]
    (row,) = [row for row in rows(log) if "after" in row]
    saved = log.parent / "files" / "weights.bin"
    if on_site:
        image = (log.parent / "files" / row["large.path"]).read_bytes()
        assert image.startswith(b"\x89PNG") and len(image) > 3 << 20
        assert saved.read_bytes() == bytes(reversed(range(256))) * 20000
    else:
        assert "large.path" not in row and not saved.exists()
    assert not [path for name in ("spool", "blobs") for path in tmp_path.rglob(f"{name}/**/*") if path.is_file()]
