"""Where BridgeWriter in a training process of its own brings its records: the forwarder on the same site.

NVFlare up to 2.8 carries at most 10 records a second from an external training process, and 2.9 changes
their order. This is a socket in a folder that only this user can enter; it speaks the bridge's own
protocol (events/README.md of the project), so that the other side is link.py as it is.
"""

import contextlib
import os
import threading
import time
from typing import Any, Optional

import msgpack

from .buffer import Report
from .events import WIRE_VERSION
from .forks import load
from .inbox import Admit, BadRequest, Inbox
from .last_records import is_over, look
from .link_messages import FromBridge, FromShim, Refusal
from .outbox import Outbox
from .socket_place import SocketPlace
from .trainer_names import ENDPOINT
from .trainer_peer import Peer, recover
from .words import count_of

_CREDIT = 4 << 20  # bytes of a trainer that may be under way
_CREDIT_OF_ALL, _LEAST_CREDIT = 32 << 20, 64 << 10
_HEARTBEAT_MS = 1000
_TURN, _LONGEST_TURN = 0.02, 0.5  # seconds between looks at what is durable by now, doubled while nothing gets on
_PEERS = 256
_LOOK = 1.0  # seconds between looks whether the socket is still there, and which trainers have ended
_SILENCE = 3.0  # seconds; a trainer says something each second
_FORGET = 30.0  # seconds of silence after which a trainer has to say hello again
_IDLE = 0.5  # seconds without a new record after which a trainer that lives is not waited for at the end

LOST = "lost with a training process"  # why records are dropped


class TrainerLink:
    """See the module. One thread owns the socket; it is made by start()."""

    def __init__(self, report: Report):
        """Makes the socket's folder only. Raises NoPlace."""
        self._report = report
        self._place = SocketPlace("trainer")
        self._thread: Optional[threading.Thread] = None
        self._close_at: Optional[float] = None
        self._peers: dict[bytes, Peer] = {}
        self._silent: set = set()  # sessions that are silent and have no file of their last records
        self._turn = _TURN

    @property
    def endpoint(self) -> str:
        return self._place.endpoint

    def start(self, outbox: Outbox, site: str, admit: Admit) -> None:
        """`admit`: as Inbox has it."""
        self._site = site
        self._outbox = outbox
        self._inbox = Inbox(outbox, admit, patience=0.0)  # one thread serves all trainers
        self._thread = threading.Thread(target=self._run, name="flarebridge-trainers", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Takes what trainers still have, and ends, within the seconds in all.

        A trainer that has ended, or has nothing more to say, is not waited for.
        """
        self._close_at = time.monotonic() + seconds
        if self._thread is not None:
            self._thread.join(seconds + 0.5)
        self._place.remove()

    # --- the thread ---

    def _run(self) -> None:
        try:
            zmq = load("zmq")
        except ImportError as e:
            self._report("error", f"BridgeWriter in another process can't be served: {e}; pip install pyzmq")
            return
        context = zmq.Context(io_threads=1)
        self._socket = context.socket(zmq.ROUTER)
        self._again = zmq.Again
        try:
            self._socket.setsockopt(zmq.LINGER, 200)
            self._socket.setsockopt(zmq.MAXMSGSIZE, 4 << 20)
            self._socket.bind(self.endpoint)
            self._serve()
        except Exception as e:
            self._report("error", f"records of BridgeWriter in another process are lost: {type(e).__name__}: {e}")
        finally:
            self._socket.close()
            context.destroy(linger=200)

    def _serve(self) -> None:
        look_at = time.monotonic() + _LOOK
        while True:
            closing = self._close_at is not None
            came = self._socket.poll(int(1000 * (self._turn if closing or self._busy() else 0.2)))
            if came:
                self._receive()
            moved = self._acknowledge() or came
            self._turn = _TURN if moved or closing else min(2 * self._turn, _LONGEST_TURN)
            now = time.monotonic()
            if closing or now >= look_at:
                look_at = now + _LOOK
                self._look_at_trainers(now)
                if closing and (now >= self._close_at or not any(map(self._is_waited_for, self._peers.values()))):
                    break
                if not closing:
                    self._keep_socket()
        for peer in list(self._peers.values()):
            self._leave(peer)
        if self._silent:
            who = count_of(len(self._silent), "trainer")
            self._report("warning", f"{who} said no goodbye: the last records of each may be missing")

    def _keep_socket(self) -> None:
        """Makes the socket again if it was cleaned away. Who is connected does not notice."""
        if self._place.exists():
            return
        if not self._place.make_again():
            self._place = SocketPlace("trainer")
            os.environ[ENDPOINT] = self.endpoint  # for training processes that are still to come
        self._socket.bind(self.endpoint)
        self._report("warning", f"the socket of BridgeWriter was removed, and made again at {self.endpoint}")

    def _busy(self) -> bool:
        return any(peer.waiting or peer.acknowledged < peer.received for peer in self._peers.values())

    # --- messages ---

    def _receive(self) -> None:
        for _ in range(64):
            try:
                identity, *frames = self._socket.recv_multipart(copy=True, flags=1)  # 1: NOBLOCK
            except self._again:
                return
            try:
                message = msgpack.unpackb(frames[0])
                self._on_message(identity, message, frames[1] if len(frames) > 1 else b"")
            except (BadRequest, ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException):
                self._send(identity, (FromBridge.REFUSAL, Refusal.MALFORMED, "malformed message"))

    def _on_message(self, identity: bytes, message: list, body: bytes) -> None:
        kind = message[0]
        if kind == FromShim.HELLO:
            self._on_hello(identity, message)
            return
        peer = self._peers.get(identity)
        if peer is None:
            if kind != FromShim.BYE:
                self._send(identity, (FromBridge.REFUSAL, Refusal.UNKNOWN_SESSION, "say hello first"))
            return
        peer.heard = time.monotonic()
        if kind == FromShim.BATCH:
            peer.waiting.append((message[1], message[2], body))
            self._take(identity, peer)
        elif kind == FromShim.PING:
            self._send_ack(identity, peer)
        elif kind == FromShim.BYE:
            del self._peers[identity]
            self._count_dropped(peer)
            self._end_session(peer)

    def _on_hello(self, identity: bytes, message: list) -> None:
        _kind, _name, version, session, *_ = message
        if version != WIRE_VERSION:
            self._send(identity, (FromBridge.REFUSAL, Refusal.VERSION, f"version {WIRE_VERSION} is spoken here"))
            return
        # The same session on a new connection takes the place of the old one.
        for known, peer in list(self._peers.items()):
            if peer.session == session:
                del self._peers[known]
        if len(self._peers) >= _PEERS:
            self._send(identity, (FromBridge.REFUSAL, Refusal.FULL, f"{_PEERS} training processes are served"))
            return
        peer = self._peer(identity, session)
        if peer is not None:
            durable, credit = peer.acknowledged, self._credit()
            welcome = (FromBridge.WELCOME, WIRE_VERSION, "flarebridge forwarder", durable, credit, _HEARTBEAT_MS)
            self._send(identity, welcome)

    def _peer(self, identity: bytes, session: str) -> Optional[Peer]:
        """A new peer that knows what is held of its session. Raises BadRequest."""
        peer = Peer(session, time.monotonic())
        reply = self._inbox.take(self._site, peer.request(1, 0, b""))
        if reply["state"] != "taken":
            self._refuse(identity)
            return None
        peer.received, peer.acknowledged = reply["received"], reply["durable"]
        self._silent.discard(session)
        self._peers[identity] = peer
        return peer

    def _end_session(self, peer: Peer) -> None:
        with contextlib.suppress(BadRequest):
            self._inbox.take(self._site, peer.request(peer.received + 1, 0, b"", bye=True))

    def _count_dropped(self, peer: Peer) -> None:
        """Of a trainer that said goodbye: records that it could not even send, which its file tells."""
        file = self._file(peer.session)
        left = look(file)
        if left is not None and left.lost:
            self._outbox.count_drop(LOST, left.lost)
            self._report("warning", f"training process {left.pid} has dropped {count_of(left.lost, 'record')}")
            with contextlib.suppress(OSError):
                os.unlink(file)

    def _take(self, identity: bytes, peer: Peer) -> bool:
        """Brings what a trainer has sent into the outbox, as far as there is room. True: some of it. Raises BadRequest.
        """
        before = peer.received
        while peer.waiting:
            first, count, body = peer.waiting[0]
            if peer.over and first > peer.received + 1:  # what is between will never come
                peer.missing += first - 1 - peer.received
                self._inbox.skip(self._site, peer.session, first - 1)
            try:
                reply = self._inbox.take(self._site, peer.request(first, count, body))
            except BadRequest:
                peer.forget_waiting()  # what is behind it could not be taken either
                raise
            if reply["state"] not in ("taken", "full"):
                self._peers.pop(identity, None)
                self._refuse(identity)
                return True
            peer.received, peer.durable = reply["received"], reply["durable"]
            if peer.received > before:
                peer.got = time.monotonic()
            if reply["state"] == "full":
                break
            peer.waiting.popleft()
            if peer.received < first + count - 1:
                peer.forget_waiting()
                self._send(identity, (FromBridge.REFUSAL, Refusal.GAP, "records before these did not come"))
        return peer.received > before

    def _acknowledge(self) -> bool:
        """Tells trainers what is durable by now. True if anything got on."""
        moved = False
        for identity, peer in list(self._peers.items()):
            try:
                if peer.waiting:
                    moved = self._take(identity, peer) or moved
                elif peer.acknowledged < peer.received:
                    reply = self._inbox.take(self._site, peer.request(peer.received + 1, 0, b""))
                    peer.durable = max(peer.durable, reply["durable"])
            except BadRequest:
                self._send(identity, (FromBridge.REFUSAL, Refusal.MALFORMED, "malformed message"))
            if peer.durable > peer.acknowledged:
                peer.acknowledged = peer.durable
                self._send_ack(identity, peer)
                moved = True
        return moved

    def _credit(self) -> int:
        return max(_LEAST_CREDIT, min(_CREDIT, _CREDIT_OF_ALL // max(1, len(self._peers))))

    def _send_ack(self, identity: bytes, peer: Peer) -> None:
        self._send(identity, (FromBridge.ACK, peer.acknowledged, self._credit(), 0))

    def _refuse(self, identity: bytes) -> None:
        words = "this site's records can't be forwarded any more"
        self._send(identity, (FromBridge.REFUSAL, Refusal.FORBIDDEN, words))

    def _send(self, identity: bytes, message: tuple[Any, ...]) -> None:
        with contextlib.suppress(self._again):
            self._socket.send_multipart([identity, msgpack.packb(message)], flags=1)

    # --- trainers that end ---

    def _file(self, session: str) -> str:
        return f"{os.path.dirname(self._place.path)}/{session}"

    def _look_at_trainers(self, now: float) -> None:
        """Takes over from trainers that have ended what they could not send, and at the end from all of them."""
        sessions = {peer.session: identity for identity, peer in self._peers.items()}
        with contextlib.suppress(OSError):
            for name in os.listdir(os.path.dirname(self._place.path)):
                if len(name) == 32 and name.isalnum() and name not in sessions and is_over(self._file(name)):
                    with contextlib.suppress(BadRequest):
                        self._peer(name.encode(), name)  # it ended before we heard of it
        for identity, peer in list(self._peers.items()):
            file = self._file(peer.session)
            peer.over = is_over(file)
            if peer.over or (self._close_at is not None and peer.over is False):
                recover(peer, file)
            if peer.over and not peer.waiting:
                self._leave(peer)
                del self._peers[identity]
            elif peer.over is None and not peer.waiting and now - peer.heard > _FORGET:
                self._silent.add(peer.session)
                del self._peers[identity]

    def _is_waited_for(self, peer: Peer) -> bool:
        """At the end: it has something that did not come yet, or may have."""
        now = time.monotonic()
        if peer.waiting:
            return True
        if peer.over is None:
            return now - peer.heard < _SILENCE
        left = look(self._file(peer.session))
        to_come = left is not None and left.last > peer.received
        return not peer.over and (to_come or peer.acknowledged < peer.received or now - peer.got < _IDLE)

    def _leave(self, peer: Peer) -> None:
        """Tells and counts what is lost of a trainer that has ended, or that is waited for no longer."""
        file = self._file(peer.session)
        left = look(file)
        if left is None:
            if peer.over is None:
                self._silent.add(peer.session)
            return
        lost = left.lost + peer.missing + max(0, left.last - peer.received)
        how = "ended without a goodbye" if peer.over else "still had records at the run's end"
        how = f"training process {left.pid} {how}"
        if lost:
            self._outbox.count_drop(LOST, lost)
            self._report("warning", f"{how}: lost of it: {count_of(lost, 'record')}")
        elif peer.recovered:
            self._report("info", f"{how}; kept of it: {count_of(peer.recovered, 'record')}")
        if peer.over:
            self._end_session(peer)
            with contextlib.suppress(OSError):
                os.unlink(file)
