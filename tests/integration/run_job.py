"""hello-pt with what a test adds: other arguments of BridgeReceiver.

usage: run_job.py [--receiver JSON] -- job.py's options
"""

import argparse
import json
import os
import sys
from pathlib import Path

_HELLO_PT = Path(__file__).resolve().parents[2] / "jobs" / "hello-pt"
sys.path.insert(0, str(_HELLO_PT))

import job  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--receiver", type=json.loads, default={})
    own, rest = parser.parse_known_args()
    arguments = job.parse_arguments([word for word in rest if word != "--"])
    if own.receiver:
        import flarebridge

        add_tracking = flarebridge.add_tracking

        def add_with_more(recipe, wandb_args=None, **given):
            more = dict(own.receiver)
            wandb_args = {**(wandb_args or {}), **more.pop("wandb_args", {})}
            return add_tracking(recipe, wandb_args=wandb_args, **{**given, **more})

        flarebridge.add_tracking = add_with_more
    os.chdir(_HELLO_PT)
    recipe = job.make_recipe(arguments)
    from nvflare.recipe import SimEnv

    recipe.execute(SimEnv(num_clients=arguments.n_clients, workspace_root=os.path.abspath(arguments.workspace)))


if __name__ == "__main__":
    main()
