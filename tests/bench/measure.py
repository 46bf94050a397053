"""Measures flarebridge beside NVFlare's WandBReceiver (offline), real packages, in interleaved rounds.

Figures: what a record costs in the thread that logs it, how long START_RUN takes, the memory of one
site's processes, and how many rows a second end in run logs. Each round measures both, one after the
other, in a fresh process each, so that a machine's changing speed meets both; medians are printed.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_README = _HERE.parents[1] / "README.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_OURS, _THEIRS = "flarebridge", "WandBReceiver"

# Figure -> (words, unit, digits)
_FIGURES = {
    "save_p50_us": ("cost of one record in the logging thread, median", "µs", 1),
    "save_p999_us": ("the same, 99.9 % of records cost less than", "µs", 0),
    "start_1_ms": ("START_RUN, 1 site", "ms", 1),
    "start_20_ms": ("START_RUN, 20 sites", "ms", 1),
    "start_100_ms": ("START_RUN, 100 sites", "ms", 1),
    "memory_mib": ("memory of one more site (PSS of its processes)", "MiB", 1),
    "rows_per_s": ("rows of 5 values from 4 sites into run logs, end to end", "1/s", 0),
    "end_20_ms": ("END_RUN, 20 sites, right behind 40,000 rows", "ms", 0),
    "native_rows_per_s": ("the same from 20 sites, by a native load generator", "1/s", 0),
    "native_events_per_s": ("events of one value acknowledged as durable, native", "1/s", 0),
    "native_half_ack_ms": ("acknowledgement of an event at half that load, median", "ms", 1),
    "idle_wakeups_per_s": ("wake-ups with 20 silent sites, all processes", "1/s", 1),
}
# What is measured of one of the two only.
_OURS_ONLY = ("native", "idle")


def measure_once(which: str, figure: str) -> dict:
    """One measurement in a process of its own. Gives the figures it found."""
    with tempfile.TemporaryDirectory(prefix="flarebridge-bench-") as folder:
        done = subprocess.run(
            [sys.executable, str(_HERE / "subject.py"), which, figure, folder],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"},
        )
        if done.returncode != 0:
            raise RuntimeError(f"{which} {figure}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """figure -> subject -> one number per round."""
    results: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for kind in ("save", "start_1", "start_20", "start_100", "memory", "rows", "end_20", *_OURS_ONLY):
            for which in (_OURS,) if kind in _OURS_ONLY else (_OURS, _THEIRS):
                print(f"round {number + 1}/{rounds}: {kind} of {which}", file=sys.stderr, flush=True)
                for figure, value in measure_once(which, kind).items():
                    results.setdefault(figure, {}).setdefault(which, []).append(value)
    return results


def table(results: dict[str, dict[str, list[float]]], rounds: int) -> str:
    """The figures as a Markdown table."""
    lines = [f"| | {_OURS} | {_THEIRS} |", "|---|---|---|"]
    for figure, (words, unit, digits) in _FIGURES.items():
        cells = []
        for which in (_OURS, _THEIRS):
            values = results[figure].get(which)
            if values is None:
                cells.append("")
                continue
            middle = statistics.median(values)
            cells.append(f"{middle:,.{digits}f} {unit} ({min(values):,.{digits}f} to {max(values):,.{digits}f})")
        lines.append(f"| {words} | {cells[0]} | {cells[1]} |")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    lines.append("")
    lines.append(
        f"Median, and least to most, of {rounds} interleaved rounds on {machine}; repeated by `tests/bench/run.sh`."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-readme", action="store_true", help="print only")
    arguments = parser.parse_args()
    results = measure(arguments.rounds)
    text = table(results, arguments.rounds)
    print(text)
    output = _HERE.parents[1] / "build" / "bench.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n")
    if not arguments.no_readme:
        readme = _README.read_text()
        pattern = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.S)
        assert pattern.search(readme), f"README.md has no {_BEGIN} ... {_END}"
        _README.write_text(pattern.sub(lambda _match: f"{_BEGIN}\n{text}\n{_END}", readme))


if __name__ == "__main__":
    main()
