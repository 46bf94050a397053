"""Measures what a log call costs the training script, and how much arrives, by each way from client to server.

Real jobs in NVFlare's simulator, two sites, in-process training, records back to back; interleaved rounds. The result
goes into docs/measured.md between its marks. usage: forwarding.py [--rounds N] [--count N] [--print-only]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tables import spread, write_between_marks

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_WAYS = {"BridgeForwarder": {"forward": True}, "ConvertToFedEvent": {"forward": False}}
_SITES = ("site-1", "site-2")


def run(folder: Path, tracking: dict, count: int) -> tuple[list[float], float]:
    """One job. Gives the cost of each log call in seconds, and the share of records that are in the runs."""
    sys.path[:0] = [str(_ROOT / "tests" / "conformance"), str(_ROOT / "tests" / "integration"), str(_ROOT / "tests")]
    from burst_job import values_in
    from running_job import logs_by_site

    command = [sys.executable, str(_ROOT / "tests" / "integration" / "burst" / "job.py"), "--folder", str(folder)]
    command += ["--count", str(count), "--tracking", json.dumps(tracking)]
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    costs: list[float] = []
    for site in _SITES:
        costs += [float(line) for line in (folder / "values" / f"{site}.costs").read_text().split()]
    logs = logs_by_site(folder / "workspace" / "server")
    return costs, sum(len(values_in(logs[site])) for site in _SITES) / (len(_SITES) * count)


def measure(rounds: int, count: int) -> dict[str, dict[str, list[float]]]:
    """Way -> figure -> its value in each round."""
    found: dict = {way: {"median": [], "p99": [], "arrived": []} for way in _WAYS}
    for number in range(rounds):
        for way, tracking in _WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                costs, arrived = run(Path(folder), tracking, count)
            costs.sort()
            found[way]["median"].append(costs[len(costs) // 2] * 1e6)
            found[way]["p99"].append(costs[int(len(costs) * 0.99)] * 1e6)
            found[way]["arrived"].append(arrived * 100)
            print(
                f"round {number + 1}: {way}: {costs[len(costs) // 2] * 1e6:.0f} us, {arrived:.1%} arrived", flush=True
            )
    return found


def table(found: dict, count: int) -> str:
    import nvflare

    rows = [("cost of a log call, median", "median", "µs"), ("99 % of calls cost less than", "p99", "µs")]
    rows.append(("records that are in the runs", "arrived", "%"))
    lines = ["| | " + " | ".join(_WAYS) + " |", "|---" * (len(_WAYS) + 1) + "|"]
    for words, key, unit in rows:
        lines.append(f"| {words} | " + " | ".join(spread(found[way][key], 0, unit) for way in _WAYS) + " |")
    rounds = len(next(iter(found.values()))["median"])
    lines.append(
        f"\nNVFlare {nvflare.__version__}, {len(_SITES)} sites x {count:,} records back to back in the simulator, "
        f"{os.cpu_count()} cores; median, and least to most, of {rounds} interleaved rounds; repeated by "
        "`.venv/bin/python tests/bench/forwarding.py`."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=2000, help="records per site")
    parser.add_argument("--print-only", action="store_true")
    arguments = parser.parse_args()
    text = table(measure(arguments.rounds, arguments.count), arguments.count)
    print(text)
    if arguments.print_only:
        return
    write_between_marks(_ROOT / "docs" / "measured.md", "forwarding", text)


if __name__ == "__main__":
    main()
