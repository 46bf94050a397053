"""Where people find a job's runs: their group's page, once the uploads tell it, or the command that uploads them.

Used by BridgeReceiver, which says it at the run's end; the link's thread and NVFlare's.
"""

import shlex
from typing import Any, Optional
from urllib.parse import unquote

_GROUP = "View group at "  # the uploads' words (bridge/uploader/upload_process.cc)


class RunLinks:
    """Nothing before `begin`."""

    def __init__(self) -> None:
        self._group = ""
        self._line = ""

    def begin(self, wandb: Optional[dict[str, Any]], opened: tuple, endpoint: Optional[str], fetched: bool) -> None:
        """START_RUN.

        Args:
            wandb: the arguments of that receiver, checked; None: there are no runs of W&B's.
            opened: the job, the run's name, the side, and the folder for runs that have no `dir`.
            endpoint: the shared bridge's; over tcp, runs are on its machine.
            fetched: NVFlare brings that folder away when the job is over.
        """
        job, run_name, _side, folder = opened
        # As receivers/wandb/run/run_identity.cc has it.
        self._group, self._line = f"{run_name}-{job}", ""
        if wandb is None or wandb.get("mode") != "offline" or str(endpoint).startswith("tcp://"):
            return
        own = wandb.get("dir")
        self._line = f"upload the runs with: flarebridge sync {shlex.quote(own or folder)}"
        if fetched and not own:
            self._line += ", or where NVFlare has put the job's results by then"

    def heard(self, text: str) -> str:
        """What is said, as it is. The page of this job's group is kept; a shared bridge tells those of others, too."""
        if text.startswith(_GROUP) and unquote(text.rpartition("/groups/")[2]) == self._group:
            self._line = text
        return text

    def at_end(self) -> list[tuple[str, str]]:
        """What there is to say at END_RUN: levels and texts."""
        return [("info", self._line)] if self._line else []
