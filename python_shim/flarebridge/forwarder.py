"""BridgeForwarder: the client's component that brings every metric to the server, in order, none lost.

It takes the place of NVFlare's ConvertToFedEvent, whose channel drops and reorders events that are
logged close together. It uses NVFlare's own connection and needs no port. What may leave the site is
said here, in one place.
"""

import os
import time
from typing import Any, Optional, Union

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FedEventHeader, FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable
from nvflare.apis.signal import Signal
from nvflare.widgets.widget import Widget

from .arguments import check_flags, check_numbers
from .carried import is_carried
from .cutting import Parts
from .definition import Definable, check_at_definition
from .events import Encoder, clean_name
from .forks import forget_in_child
from .gate import HELD, KEPT, open_gate
from .inbox import FORWARDED, TOPIC
from .job import is_simulated
from .local_site import OUTSIDE, Member, join
from .outbox import DISABLED, Outbox
from .rules import fields_of_a_job
from .sampling import INTERVAL, OFF, check_interval
from .socket_place import NoPlace
from .taker import Taker
from .trainer_link import TrainerLink
from .trainer_names import ENDPOINT, ENDPOINT_OF
from .version import __version__
from .words import count_of

_EVENT = "analytix_log_stats"
_RECORDS = (_EVENT, "fed." + _EVENT)
_TASKS_END = 2.0  # seconds, see _settle_before_the_process_may_end
_OTHERS_END = 0.5  # seconds; ABOUT_TO_END_RUN has waited for all that was logged before
_REQUEST_TIMEOUT = 5.0  # seconds
_DEFAULT_BUFFER = 32 << 20
# Looked up here once: a record is to cost a few microseconds.
_EVENT_DATA = FLContextKey.EVENT_DATA
_HEADERS, _DIRECTION = ReservedHeaderKey.HEADERS, FedEventHeader.DIRECTION


class BridgeForwarder(Definable, Widget):
    """Forwards a client's analytics events to the server's BridgeReceiver."""

    def __init__(
        self,
        include: Optional[Union[str, list[str]]] = None,
        exclude: Optional[Union[str, list[str]]] = None,
        process_timeout: float = 10.0,
        buffer_bytes: int = _DEFAULT_BUFFER,
        pass_events: bool = False,
        trainer_link: bool = True,
        policy: Optional[dict] = None,
        system_interval: float = INTERVAL,
    ):
        """Nothing is started or opened here. Raises ValueError in a definition.

        What may leave a site is said by the site's own policy (gate.py); `include`, `exclude` and `policy` narrow it.

        Args:
            include: globs; only values whose name fits one may leave the site. None: all.
            exclude: globs; values that go by a name which fits one stay on the site, whatever `include` says.
            process_timeout: seconds that END_RUN may take in all.
            buffer_bytes: events held in memory at most until the server's bridge has them on disk.
            pass_events: also sends the events in NVFlare's lossy way, for receivers on the server that are not
                flarebridge's; a component that makes federated events of them (ConvertToFedEvent) is needed for it.
            trainer_link: lets BridgeWriter in a training process of its own (launch_external_process) reach this
                component directly, past NVFlare's 10 events a second.
            policy: further fields of a policy as a site's file has them: kinds, digits, max_bytes.
            system_interval: seconds between two samples of this machine and process (CPU, memory, disk, network, GPUs)
                for the site's run; 0: none.
        """
        super().__init__()
        self.include = include
        self.exclude = exclude
        self.process_timeout = process_timeout
        self.buffer_bytes = buffer_bytes
        self.pass_events = pass_events
        self.trainer_link = trainer_link
        self.policy = policy
        self.system_interval = system_interval
        self._begin()
        check_at_definition(self._checked_policy)

    def _begin(self) -> None:
        self._outbox = None
        self._site = ""
        self._gate = None
        self._taker = None
        self._sampling = OFF
        self._local = OUTSIDE  # where BridgeWriter in this process finds it
        self._trainers = None
        self._failed = self._running = False
        forget_in_child(self)

    def forget_in_child(self) -> None:
        """A forked child forwards nothing; its records are the parent's to bring."""
        self._trainers = None

    def handle_event(self, event_type: str, fl_ctx: FLContext):
        try:
            # ConvertToFedEvent may be told another prefix than "fed.".
            if event_type in _RECORDS or event_type.endswith(_EVENT):
                self._on_record(fl_ctx)
            elif event_type == EventType.ABOUT_TO_START_RUN:
                self._open_for_trainers()
                self._open(fl_ctx)
            elif event_type == EventType.START_RUN:
                self._start(fl_ctx)
            elif event_type in (EventType.AFTER_TASK_EXECUTION, EventType.SWAP_OUT):
                self._settle_before_the_process_may_end()
            elif event_type == EventType.CHECK_END_RUN_READINESS:
                self._hold_the_run_open(fl_ctx)
            elif event_type == EventType.ABOUT_TO_END_RUN:
                self._local.settle(0.5 * float(self.process_timeout))
            elif event_type == EventType.END_RUN:
                self._finish()
        except Exception as e:  # never into the training
            self._say("error", f"{type(e).__name__} at {event_type}: {e}")

    # --- parts of the above ---

    def _open(self, fl_ctx: FLContext) -> None:
        """Takes records from here on: a training script in this process begins while START_RUN goes round."""
        if self._outbox is not None or self._failed:
            return  # START_RUN again without END_RUN in between: the same run goes on
        self._gate = None  # without one nothing passes
        self._site = clean_name(fl_ctx.get_identity_name())
        try:
            self._gate = open_gate(fl_ctx, self._checked_policy(), "to the server", self._say)
        except ValueError as e:
            # The plain channel would bring what a policy that can't be read was to keep here.
            self._failed = True
            self._say("error", f"{e}. Nothing leaves this site through flarebridge; training goes on.")
            self._close_trainers(0.0)
            return
        self._simulated = is_simulated(fl_ctx)
        engine = fl_ctx.get_engine()
        outbox = Outbox(lambda request: _exchange(engine, request), int(self.buffer_bytes), self._say)
        self._taker = Taker(outbox, self._gate, Encoder(), Parts(self._say), self._site)
        self._outbox = outbox
        member = Member(self._taker, FORWARDED, forwards=True, passes_events=bool(self.pass_events))
        self._local = join(fl_ctx, member, self._say)

    def _start(self, fl_ctx: FLContext) -> None:
        self._open(fl_ctx)
        if self._outbox is None or self._running:
            return
        self._running = True
        if is_carried():
            self._say("info", f"it is not installed here; the job has brought version {__version__}")
        self._outbox.start()
        self._sampling = self._taker.sample_each(self.system_interval)
        if self._trainers is not None:
            self._outbox_of_trainers = self._outbox  # also while the run ends
            self._trainers.start(self._outbox, self._site, self._admit_trainers_event)

    def _checked_policy(self) -> dict:
        """The fields of the job's policy, all other arguments checked. Raises ValueError."""
        fields = fields_of_a_job(self.include, self.exclude, self.policy)
        check_numbers(self, "process_timeout", "buffer_bytes")
        check_flags(self, "pass_events", "trainer_link")
        check_interval(self)
        return fields

    def _on_record(self, fl_ctx: FLContext) -> None:
        shareable = fl_ctx.get_prop(_EVENT_DATA)
        if not isinstance(shareable, Shareable):
            return
        headers = shareable.setdefault(_HEADERS, {})
        if headers.get(_DIRECTION, "out") != "out" and not headers.get(HELD):
            return  # from elsewhere, or held back here a moment ago
        outbox = self._outbox
        taking = outbox is not None and outbox.off is None
        if taking and not headers.get(FORWARDED):
            # ConvertToFedEvent fires the same object again: each record is taken once, whichever comes first.
            headers[FORWARDED] = True
            self._taker.take_event(shareable)
        if (taking and not self.pass_events) or not self._may_pass(shareable):
            # NVFlare's FedEventRunner, which comes after all components, leaves incoming events alone. Local ones it
            # never sends; whether this is one is not asked, since the answer takes a lock.
            headers[_DIRECTION] = "in"
            if not taking and self._gate is not None and not headers.get(HELD):
                headers[HELD] = True
                self._gate.count_held(shareable)

    def _may_pass(self, shareable: Shareable) -> bool:
        """True if NVFlare may send the record in its own way: it is wanted there, and all of it may leave."""
        wanted = self.pass_events or (self._outbox is not None and self._outbox.off is not None)
        return wanted and self._gate is not None and self._gate.may_pass_whole(shareable)

    def _admit_trainers_event(self, event: list) -> Optional[list]:
        """What may leave of an event of BridgeWriter in another process; None: nothing. Asked once for each event."""
        self._local.share(event)
        return self._gate.judge_event(event, self._outbox_of_trainers.count_drop)

    def _open_for_trainers(self) -> None:
        """Before the training process is started, so that it inherits where to find this component."""
        if not self.trainer_link or self._trainers is not None:
            return
        try:
            self._trainers = TrainerLink(self._say)
        except NoPlace as e:
            self._say("warning", f"{e}. BridgeWriter in another process uses NVFlare's own channel.")
            return
        os.environ[ENDPOINT] = self._trainers.endpoint  # NVFlare's launchers pass their environment on
        os.environ[ENDPOINT_OF] = str(os.getpid())

    def _settle_before_the_process_may_end(self) -> None:
        # The simulator with fewer threads than clients ends a client's process after each task, and asks
        # nobody (simulator_runner.py); elsewhere a task's end does not wait.
        if self._outbox is not None and self._simulated:
            self._local.settle(_TASKS_END)
            self._gate.write()
            self._outbox.wait_acknowledged(_TASKS_END)

    def _hold_the_run_open(self, fl_ctx: FLContext) -> None:
        if self._outbox is not None and self._outbox.unacknowledged:
            fl_ctx.set_prop(FLContextKey.NOT_READY_TO_END_RUN, True, private=True, sticky=False)

    def _finish(self) -> None:
        outbox, self._outbox = self._outbox, None
        self._failed = self._running = False
        if outbox is None:
            return
        self._sampling.end()
        deadline = time.monotonic() + float(self.process_timeout)
        self._close_trainers(max(0.1, 0.5 * float(self.process_timeout)))
        self._local.leave(_OTHERS_END)
        outbox.wait_acknowledged(deadline - time.monotonic())
        outbox.close(max(0.1, deadline - time.monotonic()))
        self._gate.close()
        self._report(outbox.stats())

    def _close_trainers(self, seconds: float) -> None:
        trainers, self._trainers = self._trainers, None
        if trainers is not None:
            trainers.close(seconds)
            if os.environ.get(ENDPOINT) == trainers.endpoint:
                del os.environ[ENDPOINT], os.environ[ENDPOINT_OF]

    def _report(self, stats: dict) -> None:
        if stats["off"] == DISABLED:
            self._say("info", DISABLED)
            return
        records = max(0, stats["acknowledged"] - self._sampling.taken)
        text = f"{count_of(records, 'logged record')} safe on the server's disk"
        reasons = [f"{count} {reason}" for reason, count in sorted(stats["dropped"].items())]
        waiting = stats["accepted"] - stats["acknowledged"]
        if waiting and not stats["off"]:
            reasons.append(f"{waiting} not confirmed within process_timeout={self.process_timeout:g} s")
        lost = any(KEPT not in reason for reason in reasons)
        told = self._gate.told()
        names = ["kept at this site: " + ", ".join(told)] if told else []
        self._say("warning" if lost else "info", "; ".join([text, *reasons, *names]))

    def _say(self, level: str, text: str) -> None:
        getattr(self.logger, level)(f"flarebridge: {self._site + ': ' if self._site else ''}{text}")


def _exchange(engine: Any, request: dict) -> Optional[dict]:
    """One request to the server's inbox over NVFlare's channel. None: no answer."""
    shareable = Shareable()
    shareable.update(request)
    try:
        with engine.new_context() as fl_ctx:
            # NVFlare gives up requests once the run's signal is triggered, as it is at every end of a run.
            fl_ctx.put(ReservedKey.RUN_ABORT_SIGNAL, Signal(), private=True, sticky=False)
            replies = engine.send_aux_request(
                targets=None, topic=TOPIC, request=shareable, timeout=_REQUEST_TIMEOUT, fl_ctx=fl_ctx, optional=True
            )
    except Exception:  # whatever NVFlare's messaging is in the middle of, it is tried again
        return None
    reply = next(iter((replies or {}).values()), None)
    if not isinstance(reply, Shareable):
        return None
    code = reply.get_return_code()
    if code == ReturnCode.TOPIC_UNKNOWN:
        return {"state": "unknown"}
    if code == ReturnCode.BAD_REQUEST_DATA:
        return {"state": "refused"}
    return dict(reply) if code == ReturnCode.OK and "state" in reply else None
