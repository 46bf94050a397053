"""The arguments of receivers: all that can't be carried out is found here, before anything is taken.

Each refusal names the argument, its value, and what is right. The bridge checks again what it needs; but what it
refuses then has been taken already. What a key may look like is in secrets_in_jobs.py. Any thread; no state.
"""

import difflib
import os
from typing import Any, Optional

from .sampling import check_interval
from .secrets_in_jobs import refuse_secrets
from .stopping import check_on_stop

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
_FLAGS = ("prefix_scalars", "system")
_FOR_ALL = ("dir", *_GLOBS, "writers")
# Receivers of the bridge (receivers/receivers.cc) and what each takes.
_KNOWN = {"jsonl": _FOR_ALL, "wandb": (*_TEXTS, "tags", "config", "mode", *_FLAGS, *_FOR_ALL)}
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


def merged_wandb_args(wandb_args: Any, kwargs: Any, config: Any) -> Optional[dict]:
    """wandb_args of what WandBReceiver took over the years. Raises ValueError.

    `kwargs` was their name up to NVFlare 2.5; in its first design `config` stood beside it. The marker keeps NVFlare's
    loader from taking a dict whose "name" is a class of its own for that class (fuel/utils/component_builder.py).
    """
    _check_dicts(wandb_args=wandb_args, kwargs=kwargs, config=config)
    if wandb_args is not None and kwargs is not None:
        raise ValueError("wandb_args and kwargs are two names of one argument: give wandb_args alone")
    merged = wandb_args if wandb_args is not None else kwargs
    if config is not None:
        if (merged or {}).get("config") is not None:
            raise ValueError("config is given twice, by itself and in wandb_args: give it in wandb_args alone")
        merged = {**(merged or {}), "config": {key: value for key, value in config.items() if key != "config_type"}}
    return None if merged is None else {"config_type": "dict", **with_absolute_dir(merged)}


def check_numbers(component: Any, *names: str) -> None:
    """Raises ValueError for an attribute of the component that is no finite number above 0."""
    for name in names:
        value = getattr(component, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a number above 0, not {value!r}")


def check_flags(component: Any, *names: str) -> None:
    """Raises ValueError for an attribute of the component that is neither True nor False."""
    for name in names:
        if not isinstance(getattr(component, name), bool):
            raise ValueError(f"{name} must be True or False, not {getattr(component, name)!r}")


def check_events(events: Any) -> None:
    """Raises ValueError for what is not a list of events' names. None: the default."""
    if events is not None and not (isinstance(events, (list, tuple)) and events and _is_text_or_list(events, False)):
        raise ValueError(f"events must be a list of names of events, as ['analytix_log_stats'], not {events!r}")


def check_endpoint(endpoint: Any, **files: Any) -> None:
    """Raises ValueError for what is no endpoint of a shared bridge, and for keys' files that have no name."""
    if endpoint is not None and not str(endpoint).startswith(("ipc://", "tcp://")):
        raise ValueError(f"endpoint {endpoint!r} must begin with ipc:// or tcp://")
    for name, file in files.items():
        if file is not None and not (isinstance(file, str) and file):
            raise ValueError(f"{name} must be the name of a file, not {type(file).__name__}")


def nearest(name: Any, known: Any) -> str:
    """Words that ask whether a known name was meant; "" if none is near."""
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f"; is it {near[0]!r}?" if near else ""


def checked_arguments(receiver: Any, wandb_args: Optional[dict], here: bool) -> Optional[dict]:
    """Checks all that a BridgeReceiver was given; `wandb_args` of it as they are merged. Gives checked_receivers()."""
    receivers = checked_receivers(wandb_args, receiver.mode, receiver.receivers, here)
    check_events(receiver.events)
    check_numbers(receiver, "process_timeout", "buffer_bytes")
    check_endpoint(receiver.endpoint, curve_key=receiver.curve_key, curve_server_key=receiver.curve_server_key)
    check_on_stop(receiver.on_stop)
    check_interval(receiver)
    return receivers


def checked_receivers(wandb_args: Any, mode: Any, receivers: Any, here: bool = True) -> Optional[dict]:
    """The receivers by name, each with all of its arguments; None: tracking is disabled. Raises ValueError.

    `here`: their runs are written on this machine, so that their folders must be ones that can be made here.
    """
    _check_dicts(wandb_args=wandb_args)
    mode = _checked_mode("mode", mode)
    given = receivers if receivers is not None else {"wandb": wandb_args or {}}
    if not isinstance(given, dict) or not all(isinstance(v, (dict, type(None))) for v in given.values()):
        raise ValueError("receivers must be a dict from a receiver's name to a dict of its arguments")
    refuse_secrets(given)
    if mode == "disabled":
        return None
    found = {}
    for name, arguments in given.items():
        if name not in _KNOWN:
            known = ", ".join(map(repr, _KNOWN))
            raise ValueError(f"receivers names {name!r}, which is not known; there are {known}{nearest(name, _KNOWN)}")
        own = with_absolute_dir({key: value for key, value in (arguments or {}).items() if key != "config_type"})
        where = "wandb_args" if receivers is None else f"receivers[{name!r}]"
        _check(where, own, _KNOWN[name])
        if here:
            _check_folder(where, own.get("dir"))
        if name == "wandb":
            own["mode"] = _checked_mode(f"mode in {where}", own["mode"]) if own.get("mode") else mode
        if own.get("mode") != "disabled":
            found[name] = {key: value for key, value in own.items() if key not in _WITHOUT_EFFECT}
    return found or None


def without_effect(wandb_args: Any, receivers: Any) -> list[str]:
    """Words for arguments of wandb.init's that are given, and that nothing here looks at; none: there are none."""
    given = receivers if receivers is not None else {"wandb": wandb_args}
    names = sorted({key for arguments in given.values() for key in arguments or {} if key in _WITHOUT_EFFECT})
    return [f"arguments of wandb.init's that change nothing here: {', '.join(names)}"] if names else []


def _check_dicts(**arguments: Any) -> None:
    for name, given in arguments.items():
        if given is not None and not isinstance(given, dict):
            raise ValueError(
                f'{name} must be a dict, not {type(given).__name__} (NVFlare takes a dict whose "name" is a class of '
                'its own for that class: add "config_type": "dict" to it)'
            )


def _checked_mode(name: str, mode: Any) -> str:
    if isinstance(mode, dict):  # WandBReceiver's first design: (config, kwargs, mode, ...)
        raise ValueError(f"{name} is a dict; give an old WandBReceiver's arguments by name: config=..., kwargs=...")
    if not isinstance(mode, str) or mode not in _MODES:
        raise ValueError(f"{name} {mode!r} is not known; use offline, online or disabled")
    return _MODES[mode]


def _check(where: str, arguments: dict, known: tuple) -> None:
    for key, value in arguments.items():
        if key not in known and key not in _WITHOUT_EFFECT:
            raise ValueError(f"{where} has {key!r}, which is not known{nearest(key, known)}")
        if value is None:
            continue
        if key in _TEXTS and not isinstance(value, str):
            _refuse(where, key, value, "a text")
        if key == "config" and not isinstance(value, dict):
            _refuse(where, key, value, "a dict")
        if key == "tags" and not _is_text_or_list(value, empty=False):
            _refuse(where, key, value, "a list of texts that are not empty")
        if key in _FLAGS and not isinstance(value, bool):
            _refuse(where, key, value, "True or False")
        if key in _GLOBS and not _is_text_or_list(value):
            _refuse(where, key, value, "a glob or a list of globs")
    _check_project(where, arguments.get("project"))
    _check_writers(where, arguments.get("writers"))


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
