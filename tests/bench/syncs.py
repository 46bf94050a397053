"""One measurement of a command that uploads run logs to a server on this machine; prints JSON.

The logs are flarebridge's own, made anew for each measurement, the same but for their times and ids. The command is
called as a user calls it, with nothing of this machine's settings; all that it starts counts.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS / part) for part in ("", "integration", "conformance", "../python_shim")]

import command  # noqa: E402
from bridge_driver import Driver  # noqa: E402
from counting_server import CountingServer  # noqa: E402
from flarebridge.bridge_process import find_binary  # noqa: E402
from load import LoadedBridge, finish  # noqa: E402
from strict_run import SUMMARY  # noqa: E402
from wandb_command import isolated_environment  # noqa: E402

_COMMANDS = {
    "flarebridge": lambda: [find_binary(), "sync"],
    "wandb sync": lambda: [sys.executable, "-m", "wandb", "sync"],
}
_ROWS = 200_000  # of the long run
_RUNS, _SHORT = 100, 100  # short runs, and rows of each
_VALUES = 5  # in a row
_DEADLINE = 600  # seconds


def long_run(folder: Path, rows: int) -> list[Path]:
    """One run of so many rows. Gives its folder."""
    with LoadedBridge(folder) as bridge:
        finish(bridge.generate("logs", sites=1, values=_VALUES, events=rows), _DEADLINE)
        bridge.wait(_DEADLINE)
    return _run_folders(folder / "logs")


def short_runs(folder: Path, runs: int) -> list[Path]:
    """So many runs, each with a config, rows and a summary. Gives their folders."""
    sites = [f"site-{number}" for number in range(runs)]
    with Driver(folder / "logs", {"wandb": {}}) as driver:
        for site in sites:
            driver.start_run(site)
            parameters = {"lr": 0.01, "batch_size": 32, "optimizer": "sgd", "layers": 4}
            driver.data(site, "PARAMETERS", "parameters", parameters)
        for step in range(_SHORT):
            for site in sites:
                values = {f"metric_{i}": 1 / (step + i + 3) for i in range(_VALUES)}
                driver.data(site, "METRICS", "metrics", values, step)
        driver.end(seconds=_DEADLINE)
    return _run_folders(folder / "logs")


def _run_folders(folder: Path) -> list[Path]:
    return sorted(log.parent for log in folder.rglob("run-*.wandb"))


def upload(which: str, runs: list[Path], rows: int, folder: Path) -> tuple[command.Taken, float]:
    """What the command took, and the processor's seconds of the server. Raises AssertionError if not all arrived."""
    with CountingServer() as server, tempfile.TemporaryDirectory(dir=folder) as home:
        environment = isolated_environment(Path(home), WANDB_BASE_URL=server.url, WANDB_API_KEY=server.key)
        words = [*_COMMANDS[which](), *map(str, runs)]
        taken = command.run(words, environment, Path(home) / "output", _DEADLINE)
        there = [run for run in server.runs.values() if run.complete and run.config and run.streams[SUMMARY].count]
        found = f"{len(there)} runs, {server.rows()} rows; {server.violations[:5]}; {which}: ...{taken.output[-500:]}"
        assert (taken.status, len(there), server.rows()) == (0, len(runs), rows) and not server.violations, found
        return taken, server.processor_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=_COMMANDS)
    parser.add_argument("kind", choices=("long", "short"), help="one run of many rows, or many runs of few")
    parser.add_argument("folder", type=Path, help="for the logs; an existing one")
    parser.add_argument("--rows", type=int, default=_ROWS, help="of the long run (%(default)s)")
    parser.add_argument("--runs", type=int, default=_RUNS, help="short ones (%(default)s)")
    told = parser.parse_args()
    if told.kind == "long":
        runs, rows = long_run(told.folder, told.rows), told.rows
    else:
        runs, rows = short_runs(told.folder, told.runs), told.runs * _SHORT
    taken, server = upload(told.which, runs, rows, told.folder)
    figures = {"s": taken.seconds, "cpu_s": taken.processor_seconds, "mib": taken.mib, "server_s": server}
    print(json.dumps({f"{told.kind}_{name}": value for name, value in figures.items()}), flush=True)


if __name__ == "__main__":
    main()
