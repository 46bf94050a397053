"""Who sent a message to the server: the name that NVFlare has verified, not the one that the message claims.

A site fills in its peer context itself. What the server's filter checks, with a token and its signature, is a header of
the cell's message (private/fed/authenticator.py, validate_auth_headers; in 2.5 fed_server.py), which components never
see. So callbacks of our own stand in front of NVFlare's for the two topics that bring metrics, note the header in the
message's body, and hand it on. Any thread.
"""

import logging
import threading
from typing import Any, Optional

SENDER = "flarebridge_sender"  # header of a Shareable; whatever a site puts there is overwritten
_TOLD_MOST = 100
_FED_EVENT = "fed.event"  # widgets/fed_event.py

_told: set[tuple[str, str]] = set()
_lock = threading.Lock()


def verify_senders(engine: Any, *topics: str) -> bool:
    """From now on messages of the topics, and NVFlare's own events, have the header SENDER.

    False: this NVFlare has no such place, and the header says nothing.
    """
    try:
        from nvflare.fuel.f3.cellnet.defs import CellChannel

        cell, channel = engine.get_cell(), CellChannel.AUX_COMMUNICATION
        cell.core_cell.req_reg.find(channel, "*")  # what messages are handed on by
        for topic in (*topics, _FED_EVENT):
            # By name: the cell looks there for the channel, which decides who is asked (fuel/f3/cellnet/cell.py).
            cell.register_request_cb(channel=channel, topic=topic, cb=_Noted(cell, channel))
    except (ImportError, AttributeError, TypeError):
        return False
    return True


def sender_of(headers: dict, claimed: Any, verified: bool) -> Any:
    """The name of the site that a message comes from; `verified`: as verify_senders() gave it."""
    name = headers.get(SENDER) if verified else None
    if not name:
        return claimed
    if claimed != name:
        _tell_once(str(name), str(claimed))
    return name


class _Noted:
    """A callback of the cell: notes who sent the message and gives it to NVFlare's callback for all topics."""

    def __init__(self, cell: Any, channel: str):
        self._cell, self._channel = cell, channel

    def __call__(self, message: Any) -> Any:
        from nvflare.fuel.f3.cellnet.defs import ReturnCode
        from nvflare.fuel.f3.cellnet.utils import make_reply

        if hasattr(message.payload, "set_header"):
            message.payload.set_header(SENDER, _verified_name(message))
        theirs = self._cell.core_cell.req_reg.find(self._channel, "*")  # it may come after ours
        if theirs is None:
            return make_reply(ReturnCode.SERVICE_UNAVAILABLE)
        return theirs.cb(message, *theirs.args, **theirs.kwargs)


def _verified_name(message: Any) -> Optional[str]:
    from nvflare.private.defs import CellMessageHeaderKeys

    name = message.get_header(CellMessageHeaderKeys.CLIENT_NAME)
    return name if isinstance(name, str) and name else None


def _tell_once(name: str, claimed: str) -> None:
    with _lock:
        if (name, claimed) in _told or len(_told) >= _TOLD_MOST:
            return
        _told.add((name, claimed))
    logging.getLogger("flarebridge.senders").warning(
        f"flarebridge: {name} sent metrics under the name {claimed[:200]!r}; they go into {name}'s run"
    )
