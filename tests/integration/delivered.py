"""Are the records that were acknowledged in what the receivers wrote? Of a training process that sends its n-th record
(from 0) to site n % sites, with the value n // sites under the key "n"."""

import json
from collections import defaultdict
from pathlib import Path

from wandb_tools import DamagedLog, logs_below, rows


def wandb_numbers(folder: Path) -> list[int]:
    """The values under "n" in all run logs below a folder; none while one of them is in the middle of a write."""
    try:
        return [row["n"] for log in logs_below(folder).values() for row in rows(log)]
    except DamagedLog:
        return []


def jsonl_numbers(folder: Path) -> dict[str, list[int]]:
    """What the jsonl receiver wrote below a folder: site -> the values under "n" in their order."""
    found = defaultdict(list)
    for file in (folder / "jsonl").glob("*.jsonl"):
        for text in file.read_text().splitlines():
            line = json.loads(text)
            if line["type"] == "METRICS":
                found[line["site"]].append(line["values"]["n"])
            elif line["type"] == "METRIC" and line["tag"] == "n":
                found[line["site"]].append(line["value"])
    return found


def assert_delivered(folder: Path, sites: int, acknowledged: int) -> None:
    """Each record once and in its order, in W&B's run logs; the last ones may not have been acknowledged."""
    logs = logs_below(folder)
    for site in range(sites):
        log = logs.get(f"site-{site}-job-run")
        _assert_all([row["n"] for row in rows(log)] if log else [], site, sites, acknowledged)


def assert_jsonl_delivered(folder: Path, sites: int, acknowledged: int) -> None:
    """The same of what the jsonl receiver wrote below the folder."""
    found = jsonl_numbers(folder)
    for site in range(sites):
        _assert_all(found[f"site-{site}"], site, sites, acknowledged)


def _assert_all(found: list[int], site: int, sites: int, acknowledged: int) -> None:
    wanted = acknowledged // sites + (site < acknowledged % sites)
    assert found == list(range(len(found)))
    assert len(found) >= wanted
