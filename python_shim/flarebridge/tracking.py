"""add_tracking: one line that adds BridgeReceiver to a job that is being defined."""

from typing import Any, Optional

from nvflare.apis.analytix import ANALYTIC_EVENT_TYPE
from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.job_config.api import FedJob

from .receiver import BridgeReceiver


def add_tracking(
    job_or_recipe: Any,
    wandb_args: Optional[dict] = None,
    mode: str = "offline",
    server_side: bool = True,
    client_side: bool = False,
    **receiver_args,
) -> Any:
    """Adds BridgeReceiver to a Job API job or a recipe and gives it back.

    Args:
        job_or_recipe: a FedJob (or a subclass), or a recipe.
        wandb_args, mode, receiver_args: as BridgeReceiver takes them.
        server_side: every site's run is written where the server runs; the events travel over NVFlare.
        client_side: every site's run is written on the site itself.

    Call it after the clients' components were added: a job without ConvertToFedEvent gets one for
    server-side streaming.
    """
    job = _job_of(job_or_recipe)
    # NVFlare's loader takes a dict whose "name" is one of its classes for that class.
    guarded = {"config_type": "dict", **wandb_args} if wandb_args is not None else None
    if server_side:
        job.to_server(BridgeReceiver(wandb_args=guarded, mode=mode, **receiver_args), id="receiver")
        if not _has_component(job, ConvertToFedEvent):
            job.to_clients(ConvertToFedEvent(events_to_convert=[ANALYTIC_EVENT_TYPE]), id="event_to_fed")
    if client_side:
        # The federated name would bring every record a second time, on its way out.
        arguments = {"events": [ANALYTIC_EVENT_TYPE], **receiver_args}
        job.to_clients(BridgeReceiver(wandb_args=guarded, mode=mode, **arguments), id="client_receiver")
    return job_or_recipe


def _job_of(job_or_recipe: Any) -> FedJob:
    if isinstance(job_or_recipe, FedJob):
        return job_or_recipe
    # A recipe's job is public up to NVFlare 2.8, private from 2.9 on.
    return getattr(job_or_recipe, "_job", None) or job_or_recipe.job


def _has_component(job: Any, kind: type) -> bool:
    """True if any client app of the job has a component of this class already."""
    for app in getattr(job, "_deploy_map", {}).values():
        components = getattr(app.get_app_config(), "components", None) or {}
        if any(isinstance(component, kind) for component in components.values()):
            return True
    return False
