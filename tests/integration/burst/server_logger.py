"""A component of the server's that logs a record of its own."""

from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.event_type import EventType
from nvflare.app_common.widgets.streaming import create_analytic_dxo, send_analytic_dxo
from nvflare.widgets.widget import Widget


class ServerLogger(Widget):
    """Logs "aggregated" once, when the workflow ends."""

    def handle_event(self, event_type, fl_ctx):
        if event_type == EventType.END_WORKFLOW:
            dxo = create_analytic_dxo("aggregated", 0.75, AnalyticsDataType.METRIC, global_step=3)
            send_analytic_dxo(self, dxo, fl_ctx, "analytix_log_stats", fire_fed_event=False)
