"""Who logs into a script's run: one process, or several that all say so (W&B's mode "shared").

A process holds a lock on the run for as long as it logs: two that do not share it can't have it at once, however they
came by the same id.
"""

import os
from pathlib import Path
from typing import Any, Optional

from ..forks import forget_in_child
from ..shared_bridge import hold
from .errors import UsageError
from .folders import state_folder
from .settings import Settings

_MOST_LABEL = 64  # characters
_HOW = "settings=wandb.Settings(mode='shared', x_primary=..., x_label=...)"


class Claim:
    """A process's part in a run."""

    def __init__(self, settings: Settings, folder: str, run_id: str):
        """`folder`: above the runs. Raises UsageError if another process has the run for itself."""
        self.shared = bool(settings.shared)
        self.is_primary = not self.shared or bool(settings.x_primary and settings.x_update_finish_state)
        self.label = _label(settings.x_label) if self.shared else ""
        self._lock = self._take(Path(state_folder(folder, run_id)), run_id)
        forget_in_child(self)

    def as_writer(self) -> Optional[dict]:
        """As Encoder.session_opened() has it."""
        return {"pid": os.getpid(), "secondary": not self.is_primary} if self.shared else None

    def let_go(self) -> None:
        """The run is over for this process."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def forget_in_child(self) -> None:
        """A forked child has no part in its parent's run."""
        self.let_go()

    def _take(self, state: Path, run_id: str) -> Optional[int]:
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = hold(state / "writers.lock", alone=not self.shared)
        except OSError:
            return None  # nothing can be written there, which the bridge tells
        if lock is None:
            how = "by a process that does not share it" if self.shared else "and this call does not ask to share it"
            raise UsageError(
                f"run {run_id!r} is open already, {how}: finish it there first, take another id, or let all processes"
                f" say {_HOW}"
            )
        return lock


def _label(given: Any) -> str:
    """Of this process: what the user says, else its rank, else its number."""
    rank = os.environ.get("RANK", "")
    return str(given or (f"rank{rank}" if rank.isdigit() else f"process-{os.getpid()}"))[:_MOST_LABEL]
