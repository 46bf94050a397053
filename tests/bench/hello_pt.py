"""Measures what tracking costs a whole job: hello-pt with real PyTorch, interleaved rounds.

Without tracking, with NVFlare's WandBReceiver, and with flarebridge; offline, every batch logged. The wall time goes
until the simulator has returned. The result goes into docs/measured.md between its marks.
usage: hello_pt.py [--rounds N] [--print-only]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
sys.path[:0] = [str(_ROOT / "tests"), str(_ROOT / "tests" / "integration"), str(_ROOT / "tests" / "conformance")]

from bridge_driver import processes_with, wait_for  # noqa: E402
from tables import spread, write_between_marks  # noqa: E402
from wandb_tools import logs_below, rows  # noqa: E402

_WAYS = ("none", "WandBReceiver", "flarebridge")
_DEADLINE = 300  # seconds


def run(way: str) -> tuple[float, int]:
    """One job. Gives its seconds, and the rows that are in its runs."""
    with tempfile.TemporaryDirectory(prefix="flarebridge-bench-") as folder:
        command = [sys.executable, str(_HERE / "hello_pt_job.py"), way, folder]
        quiet = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "TMPDIR": folder}
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE, env={**os.environ, **quiet})
        took = time.perf_counter() - begun
        if done.returncode != 0:
            raise RuntimeError(f"{way}: {done.stderr[-2000:]}")
        wait_for(lambda: not processes_with(folder), f"the end of {way}'s processes")
        return took, sum(len(rows(log)) for log in logs_below(Path(folder)).values())


def table(found: dict[str, list[tuple[float, int]]], rounds: int) -> str:
    import nvflare

    lines = [
        "| hello-pt, 2 sites, every batch logged | wall time | beyond none | rows in the runs |",
        "|---|---|---|---|",
    ]
    bare = [took for took, _rows in found["none"]]
    for way in _WAYS:
        times = [took for took, _rows in found[way]]
        beyond = [took - none for took, none in zip(times, bare)]
        counts = sorted({count for _took, count in found[way]})
        cells = [spread(times, 1, "s"), "" if way == "none" else spread(beyond, 1, "s"), ", ".join(map(str, counts))]
        lines.append(f"| {'no tracking' if way == 'none' else way} | {' | '.join(cells)} |")
    lines += [
        "",
        f"NVFlare {nvflare.__version__}, {os.cpu_count()} cores; median, and least to most, of {rounds} interleaved "
        "rounds; repeated by `.venv/bin/python tests/bench/hello_pt.py`. Without tracking, and with WandBReceiver, "
        "NVFlare's ConvertToFedEvent sends each record to the server; flarebridge's forwarder takes its place.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--print-only", action="store_true", help="print only")
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, int]]] = {way: [] for way in _WAYS}
    for number in range(arguments.rounds):
        for way in _WAYS:
            found[way].append(run(way))
            print(f"round {number + 1}: {way}: {found[way][-1][0]:.1f} s, {found[way][-1][1]} rows", flush=True)
    text = table(found, arguments.rounds)
    print(text)
    if not arguments.print_only:
        write_between_marks(_ROOT / "docs" / "measured.md", "hello-pt", text)


if __name__ == "__main__":
    main()
