"""hello-pt with what a test adds: other arguments of BridgeReceiver, written into the defined job by hand.

usage: run_job.py [--receiver JSON] -- job.py's options
"""

import argparse
import json
import os
import sys
from pathlib import Path

_HELLO_PT = Path(__file__).resolve().parents[2] / "jobs" / "hello-pt"
sys.path[:0] = [str(_HELLO_PT), str(Path(__file__).parent)]

import job  # noqa: E402
from simulator_ports import keep_workers_apart  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--receiver", type=json.loads, default={})
    own, rest = parser.parse_known_args()
    arguments = job.parse_arguments([word for word in rest if word != "--"])
    os.chdir(_HELLO_PT)
    recipe = job.make_recipe(arguments)
    write_by_hand(recipe, own.receiver)
    keep_workers_apart()
    job.run(recipe, arguments, Path(arguments.workspace))


def recipe_job(recipe):
    return getattr(recipe, "_job", None) or recipe.job  # public up to NVFlare 2.8


def write_by_hand(recipe, given: dict) -> None:
    """Puts arguments into the defined job unseen, as whoever edits its files does."""
    from flarebridge import BridgeReceiver

    for app in recipe_job(recipe)._deploy_map.values():
        for component in app.get_app_config().components.values():
            if isinstance(component, BridgeReceiver):
                for name, value in given.items():
                    merged = {**component.wandb_args, **value} if name == "wandb_args" else value
                    setattr(component, name, merged)


if __name__ == "__main__":
    main()
