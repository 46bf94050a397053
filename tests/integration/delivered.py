"""Are the records that were acknowledged in the run logs? Of a training process that sends its n-th record (from 0) to
site n % sites, with the value n // sites under the key "n"."""

from pathlib import Path

from wandb_tools import logs_below, rows


def assert_delivered(folder: Path, sites: int, acknowledged: int) -> None:
    """Each record once and in its order; the last ones may not have been acknowledged."""
    logs = logs_below(folder)
    for site in range(sites):
        wanted = acknowledged // sites + (site < acknowledged % sites)
        log = logs.get(f"site-{site}-job-run")
        found = [row["n"] for row in rows(log)] if log else []
        assert found == list(range(len(found)))
        assert len(found) >= wanted
