"""The ZeroMQ socket to a bridge, and the wake-up of the thread that owns it."""

import contextlib
import socket
from typing import Optional

from .curve import Keys
from .forks import load

_BYE_LINGER = 200  # milliseconds that the last word may take to leave


class WakeUp:
    """Ends BridgeSocket.wait(). wake() may be called from any thread and from signal handlers."""

    def __init__(self):
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake anyway; closed: it has ended
            self._write.send(b"\0")

    def fileno(self) -> int:
        return self._read.fileno()

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            self._read.recv(4096)

    def close(self) -> None:
        self._read.close()
        self._write.close()


class BridgeSocket:
    """Link's thread alone uses it; only wait() waits. Making one raises ImportError where pyzmq is missing."""

    def __init__(self, wake_up: WakeUp, keys: Optional[Keys]):
        """`keys`: for a bridge that asks for them."""
        self._zmq = zmq = load("zmq")
        self._wake_up = wake_up
        self._keys = keys
        self._context = zmq.Context(io_threads=1)
        self._dealer = None
        self._poller = None

    def connect(self, endpoint: str) -> None:
        """To a bridge that need not be there yet; what was on its way to another one is forgotten."""
        zmq = self._zmq
        if self._dealer is not None:
            self._dealer.close(linger=0)
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        # Without it ZeroMQ would queue for a bridge that is not there, and lose what it queued.
        dealer.setsockopt(zmq.IMMEDIATE, 1)
        # A bridge on this machine is there within some tens of milliseconds, and looking for it costs 20 microseconds.
        near = endpoint.startswith("ipc://")
        dealer.setsockopt(zmq.RECONNECT_IVL, 10 if near else 20)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 40 if near else 1000)
        dealer.setsockopt(zmq.SNDHWM, 1000)
        if self._keys is not None:
            dealer.curve_publickey, dealer.curve_secretkey, dealer.curve_serverkey = self._keys
        dealer.connect(endpoint)
        self._dealer = dealer
        self._poller = zmq.Poller()
        self._poller.register(dealer, zmq.POLLIN)
        self._poller.register(self._wake_up, zmq.POLLIN)

    def send(self, *frames: bytes) -> bool:
        """False: it takes no more for now."""
        try:
            self._dealer.send_multipart(frames, self._zmq.NOBLOCK, copy=True)
        except self._zmq.Again:
            return False
        return True

    def receive(self) -> Optional[bytes]:
        """The next message, or None."""
        try:
            return self._dealer.recv_multipart(self._zmq.NOBLOCK)[0]
        except self._zmq.Again:
            return None

    def wait(self, seconds: float, until_writable: bool) -> None:
        """Until a message comes, somebody wakes us, it takes more (if asked for), or the time is over."""
        self._poller.modify(self._dealer, self._zmq.POLLIN | (self._zmq.POLLOUT if until_writable else 0))
        ready = dict(self._poller.poll(seconds * 1000 + (1 if seconds else 0)))
        if self._wake_up.fileno() in ready:
            self._wake_up.drain()

    def close(self) -> None:
        if self._dealer is not None:
            self._dealer.close(linger=_BYE_LINGER)
        self._context.destroy(linger=_BYE_LINGER)
