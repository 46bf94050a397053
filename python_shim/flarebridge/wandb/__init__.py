"""`import flarebridge.wandb as wandb`: W&B's logging functions, on flarebridge.

In an NVFlare client's script what is logged goes into the site's run, under the site's policy; in any other script into
a run folder of its own, as W&B's client writes it, by a bridge that is started for it. Neither needs the package wandb.
What there is, and what is not there yet: python_shim/README.md of the project.
"""

import functools
import importlib
from typing import Any, Optional

from ..version import __version__
from .configuration import Config
from .definitions import Metric
from .errors import CommError, Error, UsageError
from .histogram import Histogram
from .installing import install
from .keys import log_in
from .scripts_run import Run
from .settings import Settings
from .terminal import termerror, termlog, termwarn

_active: Optional[Run] = None
# Loaded when they are first used.
_HOMES = {
    "Audio": "documents", "Graph": "graphs", "Html": "documents", "Image": "image", "Molecule": "documents",
    "Object3D": "scenes", "Plotly": "scenes", "Table": "table", "Video": "documents", "plot_table": "plot",
    "visualize": "plot",
}  # fmt: skip
_OF_THE_RUN = ("run", "config", "summary")


class AlertLevel:
    """W&B's levels of alerts."""

    INFO, WARN, ERROR = "INFO", "WARN", "ERROR"


def init(
    entity: Any = None,
    project: Any = None,
    dir: Any = None,
    id: Any = None,
    name: Any = None,
    notes: Any = None,
    tags: Any = None,
    config: Any = None,
    config_exclude_keys: Any = None,
    config_include_keys: Any = None,
    allow_val_change: Any = None,
    group: Any = None,
    job_type: Any = None,
    mode: Any = None,
    force: Any = None,
    reinit: Any = None,
    resume: Any = None,
    resume_from: Any = None,
    fork_from: Any = None,
    save_code: Any = None,
    tensorboard: Any = None,
    sync_tensorboard: Any = None,
    monitor_gym: Any = None,
    settings: Any = None,
    anonymous: Any = None,
    magic: Any = None,
) -> Run:
    """Begins a run, and gives it; the run that is there, if one is. Raises UsageError for what can't be.

    Returns at once: the bridge is started meanwhile. Where there is none, one line tells it, and the script goes on.
    """
    global _active
    arguments = dict(locals())
    from .starting import start

    found = start(_active, arguments)
    if found.is_new and reinit != "create_new":
        _active = found.run
    return found.run


def finish(exit_code: Optional[int] = None, quiet: Optional[bool] = None) -> None:
    """Ends the run: returns when all that was logged is on disk."""
    global _active
    run, _active = _active, None
    if run is not None:
        run.finish(exit_code)


join = finish


def setup(settings: Any = None) -> None:
    """Nothing has to be set up."""


def teardown(exit_code: Optional[int] = None) -> None:
    """As finish()."""
    finish(exit_code)


def require(*requirements: Any, **further: Any) -> None:
    """What older clients had to be asked for is there."""


def login(key: Optional[str] = None, host: Optional[str] = None, **further: Any) -> bool:
    """Nobody is asked for anything. A key that is given is this process's; True if there is one."""
    return log_in(key, host)


def _of_the_run(name: str) -> Any:
    """The run's method of that name as a function of the module."""
    method = getattr(Run, name)

    @functools.wraps(method)
    def call(*arguments: Any, **further: Any) -> Any:
        run = _current()
        if run is None:
            raise Error(f"You must call wandb.init() before wandb.{name}()")
        return getattr(run, name)(*arguments, **further)

    return call


def log(data: Any, step: Optional[int] = None, commit: Optional[bool] = None, sync: Optional[bool] = None) -> None:
    """See Run.log. Raises Error before init()."""
    run = _active
    if run is None or run.is_over:
        raise Error("You must call wandb.init() before wandb.log()")
    run.log(data, step, commit)


alert = _of_the_run("alert")
define_metric = _of_the_run("define_metric")
save = _of_the_run("save")
unwatch = _of_the_run("unwatch")
watch = _of_the_run("watch")


def _current() -> Optional[Run]:
    return _active if _active is not None and not _active.is_over else None


class _BeforeInit:
    """What `config` and `summary` are without a run."""

    def __init__(self, name: str):
        object.__setattr__(self, "_name", name)

    def _refuse(self, how: str) -> Any:
        raise Error(f"You must call wandb.init() before {self._name}{how}")

    def __getitem__(self, key: Any) -> Any:
        return self._refuse(f"[{key!r}]")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse(f"[{key!r}]")

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):
            raise AttributeError(key)
        return self._refuse(f".{key}")

    def __setattr__(self, key: str, value: Any) -> None:
        self._refuse(f".{key}")


def __getattr__(name: str) -> Any:
    if name in _OF_THE_RUN:
        run = _current()
        if name == "run":
            return run
        return _BeforeInit(f"wandb.{name}") if run is None else getattr(run, name)
    if name == "plot":
        return importlib.import_module(f"{__name__}.plot")
    if name in _HOMES:
        found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if name.startswith("__"):
        raise AttributeError(name)
    there = ", ".join(name for name in __all__ if not name.startswith("_"))
    raise AttributeError(
        f"flarebridge.wandb has no {name!r} yet. There are {there}. Artifacts, models, sweeps and the"
        " public Api are W&B's own client's"
    )


__all__ = [
    "AlertLevel", "Audio", "CommError", "Config", "Error", "Graph", "Histogram", "Html", "Image", "Metric", "Molecule",
    "Object3D", "Plotly", "Run", "Settings", "Table", "UsageError", "Video", "__version__", "alert", "config",
    "define_metric", "finish", "init", "install", "join", "log", "login", "plot", "plot_table", "require", "run",
    "save", "setup", "summary", "teardown", "termerror", "termlog", "termwarn", "unwatch", "visualize", "watch",
]  # fmt: skip
