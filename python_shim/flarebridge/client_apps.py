"""Which client apps of a job are tracked, and with which arguments. Used by add_tracking.

NVFlare has one app for all clients ("@ALL"), or one for each; with one for all it leaves out all others
(job_config/api.py).
"""

from typing import Any, Optional

from .arguments import nearest

SERVER = "server"
ALL_CLIENTS = "@ALL"
_OF_THE_POLICY = ("include", "exclude", "policy")


def targets_of(job: Any, clients: Optional[list] = None) -> list[str]:
    """The targets of the job's client apps, or of those for the named clients. Raises ValueError or TypeError."""
    have = [target for target in getattr(job, "_deploy_map", {}) if target != SERVER]
    if clients is None:
        return [ALL_CLIENTS] if ALL_CLIENTS in have or not have else have
    if not isinstance(clients, (list, tuple)) or not all(isinstance(name, str) for name in clients):
        raise TypeError(f"clients must be a list of clients' names, not {clients!r}")
    if not clients:
        raise ValueError("clients is empty: leave it out to track all clients")
    if len(set(clients)) < len(clients):
        raise ValueError(f"clients names a client twice: {clients!r}")
    for name in clients:
        _check_client(name, "clients", have)
    return list(clients)


class SiteArguments:
    """What single sites have for themselves."""

    def __init__(self, per_site: Any, targets: list[str], client_side: bool, whole: bool):
        """`whole`: records go to the server whole, by NVFlare's own channel.

        Raises ValueError or TypeError for what can have no effect.
        """
        self._own = per_site if per_site is not None else {}
        if not isinstance(self._own, dict) or not all(isinstance(own, dict) for own in self._own.values()):
            raise TypeError("per_site must be a dict from a client's name to a dict of its own arguments")
        for site, own in self._own.items():
            _check_client(site, "per_site", targets)
            for name in own:
                if name in _OF_THE_POLICY:
                    if whole:
                        raise ValueError(f"per_site[{site!r}] has {name!r}, which needs forward=True")
                elif not client_side:
                    raise ValueError(f"per_site[{site!r}] has {name!r}, which needs client_side=True")

    def policy(self, site: str, include: Any, exclude: Any, policy: Optional[dict]) -> dict:
        """BridgeForwarder's `include`, `exclude` and `policy` for the site."""
        for_all = {"include": include, "exclude": exclude, "policy": policy}
        own = {name: value for name, value in self._own.get(site, {}).items() if name in _OF_THE_POLICY}
        return {**for_all, **_with_entries_for_all(own, for_all, "policy")}

    def receiver(self, site: str, given: dict) -> dict:
        """BridgeReceiver's arguments for the site. Raises TypeError for one that it does not have."""
        own = {name: value for name, value in self._own.get(site, {}).items() if name not in _OF_THE_POLICY}
        check_names(f"per_site[{site!r}]", own, given.keys() | receiver_arguments())
        return {**given, **_with_entries_for_all(own, given, "wandb_args")}


def receiver_arguments() -> set[str]:
    """Names of BridgeReceiver's arguments."""
    import inspect

    from .receiver import BridgeReceiver

    return set(inspect.signature(BridgeReceiver).parameters)


def check_names(where: str, given: dict, known: Any) -> None:
    """Raises TypeError for a name that is not known."""
    for name in given:
        if name not in known:
            raise TypeError(f"{where} has no argument {name!r}{nearest(name, known)}")


def _with_entries_for_all(own: dict, for_all: dict, name: str) -> dict:
    """A site's arguments, of which the dict called `name` has what is given for all, where it says nothing itself."""
    if not isinstance(own.get(name), dict) or not isinstance(for_all.get(name), dict):
        return own
    return {**own, name: {**for_all[name], **own[name]}}


def _check_client(name: Any, where: str, have: list[str]) -> None:
    if ALL_CLIENTS in have:
        raise ValueError(
            f"{where} names {name!r}, and this job has one app for all clients: give each client its own "
            "(job.to(executor, site), or the recipe's set_per_site_config) before add_tracking"
        )
    if name in (SERVER, ALL_CLIENTS, ""):
        raise ValueError(f"{where} names {name!r}, which is no client")
    if have and name not in have:
        raise ValueError(
            f"{where} names {name!r}; the job's clients are {', '.join(sorted(have))}{nearest(name, have)}"
        )
