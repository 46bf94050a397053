"""The real `wandb sync`, run on a folder that is to be judged, against a server on this machine."""

import subprocess
from pathlib import Path
from typing import Protocol

from wandb_command import run_wandb


class Server(Protocol):
    """What sync needs to know of a server."""

    url: str
    key: str


def sync(run_folder: Path, server: Server, *options: str, seconds: float = 120.0) -> "subprocess.CompletedProcess[str]":
    """Uploads a run folder (or a `.wandb` file) with `wandb sync [options]`. seconds: the deadline.

    The user's settings and W&B's own servers take no part. No process is left, whatever happens. Beware that
    W&B's tool exits with status 0 after many errors: look at its stderr and at what the server holds.
    Raises subprocess.TimeoutExpired, LeftProcessesError.
    """
    path = str(Path(run_folder).resolve())
    return run_wandb(["sync", *options, path], seconds, WANDB_BASE_URL=server.url, WANDB_API_KEY=server.key)
