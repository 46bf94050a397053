"""The user's key of W&B, as far as it must be known whether there is one: flarebridge reads it where it uploads."""

import os
from typing import Optional

from .terminal import say_once

_SERVER = "https://api.wandb.ai"


def has_key(base_url: Optional[str] = None) -> bool:
    """True if the environment or ~/.netrc has a key for the server."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import netrc  # nobody needs it who has the variable
    from urllib.parse import urlsplit

    host = urlsplit(base_url or os.environ.get("WANDB_BASE_URL") or _SERVER).hostname or ""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return False
    return bool(found and found[2])


def log_in(key: Optional[str], host: Optional[str]) -> bool:
    """What login() does. A key goes into this process's environment, for its bridge, and nowhere else."""
    if host:
        os.environ["WANDB_BASE_URL"] = host
    if key:
        os.environ["WANDB_API_KEY"] = key
    if has_key():
        return True
    say_once("info", "no key of W&B's is known: runs are written offline; `flarebridge login` keeps one for this user")
    return False
