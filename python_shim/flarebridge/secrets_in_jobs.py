"""Refuses what looks like a key in a job's arguments: a job's files are clear text, on the server and on every site.

Used where a job is defined, before it is written anywhere, and again where it starts. Pure; any thread.
"""

import re
from typing import Any

# Parts of names that hold secrets, without "_", "-" and case. "token" alone is no such part: models have tokens.
_NAMES = ("apikey", "accesskey", "secretkey", "accesstoken", "authtoken", "identitytoken", "password", "passwd")
# W&B's keys: "wandb_v1_" and more, to 86 characters; of a server of one's own, "local-" and 40 hex digits; older ones,
# 40 hex digits alone.
_KEY = re.compile(r"wandb_v1_\w{20,}|local-[0-9a-f]{40}")
_BARE_KEY = re.compile(r"[0-9a-f]{40}")  # so does a commit look: a key only where the name says so
_SAYS_SO = ("key", "token", "secret", "wandb", "credential")
_DEEPEST = 20


def refuse_secrets(arguments: Any) -> None:
    """Raises ValueError, which names the argument and never its value."""
    _look(arguments, "", 0)


def _look(value: Any, name: str, depth: int) -> None:
    if depth > _DEEPEST:
        return  # no event can hold it (events.py)
    plain = name.lower().replace("_", "").replace("-", "")
    if value and value is not True and any(part in plain for part in _NAMES):
        _refuse(name)
    if isinstance(value, dict):
        for key, inner in value.items():
            _look(key, name, depth + 1)
            _look(inner, str(key), depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            _look(inner, name, depth + 1)
    elif isinstance(value, str) and (
        _KEY.search(value) or (_BARE_KEY.fullmatch(value.strip()) and any(part in plain for part in _SAYS_SO))
    ):
        _refuse(name)


def _refuse(name: str) -> None:
    # A name that is a key itself is not repeated.
    shown = "what looks like a key" if _KEY.search(name) or _BARE_KEY.search(name) else repr(name[:100])
    raise ValueError(
        f"the arguments hold {shown}: a key does not belong into a job, whose files are clear text. Set "
        "WANDB_API_KEY, or log in with `wandb login`, where the upload is done"
    )
