"""wandb.config: a dict that is also an object, and whose changes go into the run."""

import os
from collections.abc import Mapping
from typing import Any, Callable, Optional

from .errors import ConfigError, UsageError
from .terminal import say_once
from .values import config_value, text_of

_DEFAULTS = "config-defaults.yaml"


class Config:
    """As W&B's: `config.lr`, `config["lr"]`, `config.update({...})`."""

    def __init__(self, changed: Optional[Callable[[dict], None]] = None):
        """`changed` gets what was set, key by key, and may not raise."""
        object.__setattr__(self, "_items", {})
        object.__setattr__(self, "_changed", changed)

    def update(self, d: Any = None, allow_val_change: Optional[bool] = None, **more: Any) -> None:
        """Raises ConfigError where a key has another value already, unless allow_val_change is given."""
        self._set({**as_dict(d), **more}, allow_val_change)

    def setdefaults(self, d: Any) -> None:
        """Sets what is not there yet."""
        self._set({key: value for key, value in as_dict(d).items() if _key(key) not in self._items}, None)

    def get(self, key: str, default: Any = None) -> Any:
        return self._items.get(key, default)

    def keys(self) -> list:
        return list(self._items)

    def values(self) -> list:
        return list(self._items.values())

    def items(self) -> list:
        return list(self._items.items())

    def as_dict(self) -> dict:
        return dict(self._items)

    def persist(self) -> None:
        """Sends all of it again."""
        self._tell(dict(self._items))

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._set({key: value}, None)

    def __getattr__(self, key: str) -> Any:
        try:
            return self._items[key]
        except KeyError:
            raise AttributeError(f"the config has no {key!r}") from None

    __setattr__ = __setitem__

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self):
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def _set(self, given: dict, allow_val_change: Optional[bool]) -> None:
        found = {_key(key): config_value(value, _key(key), _odd) for key, value in given.items()}
        if not allow_val_change:
            for key, value in found.items():
                if key in self._items and not _same(value, self._items[key]):
                    raise ConfigError(
                        f'Attempted to change value of key "{key}" from {self._items[key]} to {value}\n'
                        "If you really want to do this, pass allow_val_change=True to config.update()"
                    )
        self._items.update(found)
        self._tell(found)

    def _tell(self, found: dict) -> None:
        if found and self._changed is not None:
            self._changed(found)


def defaults_of_the_folder() -> dict:
    """What config-defaults.yaml in the working folder says. Raises UsageError."""
    return _of_file(_DEFAULTS) if os.path.exists(_DEFAULTS) else {}


def as_dict(given: Any) -> dict:
    """What scripts hand in as a config: a dict, argparse's or absl's arguments, a YAML file. Raises UsageError."""
    if given is None:
        return {}
    if isinstance(given, Config):
        return given.as_dict()
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, (str, os.PathLike)):
        return _of_file(os.fspath(given))
    if hasattr(given, "flag_values_dict"):  # absl
        return dict(given.flag_values_dict())
    try:
        return dict(vars(given))
    except TypeError:
        raise UsageError(f"a config must be a dict, or what has attributes, not {type(given).__name__}") from None


def _of_file(path: str) -> dict:
    """W&B's form: key -> {"value": ...}; plain values are taken as well."""
    try:
        import yaml  # the user's, who has such a file

        with open(path, encoding="utf-8") as file:
            loaded = yaml.safe_load(file) or {}
    except ImportError:
        raise UsageError(f"the config {path} is a file, and reading YAML needs the package pyyaml") from None
    except Exception as e:
        raise UsageError(f"the config {path} can't be read: {e}") from e
    if not isinstance(loaded, dict):
        raise UsageError(f"the config {path} holds no keys")
    loaded.pop("wandb_version", None)
    return {
        key: value["value"]
        if isinstance(value, dict) and "value" in value and set(value) <= {"value", "desc"}
        else value
        for key, value in loaded.items()
    }


def _key(key: Any) -> str:
    return (key if type(key) is str else text_of(key)).strip("-")


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:
        return False


def _odd(key: str, why: str) -> None:
    say_once("warning", f"config[{key!r}]: {why}")
