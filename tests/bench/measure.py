"""Measures flarebridge beside its peers, real packages, in interleaved rounds.

Each measurement is a process of its own; a round makes all of them one after the other, so that a machine's changing
speed meets all. Prints all figures, writes them into this folder's README.md, the headlines into docs/measured.md, and
every number into build/bench.json (build/bench-TABLE.json of one table alone).
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
from typing import Any, Optional

from figures import LIMIT, OURS, TABLES, Figure, Measurement, Table
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


def choose(tables: list[Table], only: Optional[str]) -> list[Measurement]:
    """Those of the tables, whose name has `only` in it. Ends the program with their names if none has."""
    all_of_them = [what for table in tables for what in table.measurements]
    chosen = [what for what in all_of_them if not only or re.search(only, _name(what))]
    if not chosen:
        raise SystemExit(f"measure.py: nothing is named {only!r}; there are: {', '.join(map(_name, all_of_them))}")
    return chosen


def measure(rounds: int, chosen: list[Measurement]) -> tuple[Results, bool]:
    """All numbers, and whether each measurement has given some."""
    whole = True
    results: Results = defaultdict(lambda: defaultdict(list))
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


def row(figure: Figure, found: dict[str, list[float]]) -> list[str]:
    """The cells of one line; the ratio is made within each round, and above 1 is in our favour."""
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
    return [figure.words, spread(ours, figure.digits, figure.unit), target, beside, ratio]


def write_table(results: Results, machine: dict[str, Any], rounds: int, figures: list[Figure], command: str) -> str:
    """The figures as a Markdown table."""
    heads = ["", "flarebridge", "aim", "beside it", "ratio"]
    cells_of = [row(figure, results[figure.name]) for figure in figures if figure.name in results]
    aims = any(figure.target is not None for figure in figures)
    lines = [[cell for cell, head in zip(cells, heads) if aims or head != "aim"] for cells in (heads, *cells_of)]
    text = ["| " + " | ".join(cells) + " |" for cells in lines]
    text[0] = text[0].replace("|  |", "| |", 1)
    text.insert(1, "|---" * len(lines[0]) + "|")
    place = "{cores} cores, {machine}, Python {python}, with a load of {load:.0f} before".format(**machine)
    bold = "; an aim stands in bold where it is not reached" if aims else ""
    text += [
        "",
        f"Median, and least to most, of {rounds} interleaved rounds on {place}; ratios within a round, above 1 in "
        f"flarebridge's favour{bold}. Repeated by `{command}`.",
    ]
    return "\n".join(text)


def main() -> int:
    names = [table.name for table in TABLES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", choices=names, help="what stands in this table only")
    parser.add_argument("--only", metavar="PATTERN", help="measurements with such names only; writes no file")
    parser.add_argument("--print-only", action="store_true", help="writes nothing")
    arguments = parser.parse_args()
    tables = [table for table in TABLES if arguments.table in (None, table.name)]
    machine = {
        "cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(),
        "load": os.getloadavg()[0],  # others' work
    }  # fmt: skip
    results, whole = measure(arguments.rounds, choose(tables, arguments.only))
    for table in tables:
        if not any(figure.name in results for figure in table.figures):
            continue
        command = "tests/bench/run.sh" + (f" --table {table.name}" if table is not TABLES[0] else "")
        texts = [
            write_table(results, machine, arguments.rounds, figures, command)
            for figures in (table.figures, [figure for figure in table.figures if figure.headline])
        ]
        print(texts[0], end="\n\n")
        if whole and not arguments.only and not arguments.print_only:
            for document, text in zip((_HERE / "README.md", _ROOT / "docs" / "measured.md"), texts):
                write_between_marks(document, table.name, text)
    if not whole:
        print("measure.py: not all was measured, and nothing is written", file=sys.stderr)
        return 1
    if not arguments.only:
        output = _ROOT / "build" / (f"bench-{arguments.table}.json" if arguments.table else "bench.json")
        output.parent.mkdir(exist_ok=True)
        told = {"machine": machine, "rounds": arguments.rounds, "figures": results}
        output.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
