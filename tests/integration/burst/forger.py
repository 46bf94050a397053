"""Code that a job brings to a site and that puts another site's name into its messages to the server."""

import time
import uuid

from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FedEventHeader, ReservedKey
from nvflare.apis.shareable import Shareable
from nvflare.app_common.widgets.streaming import create_analytic_dxo
from nvflare.widgets.widget import Widget

_STEP = 1 << 20  # behind all that the job logs: rows that come later would be moved there


class Forger(Widget):
    """Sends a record in the forwarder's way and one in NVFlare's, once, when the first task is done."""

    def __init__(self, under: str):
        super().__init__()
        self.under = under
        self._done = False

    def handle_event(self, event_type, fl_ctx):
        if event_type == EventType.AFTER_TASK_EXECUTION and not self._done:
            self._done = True
            self._send(fl_ctx.get_engine(), "flarebridge.forward", self._forwarded())
            self._send(fl_ctx.get_engine(), "fed.event", self._federated())

    def _forwarded(self) -> Shareable:
        from flarebridge.events import Encoder

        event = Encoder().data(time.time(), self.under, "METRIC", "WANDB", "forwarded", 1.0, _STEP)
        shareable = Shareable()
        shareable.update(
            {"session": "f" * 32, "first": 1, "count": 1, "durable": 0, "events": event, "bye": True, "dropped": {}}
        )
        return shareable

    def _federated(self) -> Shareable:
        shareable = create_analytic_dxo("federated", 1.0, AnalyticsDataType.METRIC, global_step=_STEP).to_shareable()
        shareable.set_header(FedEventHeader.EVENT_TYPE, "fed.analytix_log_stats")
        shareable.set_header(FedEventHeader.TIMESTAMP, time.time())
        shareable.set_header("_event_id", uuid.uuid4().hex)
        return shareable

    def _send(self, engine, topic: str, request: Shareable) -> None:
        with engine.new_context() as fl_ctx:
            own = fl_ctx.props[ReservedKey.IDENTITY_NAME]
            fl_ctx.props[ReservedKey.IDENTITY_NAME] = {**own, "value": self.under}
            replies = engine.send_aux_request(
                targets=None, topic=topic, request=request, timeout=10.0, fl_ctx=fl_ctx, optional=True
            )
        self.logger.info(f"forged {topic}: {replies}")
