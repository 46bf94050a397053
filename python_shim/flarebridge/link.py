"""The connection to the bridge: a bounded buffer in front of one background thread.

`put` is EventBuffer's (buffer.py). The thread alone owns the socket (bridge_socket.py), sends events in batches,
keeps them until the bridge has them on disk (send_window.py), and sends them again when a bridge comes back. The
protocol is in events/README.md of the project.
"""

import atexit
import secrets
import threading
import time
import weakref
from typing import Callable, Optional, Union

from .bridge_process import BridgeProcess, BridgeUnavailable
from .bridge_socket import BridgeSocket, WakeUp
from .buffer import Batch, EventBuffer, Report
from .curve import Keys
from .events import WIRE_VERSION
from .forks import load
from .link_messages import ASK_AGAIN, FromBridge, FromShim, Refusal
from .notices import Notices
from .reach import Reach, Step
from .send_window import SendWindow
from .shared_bridge import SharedBridge
from .spool import Spool
from .version import __version__

_BATCH_EVENTS = 2048  # each sending gives the interpreter away, and a busy one is back only after 5 ms
_BATCH_BYTES = 512 << 10
_GATHER = 0.005  # seconds behind a batch in which no log call has to wake the thread: an answer does it, or the time
_HEARTBEAT = 1.0  # seconds, until the bridge says otherwise
_BLOCKED_LOOK = 0.1  # seconds between looks for a bridge of one's own that may have died, while nothing can be sent
_HELLO_RETRY = 0.02  # seconds; a bridge of one's own is up within some tens of milliseconds
_HELLO_RETRY_MOST = 0.5
_WRITTEN_LOOK = 0.01  # seconds between questions for what is written by now
_WRITTEN_STALL = 5.0  # seconds without progress after which writing is not waited for any more
_FULL_RETRY = 2.0  # seconds until a bridge without room is asked again

_NO_BRIDGE = "bridge not available"  # why an event was dropped

_links: "weakref.WeakSet[Link]" = weakref.WeakSet()


class Link(EventBuffer):
    """See the module. Making one starts nothing; start() does."""

    def __init__(
        self,
        endpoint: Optional[str],
        process: Optional[Union[BridgeProcess, SharedBridge]],
        buffer_bytes: int,
        report: Report,
        keys: Optional[Keys] = None,
        asked_to_stop: Optional[Callable[[str], None]] = None,
    ):
        """Either the endpoint of a shared bridge, with keys if it asks for them, or the process of one's own, or of
        several processes that share it.

        `buffer_bytes`: memory that events take at most, sent or not; beyond it events are counted and dropped.
        `report` and `asked_to_stop` (see notices.py) are called from the thread.
        """
        super().__init__(buffer_bytes)
        self._endpoint = endpoint
        self._process = process
        self._keys = keys
        self._report = report
        self._session = secrets.token_hex(16)
        self.spool = Spool(process.spool if process else None, self._session)  # a shared bridge says where it is

        # The thread's own.
        self._window = SendWindow()
        self._rejected = 0
        self._unwritten: Optional[int] = None  # events that the bridge has and their runs do not; None: it does not say
        self._notices = Notices(report, asked_to_stop)
        self._connections, self._welcome = 0, False
        self._full_told = False
        self._blocked = False  # the socket takes no more
        self._heartbeat = _HEARTBEAT

        self._asking = False  # somebody waits for what is written
        self._closing = threading.Event()
        self._close_deadline = 0.0
        self._wake_up = WakeUp()
        self._thread = threading.Thread(target=self._run, name="flarebridge-link", daemon=True)

    # --- for any thread ---

    def start(self) -> None:
        _links.add(self)
        self._thread.start()

    @property
    def unacknowledged(self) -> int:
        """Events that put() took and the bridge has not confirmed."""
        return max(0, self.accepted - self._acked)

    @property
    def session(self) -> str:
        return self._session

    @property
    def connected(self) -> bool:
        return self._welcome and self._off is None

    @property
    def unwritten(self) -> Optional[int]:
        """Events of this session that are safe, but not in their runs yet; None: the bridge does not say."""
        return self._unwritten

    def wait_acknowledged(self, seconds: float) -> bool:
        """Waits until every event is confirmed. False: the time is over, or there is no bridge to wait for."""
        with self._progress:
            self._progress.wait_for(
                lambda: not (self.unacknowledged and self._off is None and self._thread.is_alive()), max(0.0, seconds)
            )
        return self.unacknowledged == 0

    def wait_written(self, seconds: float) -> bool:
        """Behind wait_acknowledged: waits until everything is in the runs, as far as the bridge tells.

        False: the time is over, nothing more is written, or there is no bridge to wait for.
        """
        now = time.monotonic()
        deadline = now + seconds
        least, stalled_at = self._unwritten, now + _WRITTEN_STALL
        self._asking = True
        self._wake()
        with self._progress:
            while self._unwritten and self._off is None and self._thread.is_alive():
                now = time.monotonic()
                if self._unwritten < least:
                    least, stalled_at = self._unwritten, now + _WRITTEN_STALL
                left = min(deadline, stalled_at) - now
                if left <= 0:
                    break
                self._progress.wait(left)
        self._asking = False
        return not self._unwritten and self._off is None

    def close(self, seconds: float) -> None:
        """Sends what is left, says goodbye and ends the thread, within the seconds in all."""
        self._close_deadline = time.monotonic() + seconds
        self._closing.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(seconds + 0.5)
        if not self._thread.is_alive():
            self._wake_up.close()  # it may never have run
        _links.discard(self)

    def stats(self) -> dict:
        """Counts: accepted, acknowledged, rejected, resent events, connections, bridge starts, drops by reason."""
        with self._lock:
            return {
                "accepted": self.accepted,
                "acknowledged": min(self._acked, self.accepted),
                "unwritten": self._unwritten,
                "errors": self._notices.errors,
                "finish": self._notices.finish,
                "rejected": self._rejected,
                "resent": self._window.resent,
                "connections": self._connections,
                "bridge_starts": self._process.starts if self._process else 0,
                "dropped": dict(self._dropped),
                "off": self._off,
            }

    def forget_in_child(self) -> None:
        super().forget_in_child()
        self._window.clear()
        self._unwritten = None
        self._closing = threading.Event()
        self._closing.set()
        self._wake_up.close()
        _links.discard(self)

    # --- parts of the above ---

    def _refusal(self) -> str:
        return "buffer full" if self._limit >= 0 else "after the run's end" if self._off is None else _NO_BRIDGE

    def _wake(self) -> None:
        self._sleeping = False
        self._wake_up.wake()

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._socket = BridgeSocket(self._wake_up, self._keys)
        except ImportError as e:
            self._turn_off(f"pyzmq is needed where a job runs: {e}; pip install pyzmq")
            self._wake_up.close()
            return
        msgpack = load("msgpack")
        self._pack = msgpack.Packer(autoreset=True).pack
        self._unpack = msgpack.unpackb
        try:
            self._loop()
        except BridgeUnavailable as e:
            self._turn_off(str(e))
        except Exception as e:  # a defect of ours must not end silently, nor end the training
            self._turn_off(f"internal error in the link: {type(e).__name__}: {e}")
        finally:
            self._socket.close()
            if self._process is not None:
                self._process.tidy()
            self._wake_up.close()
            self._tell_progress()

    def _turn_off(self, why: str) -> None:
        self._stop_taking(why, _NO_BRIDGE)
        self._window.clear()
        self._report("error", f"{why}. Training goes on without tracking.")

    def _loop(self) -> None:
        self._reach = Reach(time.monotonic())
        self._connect()
        while True:
            now = time.monotonic()
            if self._process is not None and self._process.ensure(now):
                if self._connections:
                    self._report("warning", "the bridge had ended and was started again; nothing is lost")
                self._reach.begin(now)
                if self._process.endpoint != self._connected_to:
                    self._connect()
            self._mend_connection(now)
            if not self._welcome:
                self._say_hello(now)
            else:
                self._send_batches()
                self._ping_if_quiet(now)
            if self._closing.is_set() and self._may_leave(now):
                return
            self._sleep(now)
            self._receive()

    def _mend_connection(self, now: float) -> None:
        running = self._process is not None and self._process.running
        step = self._reach.step(now, running, not (running and self._reach.asking) or self._process.socket_there)
        if step is Step.CONNECT:
            self._connect()
        elif step is Step.TELL:
            self._report("warning", f"{self._out_of_reach(running)}; events are kept and it is tried again")
        elif step is Step.REPLACE:
            self._report("warning", f"{self._out_of_reach(running)}; another one takes its place, and gets all events")
            self._process.replace(now)

    def _out_of_reach(self, running: bool) -> str:
        where = self._process.endpoint if self._process else self._endpoint
        if not running:
            why = self._process.last_words() if self._process else ""
            return f"no bridge answers at {where}{'' if self._connections else ' yet'}" + (f" ({why})" if why else "")
        if not self._process.socket_there:
            return f"the bridge can't be reached any more: {where} was removed"
        return f"the bridge does not answer (process {self._process.pid}, {where})"

    def _connect(self) -> None:
        self._connected_to = self._process.endpoint if self._process else self._endpoint
        self._socket.connect(self._connected_to)
        self._welcome = self._blocked = False
        self._spoke = time.monotonic()
        self._hello_at = 0.0
        self._hello_wait = _HELLO_RETRY

    def _send(self, *frames: bytes) -> bool:
        sent = self._socket.send(*frames)
        if sent:
            self._spoke = time.monotonic()
        return sent

    def _say_hello(self, now: float) -> None:
        if now < self._hello_at:
            return
        hello = (FromShim.HELLO, "flarebridge", WIRE_VERSION, self._session, f"flarebridge-py {__version__}")
        if self._send(self._pack(hello)):
            self._hello_wait = _HELLO_RETRY_MOST  # it is on its way; an answer takes a moment
        self._hello_at = now + self._hello_wait
        self._hello_wait = min(self._hello_wait * 1.5, _HELLO_RETRY_MOST)

    def _send_batches(self) -> None:
        sent: Optional[bool] = True
        while sent and self._window.open:
            sent = self._window.send_next(lambda: self._next_batch(_BATCH_EVENTS, _BATCH_BYTES), self._send_batch)
        self._blocked = sent is False

    def _send_batch(self, batch: Batch) -> bool:
        return self._send(self._pack((FromShim.BATCH, batch.first, batch.count)), batch.body)

    def _patience(self) -> float:
        """Seconds that may pass without a word of ours."""
        return min(self._heartbeat, _WRITTEN_LOOK) if self._asking else self._heartbeat

    def _ping_if_quiet(self, now: float) -> None:
        if now - self._spoke >= self._patience() and not self._send(self._pack((FromShim.PING,))):
            self._blocked = True

    def _may_leave(self, now: float) -> bool:
        if not self.unacknowledged and self._welcome:
            self._send(self._pack((FromShim.BYE,)))
            return True
        return now >= self._close_deadline

    def _sleep(self, now: float) -> None:
        """Waits for the bridge, for events, or for what is due next."""
        gathers = self._welcome and not self._blocked and now - self._spoke < _GATHER
        if not self._welcome:
            wait = max(0.0, min(self._hello_at - now, _HELLO_RETRY_MOST))
        elif self._blocked:
            wait = _BLOCKED_LOOK
        else:
            wait = max(0.0, self._spoke + (_GATHER if gathers else self._patience()) - now)
        if self._closing.is_set():
            wait = min(wait, max(0.0, self._close_deadline - now))
        self._sleeping = not gathers
        # What was put before the flag was up is seen here; what comes after it wakes us.
        if self._sleeping and self._welcome and self._has_unbatched() and self._window.open and not self._blocked:
            wait = 0.0
        # A bridge that has died takes nothing, and no word comes from it either.
        self._socket.wait(wait, until_writable=self._blocked)
        self._sleeping = False

    def _receive(self) -> None:
        while (received := self._socket.receive()) is not None:
            if self._reach.heard(time.monotonic()):
                self._report("info", "the bridge answers again")
            try:
                message = self._unpack(received)
                handle = self._HANDLERS[message[0]]
            except Exception:
                self._report("warning", "the bridge said something that is not understood")
                continue
            handle(self, *message[1:])

    def _on_welcome(self, _version, _bridge, acked: int, credit: int, heartbeat_ms: int, spool: str = "", *_more):
        self._welcome = True
        self.spool.folder = spool or self.spool.folder
        self._full_told = False
        self._connections += 1
        self._window.credit = credit
        self._heartbeat = heartbeat_ms / 1000
        if acked < self._acked:
            self._begin_anew(acked)
        else:
            self._take_ack(acked)
        self._window.begin_again()

    def _begin_anew(self, acked: int) -> None:
        # The bridge's journal is another one than before. What it confirmed is in the runs or in that
        # journal; the rest can't be joined to a session that the bridge does not know.
        raise BridgeUnavailable(
            f"the bridge knows {acked} events of this session and had confirmed {self._acked}: its journal was "
            "removed or replaced while the job was running"
        )

    def _on_ack(self, acked: int, credit: int, rejected: int, unwritten: Optional[int] = None, *_more) -> None:
        self._window.credit = credit
        self._rejected = max(rejected, self._rejected)
        if unwritten != self._unwritten:
            self._unwritten = unwritten
            self._tell_progress()
        self._take_ack(acked)

    def _take_ack(self, acked: int) -> None:
        if acked <= self._acked:
            return
        self._give_back(self._window.confirm(acked))
        self._acked = acked
        self._tell_progress()

    def _on_notice(self, *notice) -> None:
        self._notices.take(*notice)

    def _on_refusal(self, code: int, text: str, *_more) -> None:
        if code == Refusal.FULL:  # for now: everything is kept, and it is asked again
            if not self._full_told:
                self._report("warning", f"the bridge has no room: {text}; events are kept and it is asked again")
            self._full_told = True
            self._welcome = False
            self._hello_at = time.monotonic() + _FULL_RETRY
            return
        if code not in ASK_AGAIN:
            raise BridgeUnavailable(f"the bridge refuses this job: {text}")
        if self._welcome:
            self._welcome = False
            self._hello_at = 0.0

    _HANDLERS = {
        FromBridge.WELCOME: _on_welcome,
        FromBridge.ACK: _on_ack,
        FromBridge.NOTICE: _on_notice,
        FromBridge.REFUSAL: _on_refusal,
    }


def _close_all_at_exit() -> None:
    # A process that ends without END_RUN still hands over what it has, within a bounded time.
    for link in list(_links):
        link.close(1.0)


atexit.register(_close_all_at_exit)
