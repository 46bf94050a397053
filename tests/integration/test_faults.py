"""Whatever is wrong with the tracking, the training ends well, and one clear error says what to do."""

import re

import pytest
from hello_pt import Job

_SHORT = ("--num_rounds", "1", "--local_epochs", "1")


def _errors(job: Job) -> list[str]:
    """Our errors in the server's log: one line per error."""
    logs = [path.read_text(errors="replace") for path in job.root.glob("server/log.txt")]
    assert logs, "the job has no log"
    return [line for line in "".join(logs).splitlines() if re.search(r"ERROR - flarebridge: ", line)]


def _trained(job: Job) -> None:
    output = job.finish()
    for site in ("site-1", "site-2"):
        assert re.search(rf"{site} round 1/1: global model", output), output[-3000:]


def test_without_the_program_the_job_trains_and_one_error_says_what_to_do(tmp_path):
    job = Job(tmp_path, *_SHORT, FLAREBRIDGE_BINARY=str(tmp_path / "missing"))
    _trained(job)
    (error,) = _errors(job)
    assert str(tmp_path / "missing") in error
    assert "Training goes on without tracking" in error


def test_with_a_folder_that_cannot_be_written_the_job_trains_and_one_error_names_it(tmp_path):
    # Root may write anywhere but where there is no file system to write to.
    job = Job(tmp_path, *_SHORT, receiver={"wandb_args": {"dir": "/proc/no-such-place"}})
    _trained(job)
    errors = _errors(job)
    assert 1 <= len(errors) <= 2, errors  # one per run
    for error in errors:
        assert "/proc/no-such-place" in error
        assert 'wandb_args["dir"]' in error


@pytest.mark.parametrize(
    ("receiver", "words"),
    [
        ({"mode": "sometimes"}, "mode 'sometimes' is not known; use offline, online or disabled"),
        ({"wandb_args": {"project": "a/b"}}, "W&B refuses the project name"),
    ],
)
def test_with_a_bad_argument_in_a_jobs_files_the_job_trains_and_one_error_says_which(tmp_path, receiver, words):
    job = Job(tmp_path, *_SHORT, receiver=receiver)
    _trained(job)
    assert words in job.output()  # an error is of no use in a file that nobody opens
    errors = _errors(job)
    assert 1 <= len(errors) <= 2, errors
    assert all(words in error for error in errors)
