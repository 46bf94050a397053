"""Where runs of scripts are, as W&B's client and the bridge name their folders (receivers/wandb/log/run_folder.cc)."""

import os


def wandb_folder(folder: str) -> str:
    """The folder of runs below a folder."""
    hidden = os.path.join(folder, ".wandb")
    return hidden if os.path.isdir(hidden) else os.path.join(folder, "wandb")


def run_folders(folder: str, run_id: str) -> list:
    """The folders of a run below a folder, the oldest first."""
    above = wandb_folder(folder)
    try:
        names = os.listdir(above)
    except OSError:
        return []
    found = [
        name
        for name in names
        if name.startswith(("run-", "offline-run-"))
        and name.endswith(f"-{run_id}")
        and os.path.exists(os.path.join(above, name, f"run-{run_id}.wandb"))
    ]
    return [os.path.join(above, name) for name in sorted(found, key=lambda name: name.replace("offline-", "", 1))]


def state_folder(folder: str, run_id: str) -> str:
    """The folder of the bridge of a script's run."""
    return os.path.join(wandb_folder(folder), ".flarebridge", run_id)
