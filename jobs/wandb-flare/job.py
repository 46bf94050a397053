"""Federated averaging of a network for point clouds over two sites in NVFlare's simulator, each with a W&B run.

At the end it says where a page of the runs' curves is.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE.parent))

from report_of import folder_for, write_report  # noqa: E402

_INSIDE = "WANDB_FLARE_FOLDER"  # in the environment of the process that the simulator belongs to


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sites", type=int, default=2)
    parser.add_argument("--folder", help="where all goes; default: a new one below build/wandb-flare")
    parser.add_argument("--train_args", default="", help="options of client.py, as one text: '--epochs 1'")
    return parser.parse_args()


def run(arguments: argparse.Namespace, folder: str) -> None:
    """The job, in this process; NVFlare's output goes where that of this process goes."""
    from flarebridge import add_tracking
    from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
    from nvflare.recipe import SimEnv
    from shapes import PointNetwork

    os.chdir(_HERE)  # NVFlare packs the script's neighbours from here
    recipe = FedAvgRecipe(
        name="wandb-flare",
        model=PointNetwork(),
        min_clients=arguments.sites,
        num_rounds=arguments.rounds,
        train_script=str(_HERE / "client.py"),
        train_args=arguments.train_args,
    )
    add_tracking(recipe, wandb_args={"name": "shapes", "project": "demo", "tags": ["demo"]}, system_interval=1.0)
    recipe.execute(SimEnv(num_clients=arguments.sites, num_threads=arguments.sites, workspace_root=folder))


def main() -> int:
    arguments = parse_arguments()
    inside = os.environ.get(_INSIDE)
    if inside:
        run(arguments, inside)
        return 0
    folder = folder_for("wandb-flare", arguments.folder)
    if shlex.quote(str(folder)) != str(folder):
        print(f"NVFlare's simulator takes no such path: {folder}; name another one with --folder", file=sys.stderr)
        return 1
    log = folder / "job.log"
    print(f"training; all of NVFlare's output goes to {log}", flush=True)
    # What the sites of this machine let leave: more than a site does that says nothing.
    environment = {**os.environ, _INSIDE: str(folder), "FLAREBRIDGE_POLICY": str(_HERE / "policy.json")}
    with log.open("wb") as output:
        done = subprocess.run([sys.executable, *sys.argv], env=environment, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(f"the job failed with status {done.returncode}; {log} says why", file=sys.stderr)
        return 1
    return write_report(folder)


if __name__ == "__main__":
    sys.exit(main())
