"""A receiver that only writes down what reaches a receiver: it tells NVFlare's own losses from ours."""

import json

from nvflare.app_common.widgets.streaming import AnalyticsReceiver


class CountingReceiver(AnalyticsReceiver):
    """Appends each record to a file as a JSON line {"site", "step", "key", "value"}."""

    def __init__(self, path: str, events=None):
        super().__init__(events=events)
        self.path = path

    def initialize(self, fl_ctx):
        pass

    def save(self, fl_ctx, shareable, record_origin):
        data = shareable["DXO"]["data"]
        value = data["track_value"]
        items = value if isinstance(value, dict) else {data["track_key"]: value}
        with open(self.path, "a") as file:
            for key, number in items.items():
                record = {"site": record_origin, "step": data.get("global_step"), "key": key, "value": number}
                file.write(json.dumps(record) + "\n")

    def finalize(self, fl_ctx):
        pass
