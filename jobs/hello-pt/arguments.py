"""The options of hello-pt, in Python's standard library alone: help and mistakes need no set-up.

usage: arguments.py [options of run.sh]    checks them, or prints the help
"""

import argparse
import os
import sys
from typing import NoReturn, Optional

_DESCRIPTION = """\
Trains a small CNN by federated averaging in NVFlare's simulator, on two sites of this machine, and
tracks every metric with flarebridge: one W&B run for each site, without an account. run.sh installs
what is missing first; job.py is the job alone."""
_EXAMPLES = """\
examples:
  run.sh                                        half a minute of training, two runs on this machine
  run.sh --num_rounds 10 --n_clients 4          more of it
  run.sh --seed 7                               other weights and batches; the same seed repeats a run
  run.sh --writer wandb                         the script logs by NVFlare's WandBWriter
  run.sh --streamed_to_clients                  each site writes its own run, too
  run.sh --mode online                          in W&B while it trains (flarebridge login, once)
  run.sh --export /tmp/jobs                     the job's files, for `nvflare job submit`

Each call has a folder of its own below build/hello-pt/, of which `latest` is the last one; no call
touches the runs of another. jobs/hello-pt/README.md tells the rest."""


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="run.sh", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=_Formatter, allow_abbrev=False
    )
    training = parser.add_argument_group("training")
    training.add_argument("--n_clients", type=int, default=2, help="number of sites")
    training.add_argument("--num_rounds", type=int, default=3, help="rounds of federated averaging")
    training.add_argument("--local_epochs", type=int, default=2, help="epochs per site and round")
    training.add_argument("--batch_size", type=int, default=32, help="images in a batch")
    training.add_argument("--lr", type=float, default=0.05, help="learning rate at a round's beginning")
    training.add_argument("--seed", type=int, default=0, help="of the first weights, the shares of data, the batches")
    training.add_argument(
        "--data",
        nargs="+",
        default=["digits"],
        metavar=("digits|cifar10", "DIR"),
        help="digits, or cifar10 and the folder with CIFAR-10's binary files",
    )
    tracking = parser.add_argument_group("tracking")
    tracking.add_argument(
        "--writer", choices=["tensorboard", "wandb", "bridge"], default="bridge", help="what the script logs by"
    )
    tracking.add_argument("--log_every", type=int, default=5, help="log every so many batches")
    tracking.add_argument(
        "--mode",
        choices=["offline", "online", "disabled"],
        default="offline",
        help="runs on this machine, uploaded while they grow, or none",
    )
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
    simulator.add_argument(
        "--workspace", default=None, metavar="DIR", help="a folder without runs for this call, in place of its own"
    )
    simulator.add_argument("--threads", type=int, default=None, help="sites that run at once; without it all")
    simulator.add_argument("--export", default=None, metavar="DIR", help="write the job to DIR and do not run it")
    return parser


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"hello-pt: error: {message}; see {self.prog} --help\n")


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of description and epilog; names a default where there is one."""

    def _get_help_string(self, action: argparse.Action) -> Optional[str]:
        return action.help if action.default is None else super()._get_help_string(action)


def parse(argv: Optional[list[str]] = None) -> argparse.Namespace:
    """The arguments, with absolute folders; `folder` is CIFAR-10's. Ends the program if they are wrong."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    for name in ("n_clients", "num_rounds", "local_epochs", "batch_size", "log_every", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be 1 or more, not {value}")
    if (arguments.threads or 1) > arguments.n_clients:
        parser.error(f"--threads {arguments.threads} is more than the {arguments.n_clients} sites of --n_clients")
    if not 0 <= arguments.seed < 2**32:
        parser.error(f"--seed must be from 0 to {2**32 - 1}, not {arguments.seed}")
    kind, *folders = arguments.data
    if kind not in ("digits", "cifar10") or len(folders) != (1 if kind == "cifar10" else 0):
        parser.error(f"--data takes `digits`, or `cifar10` and a folder, not: {' '.join(arguments.data)}")
    arguments.data, arguments.folder = kind, os.path.abspath(folders[0]) if folders else None
    for name in ("values", "workspace", "export"):  # meant from where the caller stands
        given = getattr(arguments, name)
        setattr(arguments, name, os.path.abspath(given) if given else None)
    if arguments.folder and not os.path.isdir(arguments.folder):
        parser.error(f"--data cifar10: there is no folder {arguments.folder}")
    return arguments


if __name__ == "__main__":
    parse(sys.argv[1:])
