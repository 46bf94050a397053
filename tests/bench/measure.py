"""Measures flarebridge beside its peers, real packages, in interleaved rounds.

Each measurement is a process of its own; a round makes all of them one after the other, so that a machine's changing
speed meets all. Prints all figures, writes them into this folder's README.md, the headlines into docs/measured.md, and
every number into build/bench.json.
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
from collections import defaultdict
from pathlib import Path
from typing import Optional

from figures import FIGURES, LIMIT, MEASUREMENTS, OURS, Figure, Measurement
from flarebridge.bridge_process import find_binary
from tables import spread, write_between_marks

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_DEADLINE = 900  # seconds of one measurement

Results = dict[str, dict[str, list[float]]]  # figure -> subject -> one number per round


def measure_once(what: Measurement) -> dict[str, float]:
    """The figures that it found; none if it failed, which is told."""
    with tempfile.TemporaryDirectory(prefix="flarebridge-bench-") as folder:
        command = [sys.executable, str(_HERE / what.script), *what.arguments, folder]
        environment = {
            **os.environ, "FLAREBRIDGE_BINARY": os.environ.get("FLAREBRIDGE_BINARY") or find_binary(),
            "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE, env=environment, cwd=folder)
        if done.returncode != 0:
            print(f"measure.py: {' '.join(command)} failed:\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
            return {}
        return json.loads(done.stdout.splitlines()[-1])


def measure(rounds: int, only: Optional[str]) -> tuple[Results, bool]:
    """All numbers, and whether each measurement has given some."""
    whole = True
    results: Results = defaultdict(lambda: defaultdict(list))
    chosen = [what for what in MEASUREMENTS if not only or re.search(only, _name(what))]
    if not chosen:
        raise SystemExit(f"measure.py: nothing is named {only!r}; there are: {', '.join(map(_name, MEASUREMENTS))}")
    for number in range(rounds):
        for what in chosen:
            if what.each_round or number == 0:
                print(f"round {number + 1}/{rounds}: {_name(what)}", file=sys.stderr, flush=True)
                found = measure_once(what)
                whole = whole and bool(found)
                for figure, value in found.items():
                    results[figure][what.subject].append(value)
    return results, whole


def _name(what: Measurement) -> str:
    words = [word for word in what.arguments if word != what.subject]
    return f"{what.script.removesuffix('.py')} {' '.join(words)} of {what.subject}"


def row(figure: Figure, found: dict[str, list[float]]) -> str:
    """One line of the table; the ratio is made within each round, and above 1 is in our favour."""
    ours = found.get(OURS) or found.get(LIMIT, [])
    target = ""
    if figure.target is not None:
        target = f"{'≥' if figure.more else '≤'} {figure.target:,.10g}"
        middle = statistics.median(ours)
        if not (middle >= figure.target if figure.more else middle <= figure.target):
            target = f"**{target}**"
    beside = ratio = ""
    if figure.peer in found:
        theirs = found[figure.peer]
        beside = f"{figure.peer}: {spread(theirs, figure.digits, figure.unit)}"
        ratios = [a / b if figure.more else b / a for a, b in zip(ours, theirs)]
        ratio = spread(ratios, 1, "")
    return f"| {figure.words} | {spread(ours, figure.digits, figure.unit)} | {target} | {beside} | {ratio} |"


def table(results: Results, rounds: int, figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| | flarebridge | aim | beside it | ratio |", "|---|---|---|---|---|"]
    lines += [row(figure, results[figure.name]) for figure in figures if figure.name in results]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    lines += [
        "",
        f"Median, and least to most, of {rounds} interleaved rounds on {machine}; ratios within a round, above 1 in "
        "flarebridge's favour; an aim stands in bold where it is not reached. Repeated by "
        "`tests/bench/run.sh`.",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", metavar="PATTERN", help="measurements with such names only; writes no file")
    parser.add_argument("--print-only", action="store_true", help="writes nothing")
    arguments = parser.parse_args()
    results, whole = measure(arguments.rounds, arguments.only)
    text = table(results, arguments.rounds, FIGURES)
    print(text)
    if not whole:
        print("measure.py: not all was measured, and nothing is written", file=sys.stderr)
        return 1
    if arguments.only:
        return 0
    output = _ROOT / "build" / "bench.json"
    output.parent.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    output.write_text(json.dumps({"machine": machine, "rounds": arguments.rounds, "figures": results}, indent=1) + "\n")
    if not arguments.print_only:
        write_between_marks(_HERE / "README.md", "measured", text)
        headlines = [figure for figure in FIGURES if figure.headline]
        write_between_marks(_ROOT / "docs" / "measured.md", "measured", table(results, arguments.rounds, headlines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
