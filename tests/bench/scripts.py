"""What flarebridge.wandb costs the training thread of a script, beside W&B's own client, offline.

usage: scripts.py [--rounds N] [--only PATTERN]. Each figure of each client is a process of its own, in interleaved
rounds; the median of the rounds' medians is printed. What a client can't do without a package that is missing is NaN.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

_CLIENTS = {"sdk": "wandb", "ours": "flarebridge.wandb"}
_DEADLINE = 300  # seconds of one process


def _scalars(wandb: Any) -> Callable[[int], dict]:
    return lambda number: {f"metric_{i}": 1 / (number + i + 3) for i in range(5)}


def _image(side: int) -> Callable[[Any], Callable[[int], dict]]:
    def prepare(wandb: Any) -> Callable[[int], dict]:
        import numpy as np

        ramp = np.add.outer(np.arange(side), np.arange(side))[:, :, None] // np.array([1, 2, 3]) % 256
        pixels = ramp.astype(np.uint8)
        return lambda number: {"image": wandb.Image(pixels)}

    return prepare


def _figure(wandb: Any) -> Callable[[int], dict]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot(range(100))
    return lambda number: {"figure": wandb.Image(figure)}


def _histogram(wandb: Any) -> Callable[[int], dict]:
    import numpy as np

    values = np.random.default_rng(1).normal(size=1_000_000).astype(np.float32)
    return lambda number: {"histogram": wandb.Histogram(values)}


def _watching(wandb: Any, run: Any) -> float:
    """Seconds that watch() adds to a step, backward pass and log call, with gradients of 1,000,000 parameters."""
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.Linear(1000, 1000, bias=False)
    given = torch.rand(1, 1000)

    def step(number: int) -> float:
        began = time.perf_counter()
        layer.zero_grad()
        layer(given).sum().backward()
        run.log({"loss": number})
        return time.perf_counter() - began

    plain = statistics.median(map(step, range(_WATCHED)))
    wandb.watch(layer, log_freq=1)
    return statistics.median(map(step, range(_WATCHED))) - plain


# Name -> what prepares a row, and how often it is logged.
_ROWS: dict[str, tuple] = {
    "5 scalars": (_scalars, 5000),
    "image 64 x 64 x 3": (_image(64), 200),
    "image 1024 x 1024 x 3": (_image(1024), 10),
    "matplotlib figure 640 x 480": (_figure, 20),
    "histogram of 1,000,000 float32": (_histogram, 20),
}
_WATCH = "watch: gradients of 1,000,000 float32, more a step"
_STARTS = ("import", "init", "finish behind 1,000 rows", "a run of 10 rows, init to finish")
_WATCHED = 20  # steps


def play(client: str, name: str) -> float:
    """Seconds of one figure: of a row the median."""
    begun = time.perf_counter()
    wandb = __import__(_CLIENTS[client], fromlist=["log"])
    imported = time.perf_counter()
    run = wandb.init(project="bench", mode="offline", settings=wandb.Settings(console="off"))
    ready = time.perf_counter()
    if name in _STARTS:
        if name.startswith("finish"):
            for number in range(1000):
                run.log({"loss": number})
        if name.startswith("a run"):
            for number in range(10):
                run.log({"loss": number})
        behind = time.perf_counter()
        run.finish()
        ended = time.perf_counter()
        took = {"import": imported - begun, "init": ready - imported, _STARTS[-1]: ended - imported}
        return took.get(name, ended - behind)
    if name == _WATCH:
        added = _watching(wandb, run)
        run.finish()
        return added
    prepare, count = _ROWS[name]
    make, costs = prepare(wandb), []
    for number in range(count):
        began = time.perf_counter()
        run.log(make(number))
        costs.append(time.perf_counter() - began)
    run.finish()
    return statistics.median(costs)


def _measure(client: str, name: str) -> float:
    """NaN where the client can't do it."""
    with tempfile.TemporaryDirectory(prefix="flarebridge-bench-") as folder:
        environment = {**os.environ, "HOME": folder, "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), "--play", client, name], cwd=folder, env=environment,
            capture_output=True, text=True, timeout=_DEADLINE,
        )  # fmt: skip
        if done.returncode != 0:
            print(f"{name}: {_CLIENTS[client]}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            return float("nan")
        return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--play", nargs=2, metavar=("CLIENT", "NAME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.play:
        print(json.dumps(play(*arguments.play)))
        return
    names = [name for name in (*_ROWS, _WATCH, *_STARTS) if re.search(arguments.only, name)]
    found: dict = {(client, name): [] for name in names for client in _CLIENTS}
    for _ in range(arguments.rounds):
        for client, name in found:
            found[client, name].append(_measure(client, name))
    print(f"{'':50} {'flarebridge.wandb':>20} {'wandb':>20}")
    for name in names:
        ours, theirs = (1000 * statistics.median(found[client, name]) for client in ("ours", "sdk"))
        print(f"{name:50} {ours:>17.3f} ms {theirs:>17.3f} ms")


if __name__ == "__main__":
    main()
