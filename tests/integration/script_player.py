"""Plays the scripts of wandb_scripts.py and wandb_media_scripts.py, each in a folder of its own below FOLDER.

usage: script_player.py sdk|ours FOLDER [NAME...]
"""

import os
import sys
from pathlib import Path
from typing import Any

import wandb_media_scripts  # noqa: F401
from wandb_scripts import SCRIPTS, missing


def play(module: Any, folder: Path, names: list[str]) -> None:
    for name in names or [name for name in SCRIPTS if not missing(name)]:
        own = folder / name
        own.mkdir()
        os.chdir(own)
        SCRIPTS[name](module)
        module.teardown()  # W&B's client keeps the folder of the first run


if __name__ == "__main__":
    if sys.argv[1] == "sdk":
        import wandb as played
    else:
        import flarebridge.wandb as played
    play(played, Path(sys.argv[2]).resolve(), sys.argv[3:])
