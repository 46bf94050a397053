"""add_tracking: one line that adds flarebridge's components to a job that is being defined."""

from typing import Any, Optional, Union

from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.app_common.widgets.streaming import AnalyticsReceiver
from nvflare.job_config.api import FedJob

from .forwarder import BridgeForwarder
from .receiver import BridgeReceiver
from .rules import Rule

_EVENT = "analytix_log_stats"
_SERVER = "server"
_ALL_CLIENTS = "@ALL"
# Seconds between two records that MetricRelay reads; NVFlare's default is 0.1.
_RELAY_INTERVAL = 0.001
Globs = Optional[Union[str, list[str]]]


def add_tracking(
    job_or_recipe: Any,
    wandb_args: Optional[dict] = None,
    mode: str = "offline",
    server_side: bool = True,
    client_side: bool = False,
    forward: bool = True,
    include: Globs = None,
    exclude: Globs = None,
    policy: Optional[dict] = None,
    **receiver_args,
) -> Any:
    """Adds tracking to a Job API job or a recipe and gives it back.

    Args:
        job_or_recipe: a FedJob (or a subclass), or a recipe.
        wandb_args, mode, receiver_args: as BridgeReceiver takes them.
        server_side: every site's run is written where the server runs; the events travel over NVFlare.
        client_side: every site's run is written on the site itself.
        forward: events travel by BridgeForwarder, which loses none; False: by NVFlare's ConvertToFedEvent.
        include, exclude: globs on names of values: what may leave a site, and what the runs on it may hold.
        policy: further fields of a policy (kinds, digits, max_bytes); all of it narrows what the site's own allows.

    Call it after the clients' executors were added: it adds to the client apps that the job has by then, or to all
    clients if there are none. Raises ValueError for arguments that contradict each other.
    """
    for name in ("include", "exclude"):
        if isinstance(policy, dict) and name in policy:
            raise ValueError(f"policy has {name!r}, which is an argument of its own")
    Rule.of({} if policy is None else policy)
    own = {"include": include, "exclude": exclude, **(policy or {})}
    own = {name: value for name, value in own.items() if value is not None}
    Rule.of(own)
    if own and server_side and not forward:
        raise ValueError(
            "include, exclude and policy are held by BridgeForwarder, so they need forward=True: NVFlare's own channel "
            "(ConvertToFedEvent) sends every record whole"
        )
    if own and not server_side and not client_side:
        raise ValueError("include, exclude and policy have no effect where nothing is tracked")
    job = _job_of(job_or_recipe)
    # NVFlare's loader takes a dict whose "name" is one of its classes for that class.
    guarded = {"config_type": "dict", **wandb_args} if wandb_args is not None else None
    if server_side:
        others = _has_component(job, [_SERVER], lambda c: isinstance(c, AnalyticsReceiver) and not _is_ours(c))
        job.to_server(BridgeReceiver(wandb_args=guarded, mode=mode, **receiver_args), id="receiver")
        if forward:
            forwarder = BridgeForwarder(include=include, exclude=exclude, policy=policy, pass_events=others)
            _to_clients(job, forwarder, "forwarder")
        if (not forward or others) and not _has_component(
            job, _clients_of(job), lambda c: isinstance(c, ConvertToFedEvent)
        ):
            _to_clients(job, ConvertToFedEvent(events_to_convert=[_EVENT]), "event_to_fed")
    _read_relays_faster(job)
    if client_side:
        receiver = BridgeReceiver(wandb_args=guarded, mode=mode, policy=own or None, **receiver_args)
        _to_clients(job, receiver, "client_receiver")
    return job_or_recipe


def register_tracking(name: str = "flarebridge") -> None:
    """Makes NVFlare's own add_experiment_tracking(recipe, name, tracking_config) add BridgeReceiver.

    With name "wandb" it takes the place of WandBReceiver in jobs that are not changed otherwise. Needs NVFlare 2.7.
    """
    from nvflare.recipe.utils import TRACKING_REGISTRY

    TRACKING_REGISTRY[name] = {
        "package": "flarebridge",
        "receiver_module": "flarebridge.receiver",
        "receiver_class": "BridgeReceiver",
    }


def _is_ours(component: Any) -> bool:
    return isinstance(component, BridgeReceiver)


def _job_of(job_or_recipe: Any) -> FedJob:
    if isinstance(job_or_recipe, FedJob):
        return job_or_recipe
    # A recipe's job is public up to NVFlare 2.8, private from 2.9 on.
    return getattr(job_or_recipe, "_job", None) or job_or_recipe.job


def _clients_of(job: FedJob) -> list[str]:
    """The targets of the job's client apps. With one for all clients, NVFlare leaves out all others."""
    targets = [target for target in getattr(job, "_deploy_map", {}) if target != _SERVER]
    return [_ALL_CLIENTS] if _ALL_CLIENTS in targets or not targets else targets


def _to_clients(job: FedJob, component: Any, component_id: str) -> None:
    for target in _clients_of(job):
        job.to(component, target, id=component_id)


def _read_relays_faster(job: FedJob) -> None:
    """Lifts NVFlare's limit of 10 records a second from an external training process (up to 2.8, MetricRelay)."""
    for target in _clients_of(job):
        for component in _components(job, target):
            if type(component).__name__ == "MetricRelay" and getattr(component, "_read_interval", None) == 0.1:
                component._read_interval = _RELAY_INTERVAL


def _components(job: FedJob, target: str) -> list:
    app = getattr(job, "_deploy_map", {}).get(target)
    return list((getattr(app.get_app_config(), "components", None) or {}).values()) if app else []


def _has_component(job: FedJob, targets: list[str], fits: Any) -> bool:
    """True if an app of the job for one of the targets has a component that fits."""
    return any(fits(component) for target in targets for component in _components(job, target))
