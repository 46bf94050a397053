"""The arguments of receivers: all that can't be carried out is found here, before anything is taken.

Each refusal names the argument, its value, and what is right. The bridge checks again what it needs; but what it
refuses then has been taken already. Any thread; no state.
"""

import difflib
import os
from typing import Any, Optional

_MODES = {
    "offline": "offline",
    "dryrun": "offline",
    "online": "online",
    "run": "online",
    "disabled": "disabled",
}
_GLOBS = ("include", "exclude", "sites")
# Names and values of NVFlare's LogWriterName, and the short word.
_WRITERS = ("TORCH_TB", "TORCH_TENSORBOARD", "TENSORBOARD", "MLFLOW", "WANDB", "WEIGHTS_AND_BIASES")
_TEXTS = ("name", "project", "entity", "group", "job_type", "notes", "dir", "id")
_FOR_ALL = ("dir", *_GLOBS, "writers")
# Receivers of the bridge (receivers/receivers.cc) and what each takes.
_KNOWN = {"jsonl": _FOR_ALL, "wandb": (*_TEXTS, "tags", "config", "mode", "prefix_scalars", *_FOR_ALL)}
# Of wandb.init (0.31): they change nothing here.
_WITHOUT_EFFECT = (
    "config_exclude_keys", "config_include_keys", "allow_val_change", "force", "reinit", "resume", "resume_from",
    "fork_from", "save_code", "tensorboard", "sync_tensorboard", "monitor_gym", "settings", "anonymous", "magic",
)  # fmt: skip
# W&B's limits (wandb/sdk/wandb_settings.py at 0.28.3).
_PROJECT_LENGTH = 128
_NOT_IN_PROJECT = "/\\#?%:"


def with_absolute_dir(arguments: Any) -> Any:
    """A receiver's arguments with a `dir` that does not depend on where a process stands; the given ones stay."""
    folder = arguments.get("dir") if isinstance(arguments, dict) else None
    if not isinstance(folder, str) or not folder:
        return arguments
    try:
        return {**arguments, "dir": os.path.abspath(os.path.expanduser(folder))}
    except OSError:  # the working folder is gone; told when the job starts
        return arguments


def with_absolute_dirs(receivers: Any) -> Any:
    """The same for receivers by name."""
    if not isinstance(receivers, dict):
        return receivers
    return {name: with_absolute_dir(arguments) for name, arguments in receivers.items()}


def checked_receivers(wandb_args: Any, mode: Any, receivers: Any) -> Optional[dict]:
    """The receivers by name, each with all of its arguments; None: tracking is disabled. Raises ValueError."""
    if wandb_args is not None and not isinstance(wandb_args, dict):
        raise ValueError(
            f'wandb_args must be a dict, not {type(wandb_args).__name__} (NVFlare takes a dict whose "name" is a '
            'class of its own for that class: add "config_type": "dict" to it)'
        )
    mode = _checked_mode("mode", mode)
    given = receivers if receivers is not None else {"wandb": wandb_args or {}}
    if not isinstance(given, dict) or not all(isinstance(v, (dict, type(None))) for v in given.values()):
        raise ValueError("receivers must be a dict from a receiver's name to a dict of its arguments")
    _refuse_keys(given)
    if mode == "disabled":
        return None
    found = {}
    for name, arguments in given.items():
        if name not in _KNOWN:
            known = ", ".join(map(repr, _KNOWN))
            raise ValueError(f"receivers names {name!r}, which is not known; there are {known}")
        own = with_absolute_dir({key: value for key, value in (arguments or {}).items() if key != "config_type"})
        where = "wandb_args" if receivers is None else f"receivers[{name!r}]"
        _check(where, own, _KNOWN[name])
        if name == "wandb":
            own["mode"] = _checked_mode(f"mode in {where}", own["mode"]) if own.get("mode") else mode
        if own.get("mode") != "disabled":
            found[name] = {key: value for key, value in own.items() if key not in _WITHOUT_EFFECT}
    return found or None


def without_effect(wandb_args: Any, receivers: Any) -> list[str]:
    """Arguments of wandb.init's that are given, and that nothing here looks at."""
    given = receivers if receivers is not None else {"wandb": wandb_args}
    return sorted({key for arguments in given.values() for key in arguments or {} if key in _WITHOUT_EFFECT})


def _checked_mode(name: str, mode: Any) -> str:
    if not isinstance(mode, str) or mode not in _MODES:
        raise ValueError(f"{name} {mode!r} is not known; use offline, online or disabled")
    return _MODES[mode]


def _check(where: str, arguments: dict, known: tuple) -> None:
    for key, value in arguments.items():
        if key not in known and key not in _WITHOUT_EFFECT:
            near = difflib.get_close_matches(str(key), known, 1)
            raise ValueError(f"{where} has {key!r}, which is not known" + (f"; is it {near[0]!r}?" if near else ""))
        if value is None:
            continue
        if key in _TEXTS and not isinstance(value, str):
            _refuse(where, key, value, "a text")
        if key == "config" and not isinstance(value, dict):
            _refuse(where, key, value, "a dict")
        if key == "tags" and not _is_text_or_list(value, empty=False):
            _refuse(where, key, value, "a list of texts that are not empty")
        if key == "prefix_scalars" and not isinstance(value, bool):
            _refuse(where, key, value, "True or False")
        if key in _GLOBS and not _is_text_or_list(value):
            _refuse(where, key, value, "a glob or a list of globs")
    _check_project(where, arguments.get("project"))
    _check_writers(where, arguments.get("writers"))
    _check_folder(where, arguments.get("dir"))


def _check_project(where: str, project: Optional[str]) -> None:
    if project and (len(project) > _PROJECT_LENGTH or set(project) & set(_NOT_IN_PROJECT)):
        right = f"a name of up to {_PROJECT_LENGTH} characters without any of {' '.join(_NOT_IN_PROJECT)}"
        team = ' (a team is named by "entity")' if "/" in project else ""
        raise ValueError(f"{where} has project = {project!r}: W&B refuses the project name; it must be {right}{team}")


def _check_writers(where: str, writers: Any) -> None:
    names = [writers] if isinstance(writers, str) else writers or []
    if not isinstance(names, (list, tuple)) or not all(name in _WRITERS for name in names):
        _refuse(where, "writers", writers, "a list of TENSORBOARD, MLFLOW and WANDB")


def _check_folder(where: str, folder: Optional[str]) -> None:
    """Nothing is made here."""
    if folder is None:
        return
    if not os.path.isabs(folder):
        _refuse(where, "dir", folder, "an absolute path, or one from a working folder that exists")
    above = folder
    while not os.path.lexists(above) and above != os.path.dirname(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
        _refuse(where, "dir", folder, f"a folder that can be written here ({above} can't)")


def _is_text_or_list(value: Any, empty: bool = True) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, (list, tuple, set, frozenset)) and all(
        isinstance(text, str) and (empty or text) for text in value
    )


def _refuse(where: str, name: str, value: Any, right: str) -> None:
    raise ValueError(f"{where} has {name} = {str(repr(value))[:200]}; it must be {right}")


def _refuse_keys(arguments: Any) -> None:
    """Raises ValueError if anything in the arguments looks like an API key: job files are clear text."""
    if not isinstance(arguments, dict):
        return
    for key, value in arguments.items():
        if "api_key" in str(key).lower() and value:
            raise ValueError(
                f"the arguments hold {key!r}: a key does not belong into a job. Set WANDB_API_KEY, or log in with "
                "`wandb login`, where the upload is done"
            )
        _refuse_keys(value)
