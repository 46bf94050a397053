"""hello-pt: federated training of a small CNN in NVFlare's simulator, every metric tracked by flarebridge.

Runs appear below the workspace while the training runs: server-side streaming writes all of them
where the server is, client-side streaming each on its site. README.md tells the rest.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Optional

import data
from model import Net

_HERE = Path(__file__).resolve().parent
_DEFAULT_WORKSPACE = _HERE.parents[1] / "build" / "hello-pt"


def parse_arguments(argv: Optional[list[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    training = parser.add_argument_group("training")
    training.add_argument("--n_clients", type=int, default=2, help="number of sites")
    training.add_argument("--num_rounds", type=int, default=3, help="rounds of federated averaging")
    training.add_argument("--local_epochs", type=int, default=2, help="epochs per site and round")
    training.add_argument("--batch_size", type=int, default=32)
    training.add_argument("--lr", type=float, default=0.05, help="learning rate at a round's beginning")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument(
        "--data",
        nargs="+",
        default=["digits"],
        metavar=("digits|cifar10", "DIR"),
        help="digits, or cifar10 and the folder with CIFAR-10's binary files",
    )
    tracking = parser.add_argument_group("tracking")
    tracking.add_argument("--writer", choices=["tensorboard", "wandb", "bridge"], default="bridge")
    tracking.add_argument("--log_every", type=int, default=5, help="log every so many batches")
    tracking.add_argument("--mode", choices=["offline", "online", "disabled"], default="offline")
    tracking.add_argument(
        "--streamed_to_server", action=argparse.BooleanOptionalAction, default=True, help="runs on the server"
    )
    tracking.add_argument(
        "--streamed_to_clients", action=argparse.BooleanOptionalAction, default=False, help="runs on each site"
    )
    tracking.add_argument(
        "--forward",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="bring records to the server by BridgeForwarder, not in NVFlare's own way",
    )
    tracking.add_argument("--name", default="hello-pt", help="name of the run")
    tracking.add_argument("--project", default="nvflare-hello-pt", help="W&B project")
    tracking.add_argument("--values", default=None, metavar="DIR", help="also write every logged value to DIR")
    simulator = parser.add_argument_group("simulator")
    simulator.add_argument("--workspace", default=str(_DEFAULT_WORKSPACE), help="NVFlare's files go here")
    simulator.add_argument("--threads", type=int, default=None, help="sites that run at once; default: all")
    simulator.add_argument("--export", default=None, metavar="DIR", help="write the job to DIR and do not run it")
    arguments = parser.parse_args(argv)
    check(parser, arguments)
    return arguments


def check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Ends the program with a message if the arguments make no sense."""
    for name in ("n_clients", "num_rounds", "local_epochs", "batch_size", "log_every"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    kind = arguments.data[0]
    if kind not in ("digits", "cifar10") or len(arguments.data) != (2 if kind == "cifar10" else 1):
        parser.error("--data takes `digits`, or `cifar10` and a folder")
    arguments.folder = os.path.abspath(arguments.data[1]) if kind == "cifar10" else None
    arguments.data = kind
    try:
        data.load(arguments.data, arguments.folder, "site-1", arguments.n_clients, arguments.seed)
    except ValueError as e:
        parser.error(str(e))
    if arguments.mode != "disabled" and not (arguments.streamed_to_server or arguments.streamed_to_clients):
        print("hello-pt: neither side streams, so nothing is tracked", file=sys.stderr)


def script_arguments(arguments: argparse.Namespace) -> str:
    """client.py's command line."""
    passed = ["data", "n_clients", "local_epochs", "batch_size", "lr", "seed", "log_every", "writer"]
    words = [word for name in passed for word in (f"--{name}", str(getattr(arguments, name)))]
    if arguments.folder:
        words += ["--folder", arguments.folder]
    if arguments.values:
        words += ["--values", os.path.abspath(arguments.values)]
    return shlex.join(words)


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
        model=Net(channels=data.channels_of(arguments.data)),
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


def main() -> int:
    arguments = parse_arguments()
    os.chdir(_HERE)  # NVFlare packs the script's neighbours from here
    recipe = make_recipe(arguments)
    if arguments.export:
        recipe.export(os.path.abspath(arguments.export))
        print(f"hello-pt: the job is in {os.path.abspath(arguments.export)}")
        return 0
    from nvflare.recipe import SimEnv

    env = SimEnv(
        num_clients=arguments.n_clients,
        num_threads=arguments.threads or arguments.n_clients,
        workspace_root=os.path.abspath(arguments.workspace),
    )
    recipe.execute(env)
    return 0


if __name__ == "__main__":
    sys.exit(main())
