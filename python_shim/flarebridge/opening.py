"""The beginning of a session: what it is, and the runs that it has from the start. Used at START_RUN."""

import time
from typing import Optional

from .cutting import Parts
from .events import Encoder, EventRejected, Record
from .link import Link

_OUR_CONFIG = ("job_id", "client", "run_name")  # keys of a run's config that are the bridge's


def open_session(
    link: Link,
    encoder: Encoder,
    parts: Parts,
    opened: tuple,
    sites: list[str],
    receivers: dict[str, dict],
    writer: Optional[dict] = None,
) -> None:
    """Puts the session's and the runs' beginnings into the link. `opened`: the first event's fields before receivers.

    `writer`: as Encoder.session_opened() has it.
    """
    now = time.time()
    later = {}
    try:
        first = encoder.session_opened(now, *opened, receivers, writer)
    except EventRejected:
        # A config that is larger than an event comes behind it, in parts.
        later = {name: args["config"] for name, args in receivers.items() if args.get("config")}
        receivers = {name: {**args, "config": None} for name, args in receivers.items()}
        first = encoder.session_opened(now, *opened, receivers, writer)
    link.put(first)
    for site in sites:
        link.put(encoder.run_started(now, site))
        for name, config in later.items():
            config = {key: value for key, value in config.items() if key not in _OUR_CONFIG}
            record = Record("PARAMETERS", "WANDB", "config", config, None, None, {"receivers": [name]})
            parts.put(link, encoder, now, site, record)
