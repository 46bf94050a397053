"""Plays the scripts of wandb_scripts.py and its neighbours, each in a folder of its own below FOLDER.

usage: script_player.py sdk|ours FOLDER [NAME...]. What a script raises is in the file `raised` of its folder.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import all_scripts  # noqa: F401
from wandb_scripts import SCRIPTS, missing


def play(module: Any, folder: Path, names: list[str]) -> None:
    watch = sys.modules.get("wandb.sdk.wandb_watch")
    for name in names or [name for name in SCRIPTS if not missing(name)]:
        own = folder / name
        own.mkdir()
        os.chdir(own)
        if watch is not None:
            watch._global_watch_idx = 0  # as in a process of the script's own
        try:
            SCRIPTS[name](module)
        except Exception:
            (own / "raised").write_text(traceback.format_exc())
        module.teardown()  # W&B's client keeps the folder of the first run


if __name__ == "__main__":
    if sys.argv[1] == "sdk":
        import wandb as played
    else:
        import flarebridge.wandb as played
    play(played, Path(sys.argv[2]).resolve(), sys.argv[3:])
