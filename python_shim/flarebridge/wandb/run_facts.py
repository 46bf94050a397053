"""What a run says of itself: its names, its step, its folder, its page. Any thread."""

import os
import time
from typing import Any, NamedTuple, Optional

from .folders import run_folders, wandb_folder
from .settings import Settings

_FOLDER_WAIT = 5.0  # seconds that run.dir waits for its folder, which the bridge makes


class Plan(NamedTuple):
    """What init has decided."""

    settings: Settings  # resolved
    run_id: str
    mode: str  # "online", "offline" or "disabled"
    home: str  # "script", "site" (of a job) or "nowhere"
    folder: str  # absolute, above the runs of a script
    started: float  # seconds since the epoch
    resumed: bool = False
    first_step: int = 0
    label: str = ""  # of this process, where several share the run


class RunFacts:
    """A part of Run."""

    _plan: Plan
    _settings: Settings
    _name: Optional[str]
    _notes: Optional[str]
    _tags: tuple
    _step: int
    _over: bool

    def _operate(self, tag: str, value: dict) -> None:
        raise NotImplementedError

    @property
    def id(self) -> str:
        return self._plan.run_id

    @property
    def name(self) -> Optional[str]:
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = str(name)
        self._operate("run", {"op": "run", "name": self._name})

    @property
    def notes(self) -> Optional[str]:
        return self._notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._notes = str(notes)
        self._operate("run", {"op": "run", "notes": self._notes})

    @property
    def tags(self) -> tuple:
        return self._tags

    @tags.setter
    def tags(self, tags: Any) -> None:
        self._tags = (tags,) if isinstance(tags, str) else tuple(str(tag) for tag in tags or ())
        self._operate("run", {"op": "run", "tags": list(self._tags)})

    @property
    def project(self) -> str:
        return self._settings.project or "uncategorized"

    project_name = project

    @property
    def entity(self) -> str:
        return self._settings.entity or ""

    @property
    def group(self) -> str:
        return self._settings.run_group or ""

    @property
    def job_type(self) -> str:
        return self._settings.run_job_type or ""

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def step(self) -> int:
        """Of the row that is open, or comes next."""
        return self._step

    @property
    def starting_step(self) -> int:
        return self._plan.first_step

    @property
    def resumed(self) -> bool:
        return self._plan.resumed

    @property
    def start_time(self) -> float:
        return self._plan.started

    @property
    def offline(self) -> bool:
        return self._plan.mode != "online"

    @property
    def disabled(self) -> bool:
        return self._plan.mode == "disabled"

    @property
    def sweep_id(self) -> None:
        return None

    @property
    def path(self) -> str:
        return "/".join(filter(None, (self.entity, self.project, self.id)))

    @property
    def url(self) -> Optional[str]:
        """Its page, where it is uploaded and the entity is known."""
        if self._plan.mode != "online" or not self.entity or self._plan.home != "script":
            return None
        base = (self._settings.base_url or "https://api.wandb.ai").replace("//api.wandb.ai", "//wandb.ai").rstrip("/")
        return f"{base}/{self.entity}/{self.project}/runs/{self.id}"

    def get_url(self) -> Optional[str]:
        return self.url

    @property
    def dir(self) -> str:
        """The folder `files` of the run; what a script writes there stays there."""
        if self._plan.home != "script":
            return os.path.join(self._plan.folder, "wandb")
        deadline = time.monotonic() + _FOLDER_WAIT
        while True:
            found = run_folders(self._plan.folder, self.id)
            if found or time.monotonic() >= deadline or self._over:
                break
            time.sleep(0.01)
        # As receivers/wandb/log/run_folder.cc names it.
        kind = "run" if self._plan.mode == "online" else "offline-run"
        begun = time.strftime("%Y%m%d_%H%M%S", time.localtime(self._plan.started))
        folder = found[-1] if found else os.path.join(wandb_folder(self._plan.folder), f"{kind}-{begun}-{self.id}")
        return os.path.join(folder, "files")
