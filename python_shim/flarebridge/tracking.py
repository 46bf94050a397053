"""add_tracking: one line that adds flarebridge's components to a job that is being defined."""

from typing import Any, Optional, Union

from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.app_common.widgets.streaming import AnalyticsReceiver
from nvflare.job_config.api import FedJob

from .carrying import carry as carry_package
from .client_apps import SERVER as _SERVER
from .client_apps import SiteArguments, check_names, receiver_arguments, targets_of
from .forwarder import BridgeForwarder
from .receiver import BridgeReceiver
from .rules import fields_of_a_job
from .sampling import INTERVAL

_EVENT = "analytix_log_stats"
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
    clients: Optional[list[str]] = None,
    per_site: Optional[dict[str, dict]] = None,
    policy: Optional[dict] = None,
    carry: Optional[bool] = None,
    **receiver_args,
) -> Any:
    """Adds tracking to a Job API job or a recipe and gives it back.

    flarebridge has to be installed where runs are written: on the server, and with client_side on each site. Other
    sites may have it from the job (`carry`).

    Args:
        job_or_recipe: a FedJob (or a subclass), or a recipe.
        wandb_args, mode, receiver_args: as BridgeReceiver takes them.
        server_side: every site's run is written where the server runs; the events travel over NVFlare.
        client_side: every site's run is written on the site itself.
        forward: events travel by BridgeForwarder, which loses none; False: by NVFlare's ConvertToFedEvent.
        include, exclude: globs on names of values: what may leave a site, and what the runs on it may hold.
        clients: the clients that are tracked; None: all. They need client apps of their own.
        per_site: a client's name -> its own `include`, `exclude`, `policy`, and with client_side any of
            BridgeReceiver's arguments; entries of its `wandb_args` and `policy` go before those for all.
        policy: further fields of a policy (kinds, digits, max_bytes); all of it narrows what the site's own allows.
        carry: the job brings the Python part of flarebridge, which a site uses if it has none installed. None: to
            clients to which it brings code anyway, a training script for example; True: to server and clients, so that
            the training goes on, untracked, where nothing is installed; False: nothing of it is in the job (NVFlare 2.7
            and later), which then brings no code on its account.

    Call it once, after the clients' executors were added: it adds to the client apps that the job has by then, or to
    all clients if there are none. Raises ValueError or TypeError, which name what is wrong, before anything is added.
    """
    if not server_side and not client_side:
        raise ValueError(
            "server_side=False needs client_side=True: nobody would write the runs, and a policy has no effect where "
            "nothing is tracked"
        )
    whole = server_side and not forward
    if fields_of_a_job(include, exclude, policy) and whole:
        raise ValueError(
            "include, exclude and policy are held by BridgeForwarder, so they need forward=True: NVFlare's own channel "
            "(ConvertToFedEvent) sends every record whole"
        )
    if carry not in (None, True, False):
        raise TypeError(f"carry must be True, False or None, not {carry!r}")
    job = _job_of(job_or_recipe)
    given = {"wandb_args": wandb_args, "mode": mode, **receiver_args}
    check_names("add_tracking", given, receiver_arguments())
    # NVFlare 2.9 makes a recipe's client apps late, and one for each site beside ours for all would be left out.
    prepare = getattr(job_or_recipe, "_ensure_client_apps_prepared", None)
    if prepare is not None:
        prepare()
    targets = targets_of(job, clients)
    sites = SiteArguments(per_site, targets, client_side, whole)
    _refuse_a_second_time(job, targets, server_side, client_side)
    # Nobody samples what the runs are not to tell.
    tells = (wandb_args or {}).get("system") is not False
    sampled = {"system_interval": receiver_args.get("system_interval", INTERVAL) if tells else 0}
    # All are made, and their arguments checked, before the first is added.
    receiver = BridgeReceiver(**given) if server_side else None
    added = []
    others = server_side and _has_component(job, [_SERVER], lambda c: isinstance(c, AnalyticsReceiver))
    for target in targets:
        own = sites.policy(target, include, exclude, policy)
        if server_side and forward:
            added.append((target, "forwarder", BridgeForwarder(**own, pass_events=others, **sampled)))
        if client_side:
            arguments = {**sites.receiver(target, given), "policy": fields_of_a_job(**own) or None}
            added.append((target, "client_receiver", BridgeReceiver(**arguments)))
    if receiver is not None:
        job.to_server(receiver, id="receiver")
    if server_side and (not forward or others) and not _has_component(job, targets, _converts):
        added += [(target, "event_to_fed", ConvertToFedEvent(events_to_convert=[_EVENT])) for target in targets]
    for target, name, component in added:
        job.to(component, target, id=name)
    carry_package(job, ([_SERVER] if carry and receiver is not None else []) + targets, carry)
    prepare_relays(job)
    return job_or_recipe


def prepare_relays(job: FedJob) -> None:
    """Lifts NVFlare's limit of 10 records a second from an external training process (up to 2.8, MetricRelay)."""
    for target in targets_of(job):
        for component in _components(job, target):
            if type(component).__name__ == "MetricRelay" and getattr(component, "_read_interval", None) == 0.1:
                component._read_interval = _RELAY_INTERVAL


def _job_of(job_or_recipe: Any) -> FedJob:
    # A recipe's job is public up to NVFlare 2.8, private from 2.9 on.
    for job in (job_or_recipe, getattr(job_or_recipe, "_job", None), getattr(job_or_recipe, "job", None)):
        if isinstance(job, FedJob):
            return job
    raise TypeError(f"add_tracking needs a FedJob or a recipe, not {type(job_or_recipe).__name__}")


def _converts(component: Any) -> bool:
    return isinstance(component, ConvertToFedEvent)


def _refuse_a_second_time(job: FedJob, targets: list[str], server_side: bool, client_side: bool) -> None:
    for target in ([_SERVER] if server_side else []) + targets:
        for component in _components(job, target):
            writes_there = isinstance(component, BridgeReceiver) and (target == _SERVER or client_side)
            if writes_there or (isinstance(component, BridgeForwarder) and server_side):
                raise ValueError(
                    f"this job has a {type(component).__name__} for {target} already: call add_tracking once, with "
                    "client_side=True if runs are to be written on both sides"
                )


def _components(job: FedJob, target: str) -> list:
    app = getattr(job, "_deploy_map", {}).get(target)
    return list((getattr(app.get_app_config(), "components", None) or {}).values()) if app else []


def _has_component(job: FedJob, targets: list[str], fits: Any) -> bool:
    """True if an app of the job for one of the targets has a component that fits."""
    return any(fits(component) for target in targets for component in _components(job, target))
