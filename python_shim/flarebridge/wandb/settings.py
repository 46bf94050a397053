"""What a run is to be: arguments of init, Settings, and W&B's environment variables, in this order."""

import os
import secrets
from collections.abc import Mapping
from typing import Any, Optional

from ..sampling import INTERVAL, LEAST
from .errors import UsageError
from .terminal import is_true, say_once

_MODES = {
    "online": "online", "run": "online", "offline": "offline", "dryrun": "offline", "disabled": "disabled",
}  # fmt: skip
_SHARED = "shared"  # a mode of W&B's: several processes log into one run
_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_FITS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_MOST_ID = 64  # characters
# W&B's limits (wandb/sdk/wandb_settings.py at 0.28.3).
_MOST_PROJECT, _NOT_IN_PROJECT = 128, "/\\#?%:"

# Fields, and the environment variable of each.
_VARIABLES = {
    "project": "WANDB_PROJECT", "entity": "WANDB_ENTITY", "run_name": "WANDB_NAME", "run_notes": "WANDB_NOTES",
    "run_tags": "WANDB_TAGS", "mode": "WANDB_MODE", "root_dir": "WANDB_DIR", "run_group": "WANDB_RUN_GROUP",
    "run_job_type": "WANDB_JOB_TYPE", "run_id": "WANDB_RUN_ID", "resume": "WANDB_RESUME", "console": "WANDB_CONSOLE",
    "silent": "WANDB_SILENT", "quiet": "WANDB_QUIET", "base_url": "WANDB_BASE_URL", "reinit": "WANDB_REINIT",
    "x_disable_stats": "WANDB_X_DISABLE_STATS", "x_stats_sampling_interval": "WANDB_X_STATS_SAMPLING_INTERVAL",
    "x_label": "WANDB_X_LABEL", "x_primary": "WANDB_X_PRIMARY", "x_update_finish_state": "WANDB_X_UPDATE_FINISH_STATE",
}  # fmt: skip
# Of W&B's Settings; they change nothing here, and need no word.
_QUIETLY_IGNORED = ("start_method", "init_timeout", "show_info", "show_warnings", "show_errors", "symlink", "program")


class Settings:
    """W&B's Settings: the fields that mean something here are kept, the others named once."""

    def __init__(self, **fields: Any):
        self._set(fields)

    def _set(self, fields: Mapping) -> None:
        unknown = sorted(key for key in fields if key not in _VARIABLES and key not in (*_QUIETLY_IGNORED, "shared"))
        if unknown:
            say_once("warning", f"settings that change nothing here: {', '.join(unknown)}")
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name in _VARIABLES or name in _QUIETLY_IGNORED or name == "shared":
            return None
        raise AttributeError(f"flarebridge's Settings have no {name!r}")

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{key}={value!r}' for key, value in self.__dict__.items())})"

    def resolved(self) -> "Settings":
        """With what the environment says of fields that are not given. Raises UsageError for what can't be."""
        found = Settings()
        for field, variable in _VARIABLES.items():
            given = getattr(self, field)
            found.__dict__[field] = os.environ.get(variable) or None if given is None else given
        found.__dict__["shared"] = bool(self.shared) or found.mode == _SHARED
        if found.mode == _SHARED:  # it does not say whether the run is uploaded
            other = os.environ.get("WANDB_MODE")
            found.__dict__["mode"] = other if other and other != _SHARED else None
        found.__dict__["mode"] = _mode(found.mode)
        for field in ("x_primary", "x_update_finish_state"):
            found.__dict__[field] = getattr(found, field) is None or is_true(getattr(found, field))
        tags = found.run_tags
        if isinstance(tags, str):
            tags = [tag.strip() for tag in tags.split(",")]
        found.__dict__["run_tags"] = [str(tag) for tag in tags or () if str(tag)]
        _check_project(found.project)
        check_id(found.run_id)
        found.__dict__["x_disable_stats"] = is_true(str(found.x_disable_stats or ""))
        found.__dict__["x_stats_sampling_interval"] = _interval(found.x_stats_sampling_interval)
        return found


def settings_of(given: Any, arguments: Mapping) -> Settings:
    """`given`: init's argument settings; `arguments`: its others by their fields here, which go before."""
    if given is None:
        fields = {}
    elif isinstance(given, Settings):
        fields = dict(given.__dict__)
    elif isinstance(given, Mapping):
        fields = dict(given)
    else:
        fields = dict(vars(given)) if hasattr(given, "__dict__") else {}
    shared = _SHARED in (fields.get("mode"), arguments.get("mode"), os.environ.get("WANDB_MODE"))
    fields.update({key: value for key, value in arguments.items() if value is not None})
    if shared:
        fields["shared"] = True
    return Settings(**fields).resolved()


def new_id() -> str:
    """As W&B's client makes them: eight characters."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(8))


def check_id(run_id: Any) -> None:
    """Raises UsageError for what can't be a part of a file's name."""
    if run_id is None:
        return
    if not isinstance(run_id, str) or not 0 < len(run_id) <= _MOST_ID or set(run_id) - _ID_FITS or run_id[0] == ".":
        raise UsageError(
            f"a run's id has 1 to {_MOST_ID} characters of a-z A-Z 0-9 - _ . and does not begin with a dot;"
            f" {run_id!r} is none"
        )


def _check_project(project: Optional[str]) -> None:
    if project is None:
        return
    if not isinstance(project, str) or len(project) > _MOST_PROJECT or set(project) & set(_NOT_IN_PROJECT):
        raise UsageError(
            f"W&B refuses the project name {project!r}: it has up to {_MOST_PROJECT} characters and none of"
            f" {' '.join(_NOT_IN_PROJECT)}"
        )


def _interval(given: Any) -> float:
    """Seconds between two samples of the machine."""
    if given is None:
        return INTERVAL
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        raise UsageError(f"x_stats_sampling_interval = {given!r}; it must be a number of seconds") from None
    if not LEAST <= seconds < float("inf"):
        raise UsageError(f"x_stats_sampling_interval = {given!r}; it must be {LEAST:g} seconds or more")
    return seconds


def _mode(mode: Any) -> Optional[str]:
    """None: nobody has said a word."""
    if is_true(os.environ.get("WANDB_DISABLED", "")):
        return "disabled"
    if mode is None:
        return None
    if mode not in _MODES:
        raise UsageError(f"mode {mode!r} is not known; use online, offline or disabled")
    return _MODES[mode]
