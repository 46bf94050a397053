"""What a server's receiver takes from the forwarders of its clients: each event once, in order.

The counterpart of outbox.py. A request is answered with what is held and what is durable by then, so
that a client sends again whatever got lost, and lets go of what the bridge has on disk.

Request: `session` (32 hex digits), `first` (number of its first event, from 1 on), `count`, `events`
(so many msgpack events, one after the other), `durable` (the last event that was confirmed as durable: where a
server that does not know the session begins), `bye` (True: the last one), `dropped` (reason -> events
that the client could not keep). Reply: `state` ("taken", "full": there is no room now, "ended": the run
is over, "off": the bridge can't take events, "disabled": tracking is), `received` and `durable`: the last
event that is held, and that is on disk.
"""

import threading
import time
import weakref
from collections import deque
from typing import Any, Callable, Optional, Union

import msgpack

from .buffer import EventBuffer
from .events import DATA, MAX_EVENT_BYTES, TYPE_NAMES
from .forks import forget_in_child
from .senders import sender_of, verify_senders

TOPIC = "flarebridge.forward"
# A note on a record that a forwarder brings: a copy of it that comes in NVFlare's own way is left alone.
FORWARDED = "flarebridge_forwarded"
_WAIT_DURABLE = 0.05  # seconds that a reply waits for the disk; a group commit takes some milliseconds
_WAITING = 8  # requests that wait for it at a time; each holds one of NVFlare's threads, which the training needs
_MAX_COUNT = 10000  # events of a request; forwarders send 512
_MAX_BYTES = 4 << 20
_SITES = 10000
# A site's sessions that are remembered: each process of the site that ever ran has one. Beyond the first number those
# are forgotten that have said goodbye, beyond the second one any: what such a one sends again is taken twice.
_SESSIONS, _MOST_SESSIONS = 64, 1024
_REASONS = 100  # for which a site's events were dropped in sessions that are forgotten
_TURN = 0.02  # seconds between looks
_QUIET = 3.0  # seconds; a forwarder that has something to say tries again within 2
_DATA_FIELDS = 8  # of a record at least (events/README.md)
_OPERATION = next(code for code, name in TYPE_NAMES.items() if name == "OPERATION")


Admit = Callable[[list], Optional[list]]


class BadRequest(ValueError):
    """A request that no forwarder sends."""


class _Session:
    """One process of a site."""

    def __init__(self, durable: int):
        self.lock = threading.Lock()
        self.received = self.durable = durable
        self.marks: deque = deque()  # (last event of a request, its number in the link)
        self.heard = time.monotonic()
        self.closed = False
        self.dropped: dict[str, int] = {}
        self.rejected = 0
        self.admitted: Optional[bytes] = None  # what is to be taken next, asked for already: there was no room


class _Site:
    """The sessions of a site, and what is left of those that are forgotten. Under the inbox's lock."""

    def __init__(self):
        self.sessions: dict[str, _Session] = {}
        self._dropped: dict[str, int] = {}
        self._rejected = 0

    def session(self, name: str, durable: int) -> _Session:
        session = self.sessions.get(name)
        if session is None:
            if len(self.sessions) >= _SESSIONS:
                self._make_room()
            # Another job process may have brought earlier events to the disk.
            session = self.sessions[name] = _Session(durable)
        return session

    def dropped(self) -> dict[str, int]:
        total = dict(self._dropped)
        for session in self.sessions.values():
            _add(session.dropped, total)
        return total

    def rejected(self) -> int:
        return self._rejected + sum(session.rejected for session in self.sessions.values())

    def _make_room(self) -> None:
        """Forgets whoever has been unheard the longest, of those that have said goodbye if there are any."""
        over = [name for name, session in self.sessions.items() if session.closed and not session.marks]
        if not over and len(self.sessions) < _MOST_SESSIONS:
            return
        session = self.sessions.pop(min(over or self.sessions, key=lambda name: self.sessions[name].heard))
        self._rejected += session.rejected
        _add(session.dropped, self._dropped)


class Inbox:
    """The events of all sites' forwarders on their way into one link. Any thread."""

    def __init__(self, link: EventBuffer, admit: Optional[Admit] = None, patience: float = _WAIT_DURABLE):
        """`admit`: gives what is to be taken of a decoded event, or None to leave it out.

        `patience`: seconds that a reply waits for the disk.
        """
        self._link = link
        self._admit = admit
        self._patience = patience
        self._lock = threading.Lock()
        self._sites: dict[str, _Site] = {}
        self.samples = 0  # of sites' machines, among the events that were taken
        self._ended = False
        self._turns = threading.Semaphore(_WAITING)
        forget_in_child(self)

    def take(self, site: str, request: dict) -> dict:
        """Takes what is new of a request of the site, a checked name. Gives the reply. Raises BadRequest."""
        name, first, durable, events = _checked(request)
        if self._ended or self._link.off is not None:
            return _without("ended" if self._ended else "off")
        session = self._session(site, name, durable)
        with session.lock:
            if self._ended:
                return _without("ended")
            session.heard = time.monotonic()
            session.dropped = _counts(request.get("dropped"))
            full = self._put(site, session, first, events)
            self._settle(session, self._patience)
            session.closed = bool(request.get("bye"))
            return {"state": "full" if full else "taken", "received": session.received, "durable": session.durable}

    def skip(self, site: str, name: str, until: int) -> None:
        """The events of a session up to that number are not to be waited for any more: their process has ended."""
        session = self._session(site, name, 0)
        with session.lock:
            if until > session.received:
                session.received, session.admitted = until, None

    def knows(self, site: str) -> bool:
        """True if a forwarder of the site has spoken."""
        return site in self._sites

    @property
    def expecting(self) -> bool:
        """True while a forwarder that has not said goodbye has been heard within the last seconds."""
        now = time.monotonic()
        with self._lock:
            return any(
                not session.closed and now - session.heard < _QUIET
                for known in self._sites.values()
                for session in known.sessions.values()
            )

    def wait_quiet(self, seconds: float) -> None:
        """Waits until no forwarder is expected to say more, for so many seconds at most."""
        deadline = time.monotonic() + seconds
        while self.expecting and time.monotonic() < deadline:
            time.sleep(_TURN)

    def end(self) -> None:
        """From now on every request is answered with "ended", and none is at work any more."""
        self._ended = True
        with self._lock:
            sessions = [session for known in self._sites.values() for session in known.sessions.values()]
        for session in sessions:
            with session.lock:
                pass

    def forget_in_child(self) -> None:
        """A forked child takes nothing: its link is the parent's."""
        self._ended = True
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(_WAITING)
        self._sites = {}

    def rejected(self, site: str) -> int:
        """Events of a site that were malformed."""
        with self._lock:
            return self._sites[site].rejected() if site in self._sites else 0

    def dropped(self) -> dict[str, int]:
        """What the clients could not keep or were told not to send, and what was malformed: reason -> events."""
        total: dict[str, int] = {}
        with self._lock:
            for site, known in self._sites.items():
                total.update({f"{reason} at {site}": count for reason, count in known.dropped().items()})
                if known.rejected():
                    total[f"malformed from {site}"] = known.rejected()
        return total

    # --- parts of the above ---

    def _session(self, site: str, name: str, durable: int) -> _Session:
        with self._lock:
            if len(self._sites) >= _SITES and site not in self._sites:
                raise BadRequest("too many sites")
            return self._sites.setdefault(site, _Site()).session(name, durable)

    def _put(self, site: str, session: _Session, first: int, events: list) -> bool:
        """Puts the events that are new into the link. True: not all, there is no room."""
        if first > session.received + 1:
            return False  # what lies between is asked for by the reply
        for event in events[session.received + 1 - first :]:
            if session.admitted is None and not _is_record(event):
                session.rejected += 1
            elif session.admitted is None and self._admit is not None and (event := self._admit(event)) is None:
                pass
            elif (packed := session.admitted or _packed(site, event)) is None:
                session.rejected += 1
            elif number := self._link.offer(packed):
                session.marks.append((session.received + 1, number))
                self._count_sample(event)
            else:
                if self._admit is not None:
                    session.admitted = packed  # asked for once, so that what is kept of it is counted once
                return True
            session.admitted = None
            session.received += 1
        return False

    def _count_sample(self, event: list) -> None:
        """It is no record that anybody has logged."""
        if event[3] == _OPERATION and isinstance(event[6], dict) and event[6].get("op") == "stats":
            with self._lock:
                self.samples += 1

    def _settle(self, session: _Session, seconds: float) -> None:
        """Brings `durable` up to date; waits for it for so many seconds at most."""
        if session.marks and self._turns.acquire(blocking=False):
            try:
                self._link.wait_for_number(session.marks[-1][1], seconds)
            finally:
                self._turns.release()
        acknowledged = self._link.acknowledged
        while session.marks and session.marks[0][1] <= acknowledged:
            session.durable = session.marks.popleft()[0]
        if not session.marks:
            session.durable = session.received


class ClosedInbox:
    """Stands where a receiver takes nothing, so that forwarders need not ask again and again."""

    def __init__(self, state: str):
        """`state`: "off" or "disabled"."""
        self._reply = _without(state)

    def take(self, site: str, request: dict) -> dict:
        """Gives the reply."""
        return self._reply


def _without(state: str) -> dict:
    return {"state": state, "received": 0, "durable": 0}


def _checked(request: dict) -> tuple[str, int, int, list]:
    session, first, count = request.get("session"), request.get("first"), request.get("count")
    durable, body = request.get("durable"), request.get("events")
    if not (isinstance(session, str) and 0 < len(session) <= 64 and session.isalnum()):
        raise BadRequest("no session")
    if type(first) is not int or not 0 < first < 1 << 62 or type(count) is not int or not 0 <= count <= _MAX_COUNT:
        raise BadRequest("no sequence numbers")
    if type(durable) is not int or not 0 <= durable < 1 << 62:
        raise BadRequest("no durable number")
    if not isinstance(body, bytes) or len(body) > _MAX_BYTES:
        raise BadRequest("no events")
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=_MAX_BYTES)
    unpacker.feed(body)
    try:
        events = list(unpacker)
    except Exception as e:
        raise BadRequest(f"events are not msgpack ({type(e).__name__})") from e
    if len(events) != count:
        raise BadRequest(f"{len(events)} events instead of {count}")
    return session, first, durable, events


def _is_record(event: Any) -> bool:
    return isinstance(event, list) and len(event) >= _DATA_FIELDS and event[0] == DATA


def _packed(site: str, event: list) -> Optional[bytes]:
    """The event as one of the site it came from, whatever it says itself; None if it can't be sent."""
    event[2] = site
    try:
        packed = msgpack.packb(event)
    except Exception:
        return None
    return packed if len(packed) <= MAX_EVENT_BYTES else None


def _counts(given: Any) -> dict[str, int]:
    """Counts as a client tells them, as far as they make sense."""
    if not isinstance(given, dict):
        return {}
    return {str(k)[:100]: v for k, v in list(given.items())[:20] if type(v) is int and v > 0}


def _add(counts: dict[str, int], total: dict[str, int]) -> None:
    for reason, count in counts.items():
        if reason not in total and len(total) >= _REASONS:
            reason = "for further reasons"
        total[reason] = total.get(reason, 0) + count


AnyInbox = Union[Inbox, ClosedInbox]

# --- one handler per NVFlare engine, for all receivers of a job ---

_inboxes: "weakref.WeakKeyDictionary[Any, list[AnyInbox]]" = weakref.WeakKeyDictionary()
_registry_lock = threading.Lock()


def attach(engine: Any, inbox: AnyInbox, site_of: Callable[[Any], str]) -> None:
    """Lets the job's clients reach the inbox. `site_of`: makes a site's checked name of a peer's name."""
    from nvflare.apis.fl_constant import ReservedKey, ReturnCode
    from nvflare.apis.shareable import ReservedHeaderKey, Shareable, make_reply

    with _registry_lock:
        known = _inboxes.get(engine)
        if known is not None:
            known.append(inbox)
            return
        inboxes = _inboxes[engine] = [inbox]
    verified = verify_senders(engine, TOPIC)

    def handle(topic: str, request: Shareable, fl_ctx: Any) -> Shareable:
        peer = request.get_peer_prop(ReservedKey.IDENTITY_NAME, None)
        if not peer:
            return make_reply(ReturnCode.MISSING_PEER_CONTEXT)
        site = site_of(sender_of(request.get(ReservedHeaderKey.HEADERS) or {}, peer, verified))
        try:
            replies = [inbox.take(site, request) for inbox in list(inboxes)]
        except BadRequest:
            return make_reply(ReturnCode.BAD_REQUEST_DATA)
        reply = make_reply(ReturnCode.OK)
        reply.update(_joined(replies))
        return reply

    engine.register_aux_message_handler(topic=TOPIC, message_handle_func=handle)


def _joined(replies: list[dict]) -> dict:
    """What all receivers that still take something hold."""
    taking = [reply for reply in replies if reply["state"] in ("taken", "full")]
    if not taking:
        states = {reply["state"] for reply in replies}
        return _without(next(state for state in ("off", "ended", "disabled") if state in states))
    return {
        "state": "full" if any(reply["state"] == "full" for reply in taking) else "taken",
        "received": min(reply["received"] for reply in taking),
        "durable": min(reply["durable"] for reply in taking),
    }
