"""hello-pt in the real simulator: each run log holds exactly what the training script logged."""

from pathlib import Path

import pytest
from hello_pt import Job, in_log
from wandb_tools import records, run_of

_SITES = ("site-1", "site-2")
_SHORT = ("--num_rounds", "2", "--local_epochs", "1")


def _assert_complete(log: Path, expected: list[tuple]) -> None:
    assert expected, "the script logged nothing: the test would pass on nothing"
    # Floats are compared exactly; every value is there once.
    assert sorted(in_log(log)) == sorted(expected)
    steps = [record.history.step.num for record in records(log) if record.WhichOneof("record_type") == "history"]
    assert steps == sorted(steps)
    last = list(records(log))[-2]
    assert last.WhichOneof("record_type") == "exit"
    assert last.exit.exit_code == 0


def test_streamed_to_both_sides_each_run_is_complete_also_at_a_path_with_spaces(tmp_path):
    folder = tmp_path / "with two spaces"
    folder.mkdir()
    job = Job(folder, "--streamed_to_clients", *_SHORT)
    output = job.finish()
    assert "flarebridge: " not in "".join(line for line in output.splitlines() if "ERROR" in line)
    server = job.logs("server")
    assert sorted(server) == sorted(_SITES)
    ids = set()
    for site in _SITES:
        _assert_complete(server[site], job.logged(site))
        client = job.logs(site)
        assert list(client) == [site]
        _assert_complete(client[site], job.logged(site))
        runs = [run_of(server[site]), run_of(client[site])]
        assert runs[0].display_name == runs[1].display_name
        assert runs[0].run_group == runs[1].run_group
        ids |= {run.run_id for run in runs}
    assert len(ids) == 4


@pytest.mark.parametrize("writer", ["tensorboard", "wandb"])
def test_nvflares_own_writers_arrive(tmp_path, writer):
    """SummaryWriter's records, which WandBReceiver drops on released NVFlare, and WandBWriter's."""
    job = Job(tmp_path, "--streamed_to_clients", "--no-streamed_to_server", "--writer", writer, *_SHORT)
    job.finish()
    assert not list(job.root.glob("server/**/*.wandb"))
    for site in _SITES:
        _assert_complete(job.logs(site)[site], job.logged(site))
