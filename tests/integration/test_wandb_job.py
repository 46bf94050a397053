"""A script with `import flarebridge.wandb as wandb` in the real simulator, on two sites."""

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
