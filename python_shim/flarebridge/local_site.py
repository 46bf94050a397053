"""Where BridgeWriter finds the components of its own process, and hands them its records without NVFlare in between.

With NVFlare's in-process client API the training script is a thread of the process that has the components. They join
the LocalSite of their job and site; the script's API object says the same two names of itself, so that several sites or
jobs in one process do not meet. NVFlare itself keeps one such API object in a process (its DataBus), and hands it to
whoever calls flare.init(): a writer belongs to the site of the one that is current at its first call, until that
site's run ends. Code that has no such API, as an executor of one's own, gets the process's only site. Any thread.
"""

import threading
import time
from typing import Any, NamedTuple, Optional

from nvflare.apis.fl_context import FLContext
from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.app_common.widgets.streaming import AnalyticsReceiver

from .buffer import Report
from .event_copies import EVENT, EventCopies
from .forks import forget_in_child
from .taker import Taker

_lock = threading.RLock()
_sites: dict[tuple[str, str], "LocalSite"] = {}  # job's id and site's name as NVFlare has them


class Member(NamedTuple):
    """A component that takes records of its process."""

    taker: Taker
    mark: str  # the header by which it knows a record that it has taken, when that comes by as NVFlare's event
    forwards: bool = False  # to the server: NVFlare's own way there is needed only if it says so
    passes_events: bool = False  # says so


class LocalSite:
    """The components of one site of one job in this process."""

    def __init__(self, engine: Any, report: Report):
        self._engine, self._report = engine, report
        self._members: tuple[Member, ...] = ()
        self._takers: tuple[Taker, ...] = ()
        # What the site's other components make of it; asked for at the next record.
        self._considered = False
        self._direct = False  # its members are all that listens: nothing else is to be done
        self._open = False
        self._falls_back = False  # NVFlare's own way is there for when the server takes nothing from the forwarder
        self._copies: Optional[EventCopies] = None
        self._forked = False
        self._dropped = 0  # records, at the last flush
        forget_in_child(self)

    def take(
        self, data_type: Any, writer: Any, tag: Any, value: Any, step: Any, path: Optional[str], extra: Optional[dict]
    ) -> bool:
        """A record of BridgeWriter for all members. False: it is to go by NVFlare's event. Some microseconds."""
        if not self._direct and not self._is_taking():
            return self._forked  # a child's records are the parent's to bring: nobody takes them
        for taker in self._takers:
            taker.take(data_type, writer, tag, value, step, path, extra)
        if self._copies is not None:
            self._copies.put(data_type, writer, tag, value, step, path, extra)
        return True

    @property
    def takes_large(self) -> bool:
        """True if a member brings what is larger than an event to where its records go; others count it."""
        return self._is_taking() and any(taker.takes_large for taker in self._takers)

    @property
    def sends_away(self) -> bool:
        """True if a member does not: what is small goes further."""
        return not all(taker.takes_large for taker in self._takers)

    def flush(self, timeout: float) -> bool:
        """Waits until all that was taken so far is safe: on the server's disk, and on this site's for its own runs.

        `timeout`: seconds. False: the time is over, something was dropped since the last flush, or it goes by NVFlare.
        """
        deadline = time.monotonic() + timeout
        buffers = [taker.buffer for taker in self._takers]
        dropped = sum(sum(buffer.stats()["dropped"].values()) for buffer in buffers)
        whole, self._dropped = dropped == self._dropped, dropped
        for buffer in buffers:
            number = buffer.accepted
            buffer.wait_for_number(number, max(0.0, deadline - time.monotonic()))
            whole = whole and buffer.off is None and buffer.acknowledged >= number
        return whole and bool(buffers) and self._open

    def share(self, event: list) -> None:
        """A record of a training process of its own, decoded, of which the forwarder has seen to the server's part."""
        self._is_taking()
        for member in self._members:
            if not member.forwards:
                member.taker.take_decoded(event)
        if self._copies is not None:
            self._copies.put_decoded(event)

    def settle(self, seconds: float) -> None:
        """Waits until other components have the records so far, for so many seconds at most."""
        copies = self._copies
        if copies is not None:
            copies.settle(seconds)

    @property
    def is_empty(self) -> bool:
        return not self._members

    def forget_in_child(self) -> None:
        self._direct = self._open = False
        self._copies = None
        self._forked = self._considered = True

    # --- parts of the above ---

    def add(self, member: Member) -> None:
        self._set_members((*self._members, member))

    def remove(self, member: Member) -> Optional[EventCopies]:
        """Gives what is to be closed."""
        self._set_members(tuple(one for one in self._members if one is not member))
        copies = self._copies
        if self._members or copies is None:
            return None
        self._copies = None
        return copies

    def _set_members(self, members: tuple) -> None:
        self._members = members
        self._direct = self._considered = False
        self._takers = tuple(member.taker for member in members)

    def _is_taking(self) -> bool:
        if not self._considered:
            with _lock:
                self._consider()
        if self._falls_back and any(one.forwards and one.taker.buffer.off is not None for one in self._members):
            return False
        return self._open

    def _consider(self) -> None:
        others, converts = _listeners(self._engine)
        forwarder = next((member for member in self._members if member.forwards), None)
        # Without a forwarder, whoever else listens gets records as ever: by NVFlare's event, and so do the members.
        self._open = bool(self._members) and (forwarder is not None or not (others or converts))
        self._falls_back = converts and forwarder is not None
        if forwarder is not None and (others or (converts and forwarder.passes_events)):
            if self._copies is None:
                self._copies = EventCopies(self._engine, self._report)
            self._copies.marks = tuple(member.mark for member in self._members)
        self._direct = self._open and not self._falls_back
        self._considered = True


class Membership:
    """Of a component, from join() to leave(), which may be called again."""

    def __init__(self, key: tuple[str, str], site: Optional[LocalSite], member: Optional[Member]):
        self._key, self._site, self._member = key, site, member

    def share(self, event: list) -> None:
        """A record of a training process of its own, decoded: for all but the forwarder, which sees to it itself."""
        if self._site is not None:
            self._site.share(event)

    def settle(self, seconds: float) -> None:
        """Waits until components beside ours have the records so far, for so many seconds at most."""
        if self._site is not None:
            self._site.settle(seconds)

    def leave(self, seconds: float = 0.0) -> None:
        """`seconds`: for so long what components beside ours do not have yet is waited for."""
        if self._site is None:
            return
        with _lock:
            copies = self._site.remove(self._member)
            if self._site.is_empty and _sites.get(self._key) is self._site:
                del _sites[self._key]
        if copies is not None:
            copies.close(seconds)


OUTSIDE = Membership(("", ""), None, None)  # of none


def join(fl_ctx: FLContext, member: Member, report: Report) -> Membership:
    """A component begins to take records."""
    key = (str(fl_ctx.get_job_id()), str(fl_ctx.get_identity_name()))
    with _lock:
        site = _sites.get(key)
        if site is None:
            site = _sites[key] = LocalSite(fl_ctx.get_engine(), report)
        site.add(member)
    return Membership(key, site, member)


def find(api: Any) -> Optional[LocalSite]:
    """The site whose script has the in-process API object; None: NVFlare has to bring its records."""
    if api is None:
        sites = list(_sites.values())
        return sites[0] if len(sites) == 1 else None
    try:
        # A closed one is of a job that has ended, and may have another's names.
        return None if getattr(api, "closed", False) else _sites.get((str(api.get_job_id()), str(api.get_site_name())))
    except Exception:  # an API of another kind
        return None


def _listeners(engine: Any) -> tuple[bool, bool]:
    """Who else listens to records: components that may, and one that makes federated events of them."""
    handlers = getattr(engine, "handlers", None)  # of NVFlare 2.5 to 2.9 (private/fed/client/client_run_manager.py)
    if not isinstance(handlers, (list, tuple)):
        return True, False
    converts = any(isinstance(one, ConvertToFedEvent) and EVENT in one.events_to_convert for one in handlers)
    return any(map(_may_listen, handlers)), converts


def _may_listen(component: Any) -> bool:
    home = str(getattr(type(component).handle_event, "__module__", ""))
    if home.startswith("flarebridge.") or isinstance(component, ConvertToFedEvent):
        return False
    if isinstance(component, AnalyticsReceiver):
        return any(str(name).endswith(EVENT) for name in component.events or ())
    if EVENT in (getattr(component, "_event_handlers", None) or ()):  # registered by name, from NVFlare 2.6 on
        return True
    # Of NVFlare's own no other does. What one of somebody else's listens to can't be seen from here.
    return not home.startswith("nvflare.")
