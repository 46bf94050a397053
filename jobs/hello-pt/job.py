"""hello-pt: federated training of a small CNN in NVFlare's simulator, every metric tracked by flarebridge.

Runs appear below the workspace while the training runs: server-side streaming writes all of them
where the server is, client-side streaming each on its site. README.md tells the rest.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Optional
from urllib.parse import quote

import arguments as options
import call_folder
import plain_paths

try:
    import data
    from model import Net
except ImportError as e:
    sys.exit(f"hello-pt: error: {e}. Run jobs/setup.sh once, and this by .venv/bin/python; run.sh does both")

_HERE = Path(__file__).resolve().parent


def parse_arguments(argv: Optional[list[str]] = None) -> argparse.Namespace:
    """The options, the data behind them looked at; ends the program with a message if something is wrong."""
    arguments = options.parse(argv)
    try:
        data.load(arguments.data, arguments.folder, "site-1", arguments.n_clients, arguments.seed)
    except ValueError as e:
        options.make_parser().error(str(e))
    if arguments.mode != "disabled" and not (arguments.streamed_to_server or arguments.streamed_to_clients):
        print("hello-pt: neither side streams, so nothing is tracked", file=sys.stderr)
    return arguments


def script_arguments(arguments: argparse.Namespace) -> str:
    """client.py's command line."""
    passed = ["data", "n_clients", "local_epochs", "batch_size", "lr", "seed", "log_every", "writer"]
    words = [word for name in passed for word in (f"--{name}", str(getattr(arguments, name)))]
    # NVFlare splits it at every space, quoted or not (task_script_runner.py).
    for name in ("folder", "values"):
        if getattr(arguments, name):
            words += [f"--{name}", quote(getattr(arguments, name))]
    return " ".join(words)


def make_recipe(arguments: argparse.Namespace):
    """The federated job, with tracking."""
    from flarebridge import add_tracking

    return add_tracking(
        make_plain_recipe(arguments),
        wandb_args=run_arguments(arguments),
        mode=arguments.mode,
        server_side=arguments.streamed_to_server,
        client_side=arguments.streamed_to_clients,
        forward=arguments.forward,
    )


def make_plain_recipe(arguments: argparse.Namespace):
    """The federated job."""
    from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe

    return FedAvgRecipe(
        name="hello-pt",
        model=Net(channels=data.channels_of(arguments.data), seed=arguments.seed),
        min_clients=arguments.n_clients,
        num_rounds=arguments.num_rounds,
        train_script=str(_HERE / "client.py"),
        train_args=script_arguments(arguments),
    )


def run_arguments(arguments: argparse.Namespace) -> dict:
    """What the W&B runs are told of the job."""
    return {
        "name": arguments.name,
        "project": arguments.project,
        "job_type": "train-validate",
        "notes": "Federated averaging of a small CNN",
        "tags": ["hello-pt", arguments.data],
        "config": {
            "architecture": "CNN",
            "dataset": arguments.data,
            "optimizer": "SGD",
            "lr": arguments.lr,
            "batch_size": arguments.batch_size,
            "local_epochs": arguments.local_epochs,
            "num_rounds": arguments.num_rounds,
        },
    }


def run(recipe, arguments: argparse.Namespace, folder: Path) -> None:
    """Runs the job in NVFlare's simulator, whose workspace is `hello-pt/` in the folder."""
    from nvflare.recipe import SimEnv

    folder.mkdir(parents=True, exist_ok=True)
    with plain_paths.plain(folder) as plain:
        env = SimEnv(
            num_clients=arguments.n_clients,
            num_threads=arguments.threads or arguments.n_clients,
            workspace_root=str(plain),
        )
        recipe.execute(env)


def main() -> int:
    arguments = parse_arguments()
    if arguments.export:
        os.chdir(_HERE)  # NVFlare packs the script's neighbours from here
        make_recipe(arguments).export(arguments.export)
        print(f"hello-pt: the job is in {arguments.export}/hello-pt")
        return 0
    by_hand = call_folder.MARK not in os.environ
    try:
        folder = call_folder.of_this_call(arguments.workspace, sys.argv[1:])
    except ValueError as e:
        options.make_parser().error(str(e))
    if by_hand:
        print(f"hello-pt: the runs will be below {folder}", flush=True)
    os.chdir(_HERE)
    run(make_recipe(arguments), arguments, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
