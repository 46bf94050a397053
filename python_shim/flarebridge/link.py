"""The connection to the bridge: a bounded buffer in front of one background thread.

`put` may be called from any thread, never waits and never raises. The thread alone owns the ZeroMQ
socket, sends events in batches, keeps them until the bridge has them on disk, and sends them again
when a bridge comes back. The protocol is in events/README.md of the project.
"""

import atexit
import contextlib
import os
import secrets
import socket
import threading
import time
import weakref
from collections import deque
from typing import Callable, NamedTuple, Optional

from .bridge_process import BridgeProcess, BridgeUnavailable
from .curve import Keys
from .events import WIRE_VERSION
from .version import __version__

_BATCH_EVENTS = 2048  # each sending gives the interpreter away, and a busy one is back only after 5 ms
_BATCH_BYTES = 512 << 10
EVENT_OVERHEAD = 48  # bytes that CPython adds to an event in the queue: the object's head and its place in the list
_HEARTBEAT = 1.0  # seconds, until the bridge says otherwise
_BLOCKED_LOOK = 0.1  # seconds between looks for a bridge of one's own that may have died, while nothing can be sent
_SILENCE = 10.0  # seconds without a word after which the connection is made anew
_HELLO_RETRY = 0.02  # seconds; a bridge of one's own is up within some tens of milliseconds
_HELLO_RETRY_MOST = 0.5
_LATE_BRIDGE = 10.0  # seconds without any bridge after which a person is told
_BYE_LINGER = 200  # milliseconds that the last word may take to leave

# Kinds of messages, and the refusals after which the shim says hello again.
_HELLO, _BATCH, _PING, _BYE = 1, 2, 3, 4
_WELCOME, _ACK, _NOTICE, _REFUSAL = 1, 2, 3, 4
_ASK_AGAIN = (1, 5)

_NO_BRIDGE = "bridge not available"  # why an event was dropped

# "info", "warning" or "error", and the text.
Report = Callable[[str, str], None]
_LEVELS = {1: "info", 2: "warning", 3: "error"}

_links: "weakref.WeakSet[Link]" = weakref.WeakSet()


class _Batch(NamedTuple):
    first: int
    count: int
    body: bytes

    @property
    def last(self) -> int:
        return self.first + self.count - 1


class Link:
    """See the module. Making one starts nothing; start() does."""

    def __init__(
        self,
        endpoint: Optional[str],
        process: Optional[BridgeProcess],
        buffer_bytes: int,
        report: Report,
        keys: Optional[Keys] = None,
    ):
        """Either the endpoint of a shared bridge, with keys if it asks for them, or the process of one's own.

        `buffer_bytes`: memory that events take at most, sent or not; beyond it events are counted and dropped.
        `report` is called from the thread.
        """
        self._endpoint = endpoint
        self._process = process
        self._keys = keys
        self._limit = buffer_bytes  # below 0: nothing is taken any more
        self._report = report
        self._session = secrets.token_hex(16)

        self._lock = threading.Lock()
        self._queue: list = []  # events, oldest first; the thread takes all of them at once
        self._buffered = 0  # bytes: queue, unsent and sent, with their overhead
        self._accepted = 0  # events that put() took
        self._dropped = {}  # reason -> events
        self._off: Optional[str] = None  # why nothing is taken any more

        # The thread's own.
        self._taken: list = []  # events, of which the first `_used` are in batches
        self._used = 0
        self._unsent: deque = deque()  # batches
        self._sent: deque = deque()
        self._in_flight = 0  # bytes
        self._next_seq = 1
        self._acked = 0
        self._credit = 0
        self._rejected = 0
        self._resent = 0
        self._connections = 0
        self._welcome = False
        self._blocked = False  # the socket takes no more
        self._heartbeat = _HEARTBEAT
        self._told_late = False

        self._sleeping = False
        self._closing = threading.Event()
        self._close_deadline = 0.0
        self._progress = threading.Condition()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="flarebridge-link", daemon=True)

    # --- for any thread ---

    def start(self) -> None:
        _links.add(self)
        self._thread.start()

    def put(self, event: bytes) -> int:
        """Takes over one event. Gives its number, or 0 if it was dropped and counted. Costs about a microsecond."""
        number = self.offer(event)
        if not number:
            self.count_refusal()
        return number

    def offer(self, event: bytes) -> int:
        """As put, but what can't be taken now is not counted: the caller keeps it."""
        with self._lock:
            buffered = self._buffered + len(event) + EVENT_OVERHEAD
            if buffered > self._limit:
                return 0
            self._queue.append(event)
            self._buffered = buffered
            self._accepted = number = self._accepted + 1
        # The thread is woken only when it has said that it sleeps: no system call per event.
        if self._sleeping:
            self._wake()
        return number

    def put_last(self, event: bytes) -> None:
        """Takes over the event whatever room there is; every later one is refused."""
        with self._lock:
            if self._off is None:
                self._queue.append(event)
                self._buffered += len(event) + EVENT_OVERHEAD
                self._accepted += 1
                self._limit = -1
        self._wake()

    def count_refusal(self) -> None:
        """Counts an event that offer() did not take and that is not kept."""
        reason = "buffer full" if self._limit >= 0 else "after the run's end" if self._off is None else _NO_BRIDGE
        with self._lock:
            self._dropped[reason] = self._dropped.get(reason, 0) + 1

    def count_drop(self, reason: str) -> None:
        with self._lock:
            self._dropped[reason] = self._dropped.get(reason, 0) + 1

    def _wake(self) -> None:
        self._sleeping = False
        with contextlib.suppress(OSError):  # full: it is awake anyway
            self._wake_write.send(b"\0")

    @property
    def unacknowledged(self) -> int:
        """Events that put() took and the bridge has not confirmed."""
        return max(0, self._accepted - self._acked)

    @property
    def connected(self) -> bool:
        return self._welcome and self._off is None

    @property
    def acknowledged(self) -> int:
        """The number of the last event that the bridge has on disk, with all before it."""
        return self._acked

    @property
    def off(self) -> Optional[str]:
        """Why nothing is taken any more, or None."""
        return self._off

    def wait_for_number(self, number: int, seconds: float) -> None:
        """Waits until the event of that number is confirmed, for so many seconds at most."""
        with self._progress:
            self._progress.wait_for(lambda: self._acked >= number or self._off is not None, seconds)

    def wait_acknowledged(self, seconds: float) -> bool:
        """Waits until every event is confirmed. False: the time is over, or there is no bridge to wait for."""
        deadline = time.monotonic() + seconds
        with self._progress:
            while self.unacknowledged and self._off is None and self._thread.is_alive():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._progress.wait(left)
        return self.unacknowledged == 0

    def close(self, seconds: float) -> None:
        """Sends what is left, says goodbye and ends the thread, within the seconds in all."""
        self._close_deadline = time.monotonic() + seconds
        self._closing.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(seconds + 0.5)
        _links.discard(self)

    def stats(self) -> dict:
        """Counts: accepted, acknowledged, rejected, resent events, connections, bridge starts, drops by reason."""
        with self._lock:
            return {
                "accepted": self._accepted,
                "acknowledged": min(self._acked, self._accepted),
                "rejected": self._rejected,
                "resent": self._resent,
                "connections": self._connections,
                "bridge_starts": self._process.starts if self._process else 0,
                "dropped": dict(self._dropped),
                "off": self._off,
            }

    def forget_in_child(self) -> None:
        """In a forked child the thread and the socket are not ours: the link is off."""
        self._off = "forked"
        self._limit = -1
        self._lock = threading.Lock()
        self._closing.set()

    # --- the thread ---

    def _run(self) -> None:
        try:
            import zmq
        except ImportError as e:
            self._turn_off(f"pyzmq is needed where a job runs: {e}; pip install pyzmq")
            return
        import msgpack

        self._zmq = zmq
        self._pack = msgpack.Packer(autoreset=True).pack
        self._unpack = msgpack.unpackb
        context = zmq.Context(io_threads=1)
        self._context = context
        self._socket = None
        try:
            self._loop()
        except BridgeUnavailable as e:
            self._turn_off(str(e))
        except Exception as e:  # a defect of ours must not end silently, nor end the training
            self._turn_off(f"internal error in the link: {type(e).__name__}: {e}")
        finally:
            if self._socket is not None:
                self._socket.close(linger=_BYE_LINGER)
            context.destroy(linger=_BYE_LINGER)
            if self._process is not None:
                self._process.tidy()
            with self._progress:
                self._progress.notify_all()

    def _turn_off(self, why: str) -> None:
        with self._lock:
            self._off = why
            self._limit = -1
            lost = self._accepted - self._acked
            self._queue = []
            self._buffered = 0
            if lost:
                self._dropped[_NO_BRIDGE] = self._dropped.get(_NO_BRIDGE, 0) + lost
        with self._progress:
            self._progress.notify_all()
        self._unsent.clear()
        self._sent.clear()
        self._report("error", f"{why}. Training goes on without tracking.")

    def _loop(self) -> None:
        self._connect()
        started = time.monotonic()
        while True:
            now = time.monotonic()
            if self._process is not None and self._process.ensure(now) and self._connections:
                self._report("warning", "the bridge had ended and was started again; nothing is lost")
                self._connect()
            if now - self._heard > _SILENCE:
                self._connect()
            if not self._welcome:
                self._say_hello(now)
                self._tell_if_late(now - started)
            else:
                self._send_batches()
                self._ping_if_quiet(now)
            if self._closing.is_set() and self._may_leave(now):
                return
            self._sleep(now)
            self._receive()

    def _connect(self) -> None:
        zmq = self._zmq
        if self._socket is not None:
            self._socket.close(linger=0)
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        # Without it ZeroMQ would queue for a bridge that is not there, and lose what it queued.
        dealer.setsockopt(zmq.IMMEDIATE, 1)
        dealer.setsockopt(zmq.RECONNECT_IVL, 20)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        dealer.setsockopt(zmq.SNDHWM, 1000)
        if self._keys is not None:
            dealer.curve_publickey, dealer.curve_secretkey, dealer.curve_serverkey = self._keys
        dealer.connect(self._process.endpoint if self._process else self._endpoint)
        self._socket = dealer
        self._poller = zmq.Poller()
        self._poller.register(dealer, zmq.POLLIN)
        self._poller.register(self._wake_read, zmq.POLLIN)
        self._welcome = self._blocked = False
        self._heard = self._spoke = time.monotonic()
        self._hello_at = 0.0
        self._hello_wait = _HELLO_RETRY

    def _send(self, *frames: bytes) -> bool:
        try:
            self._socket.send_multipart(frames, self._zmq.NOBLOCK, copy=True)
        except self._zmq.Again:
            return False
        self._spoke = time.monotonic()
        return True

    def _say_hello(self, now: float) -> None:
        if now < self._hello_at:
            return
        hello = (_HELLO, "flarebridge", WIRE_VERSION, self._session, f"flarebridge-py {__version__}")
        if self._send(self._pack(hello)):
            self._hello_wait = _HELLO_RETRY_MOST  # it is on its way; an answer takes a moment
        self._hello_at = now + self._hello_wait
        self._hello_wait = min(self._hello_wait * 1.5, _HELLO_RETRY_MOST)

    def _tell_if_late(self, waited: float) -> None:
        if waited > _LATE_BRIDGE and not self._connections and not self._told_late:
            self._told_late = True
            where = self._process.endpoint if self._process else self._endpoint
            why = self._process.last_words() if self._process else ""
            text = f"no bridge answers at {where} yet" + (f" ({why})" if why else "")
            self._report("warning", f"{text}; events are kept and it is tried again")

    def _next_batch(self) -> Optional[_Batch]:
        if self._unsent:
            return self._unsent.popleft()
        if self._used == len(self._taken):
            with self._lock:
                self._taken, self._queue = self._queue, []
            self._used = 0
        # Nothing is done for each event: whoever logs waits for this thread's turn with the interpreter.
        events = self._taken[self._used : self._used + _BATCH_EVENTS]
        body = b"".join(events)
        while len(body) > _BATCH_BYTES and len(events) > 1:
            events = events[: len(events) // 2]
            body = b"".join(events)
        if not events:
            return None
        until = self._used + len(events)
        self._taken[self._used : until] = [None] * len(events)  # the batch alone holds them from here on
        self._used = until
        batch = _Batch(self._next_seq, len(events), body)
        self._next_seq += len(events)
        return batch

    def _send_batches(self) -> None:
        self._blocked = False
        while self._in_flight < self._credit:
            batch = self._next_batch()
            if batch is None:
                return
            if not self._send(self._pack((_BATCH, batch.first, batch.count)), batch.body):
                self._unsent.appendleft(batch)
                self._blocked = True
                return
            self._sent.append(batch)
            self._in_flight += len(batch.body)

    def _ping_if_quiet(self, now: float) -> None:
        if now - self._spoke >= self._heartbeat and not self._send(self._pack((_PING,))):
            self._blocked = True

    def _may_leave(self, now: float) -> bool:
        if not self.unacknowledged and self._welcome:
            self._send(self._pack((_BYE,)))
            return True
        return now >= self._close_deadline

    def _sleep(self, now: float) -> None:
        """Waits for the bridge, for events, or for what is due next."""
        if not self._welcome:
            wait = max(0.0, min(self._hello_at - now, _HELLO_RETRY_MOST))
        elif self._blocked:
            wait = _BLOCKED_LOOK
        else:
            wait = max(0.0, self._spoke + self._heartbeat - now)
        if self._closing.is_set():
            wait = min(wait, max(0.0, self._close_deadline - now))
        self._sleeping = True
        # What was put before the flag was up is seen here; what comes after it wakes us.
        waiting = self._queue or self._used < len(self._taken)
        if self._welcome and waiting and self._in_flight < self._credit and not self._blocked:
            wait = 0.0
        # A bridge that has died takes nothing, and no word comes from it either.
        self._poller.modify(self._socket, self._zmq.POLLIN | (self._zmq.POLLOUT if self._blocked else 0))
        ready = dict(self._poller.poll(wait * 1000 + (1 if wait else 0)))
        self._sleeping = False
        if self._wake_read.fileno() in ready:
            with contextlib.suppress(OSError):
                self._wake_read.recv(4096)

    def _receive(self) -> None:
        while True:
            try:
                frames = self._socket.recv_multipart(self._zmq.NOBLOCK)
            except self._zmq.Again:
                return
            self._heard = time.monotonic()
            try:
                message = self._unpack(frames[0])
                handle = self._HANDLERS[message[0]]
            except Exception:
                self._report("warning", "the bridge said something that is not understood")
                continue
            handle(self, *message[1:])

    def _on_welcome(self, _version: int, _bridge: str, acked: int, credit: int, heartbeat_ms: int, *_more) -> None:
        self._welcome = True
        self._connections += 1
        self._credit = credit
        self._heartbeat = heartbeat_ms / 1000
        if acked < self._acked:
            self._begin_anew(acked)
        else:
            self._take_ack(acked)
        self._resent += sum(batch.count for batch in self._sent)
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self._in_flight = 0

    def _begin_anew(self, acked: int) -> None:
        # The bridge's journal is another one than before. What it confirmed is in the runs or in that
        # journal; the rest can't be joined to a session that the bridge does not know.
        raise BridgeUnavailable(
            f"the bridge knows {acked} events of this session and had confirmed {self._acked}: its journal was "
            "removed or replaced while the job was running"
        )

    def _on_ack(self, acked: int, credit: int, rejected: int, *_more) -> None:
        self._credit = credit
        if rejected > self._rejected:
            self._rejected = rejected
        self._take_ack(acked)

    def _take_ack(self, acked: int) -> None:
        if acked <= self._acked:
            return
        freed = 0
        for batches, in_flight in ((self._sent, True), (self._unsent, False)):
            while batches and batches[0].last <= acked:
                batch = batches.popleft()
                freed += len(batch.body) + batch.count * EVENT_OVERHEAD
                self._in_flight -= len(batch.body) if in_flight else 0
        with self._lock:
            self._buffered -= freed
        with self._progress:
            self._acked = acked
            self._progress.notify_all()

    def _on_notice(self, level: int, text: str, *_more) -> None:
        self._report(_LEVELS.get(level, "info"), text)

    def _on_refusal(self, code: int, text: str, *_more) -> None:
        if code not in _ASK_AGAIN:
            raise BridgeUnavailable(f"the bridge refuses this job: {text}")
        if self._welcome:
            self._welcome = False
            self._hello_at = 0.0

    _HANDLERS = {_WELCOME: _on_welcome, _ACK: _on_ack, _NOTICE: _on_notice, _REFUSAL: _on_refusal}


def _close_all_at_exit() -> None:
    # A process that ends without END_RUN still hands over what it has, within a bounded time.
    for link in list(_links):
        link.close(1.0)


def _forget_all_in_child() -> None:
    for link in list(_links):
        link.forget_in_child()
    _links.clear()


atexit.register(_close_all_at_exit)
os.register_at_fork(after_in_child=_forget_all_in_child)
