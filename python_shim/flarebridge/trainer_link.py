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
from .inbox import Admit, BadRequest, Inbox
from .link_messages import FromBridge, FromShim, Refusal
from .outbox import Outbox
from .socket_place import SocketPlace

# The environment variables by which a training process finds it, and knows that it is not the component's own.
ENDPOINT = "FLAREBRIDGE_TRAINER_LINK"
ENDPOINT_OF = "FLAREBRIDGE_TRAINER_LINK_OF"

_CREDIT = 4 << 20  # bytes that may be under way
_HEARTBEAT_MS = 1000
_TURN = 0.02  # seconds between looks at what is durable by now
_PEERS = 64
_SOCKET_LOOK = 1.0  # seconds between looks whether the socket is still there


class TrainerLink:
    """See the module. One thread owns the socket; it is made by start()."""

    def __init__(self, report: Report):
        """Makes the socket's folder only. Raises NoPlace."""
        self._report = report
        self._place = SocketPlace("trainer")
        self._thread: Optional[threading.Thread] = None
        self._close_at: Optional[float] = None
        self._peers: dict[bytes, _Peer] = {}

    @property
    def endpoint(self) -> str:
        return self._place.endpoint

    def start(self, outbox: Outbox, site: str, admit: Admit) -> None:
        """`admit`: as Inbox has it."""
        self._site = site
        self._inbox = Inbox(outbox, admit)
        self._thread = threading.Thread(target=self._run, name="flarebridge-trainers", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Waits until every trainer that is connected has said goodbye, then ends; within the seconds in all."""
        self._close_at = time.monotonic() + seconds
        if self._thread is not None:
            self._thread.join(seconds + 0.5)
        self._place.remove()

    # --- the thread ---

    def _run(self) -> None:
        try:
            import zmq
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
            look_at = time.monotonic() + _SOCKET_LOOK
            while self._close_at is None or (self._peers and time.monotonic() < self._close_at):
                if self._socket.poll(int(_TURN * 1000) if self._busy() or self._close_at else 200):
                    self._receive()
                self._acknowledge()
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + _SOCKET_LOOK
                    self._keep_socket()
        except Exception as e:
            self._report("error", f"records of BridgeWriter in another process are lost: {type(e).__name__}: {e}")
        finally:
            self._socket.close()
            context.destroy(linger=200)

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
        return any(peer.acknowledged < peer.received for peer in self._peers.values())

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
        elif kind == FromShim.BATCH:
            peer.waiting.append((message[1], message[2], body))
            self._take(peer)
        elif kind == FromShim.PING:
            self._send_ack(identity, peer)
        elif kind == FromShim.BYE:
            del self._peers[identity]

    def _on_hello(self, identity: bytes, message: list) -> None:
        _kind, _name, version, session, *_ = message
        if version != WIRE_VERSION:
            self._send(identity, (FromBridge.REFUSAL, Refusal.VERSION, f"version {WIRE_VERSION} is spoken here"))
            return
        # The same session on a new connection takes the place of the old one.
        for known, peer in list(self._peers.items()):
            if peer.session == session or len(self._peers) >= _PEERS:
                del self._peers[known]
        peer = _Peer(session)
        reply = self._inbox.take(self._site, peer.request(1, 0, b""))
        peer.received, peer.acknowledged = reply["received"], reply["durable"]
        self._peers[identity] = peer
        self._send(
            identity,
            (FromBridge.WELCOME, WIRE_VERSION, "flarebridge forwarder", peer.acknowledged, _CREDIT, _HEARTBEAT_MS),
        )

    def _take(self, peer: "_Peer") -> None:
        """Brings what a trainer has sent into the outbox, as far as there is room."""
        while peer.waiting:
            reply = self._inbox.take(self._site, peer.request(*peer.waiting[0]))
            if reply["state"] == "ended":
                peer.waiting.clear()
                peer.refused = True
                return
            peer.received, peer.durable = reply["received"], reply["durable"]
            if reply["state"] == "full":
                return
            peer.waiting.pop(0)

    def _acknowledge(self) -> None:
        for identity, peer in list(self._peers.items()):
            if peer.refused:
                del self._peers[identity]
                self._send(
                    identity, (FromBridge.REFUSAL, Refusal.FORBIDDEN, "this site's records can't be forwarded any more")
                )
            elif peer.waiting:
                self._take(peer)
            elif peer.acknowledged < peer.received:
                peer.durable = self._inbox.take(self._site, peer.request(peer.received + 1, 0, b""))["durable"]
            if peer.durable > peer.acknowledged:
                peer.acknowledged = peer.durable
                self._send_ack(identity, peer)

    def _send_ack(self, identity: bytes, peer: "_Peer") -> None:
        self._send(identity, (FromBridge.ACK, peer.acknowledged, _CREDIT, 0))

    def _send(self, identity: bytes, message: tuple[Any, ...]) -> None:
        with contextlib.suppress(self._again):
            self._socket.send_multipart([identity, msgpack.packb(message)], flags=1)


class _Peer:
    """One training process."""

    def __init__(self, session: str):
        self.session = session
        self.refused = False
        self.received = self.durable = self.acknowledged = 0
        self.waiting: list[tuple[int, int, bytes]] = []  # batches for which there was no room; at most _CREDIT bytes

    def request(self, first: int, count: int, body: bytes) -> dict:
        durable = self.acknowledged
        return {"session": self.session, "first": first, "count": count, "durable": durable, "events": body}
