"""hello-pt in NVFlare's simulator, tracked in one of three ways.

usage: hello_pt_job.py none|WandBReceiver|flarebridge FOLDER

Everything else is the same: the script logs by NVFlare's WandBWriter.
"""

import os
import sys
from pathlib import Path

_JOB = Path(__file__).resolve().parents[2] / "jobs" / "hello-pt"
sys.path[:0] = [str(_JOB)]

import job  # noqa: E402


def main() -> None:
    way, folder = sys.argv[1:]
    arguments = job.parse_arguments(["--writer", "wandb", "--log_every", "1", "--workspace", folder])
    os.chdir(_JOB)  # NVFlare packs the script's neighbours from here
    recipe = job.make_recipe(arguments) if way == "flarebridge" else job.make_plain_recipe(arguments)
    if way == "WandBReceiver":
        from nvflare.recipe.utils import add_experiment_tracking

        add_experiment_tracking(recipe, "wandb", {"wandb_args": job.run_arguments(arguments), "mode": "offline"})
    from nvflare.recipe import SimEnv

    recipe.execute(SimEnv(num_clients=arguments.n_clients, num_threads=arguments.n_clients, workspace_root=folder))


if __name__ == "__main__":
    main()
