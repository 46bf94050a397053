"""BridgeReceiver: the NVFlare component that hands every analytics event to the bridge.

A drop-in for NVFlare's WandBReceiver, on the server, on the clients, or on both. It decides nothing
about events: it encodes them and puts them into the link's buffer. Whatever goes wrong here is one
log line; the job goes on.
"""

import contextlib
import time
from typing import Any, Optional

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import EventScope, FedEventHeader, FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable
from nvflare.app_common.widgets.streaming import AnalyticsReceiver

from .arguments import checked_arguments, merged_wandb_args, with_absolute_dirs, without_effect
from .bridge_process import BridgeProcess
from .channel import Channel
from .curve import find_keys
from .cutting import Parts
from .definition import Definable, check_at_definition, warn_the_author
from .events import Encoder, EventRejected, clean_name, record_of
from .gate import hold_back, open_gate_of_runs
from .inbox import FORWARDED, TOPIC, ClosedInbox, Inbox, attach
from .job import (
    is_server,
    is_simulated,
    job_identity,
    result_folder,
    seconds_for_writing,
    server_aborted,
    sites_of,
    state_folder,
)
from .last_line import last_line
from .link import Link
from .local_site import OUTSIDE, Member, join
from .opening import open_session
from .rules import Rule
from .run_links import RunLinks
from .sampling import INTERVAL, OFF
from .senders import sender_of, verify_senders
from .stopping import Stopping, stop_in_vain
from .taker import Taker

_DEFAULT_BUFFER = 64 << 20
# Looked up here once: a record is to cost a few microseconds.
_EVENT_DATA, _TIMESTAMP, _IDENTITY = FLContextKey.EVENT_DATA, FedEventHeader.TIMESTAMP, ReservedKey.IDENTITY_NAME
_HEADERS, _PEER_PROPS = ReservedHeaderKey.HEADERS, ReservedHeaderKey.PEER_PROPS
_ABORTED_END = 0.5  # seconds
_TASKS_END = 2.0  # seconds, see _settle_before_the_process_may_end


class BridgeReceiver(Definable, AnalyticsReceiver):
    """Writes the metrics of every site into a W&B run of its own, through the bridge."""

    # Written into an exported job even where they equal the defaults (NVFlare 2.8+).
    _always_serialize_args = ("mode",)

    def __init__(
        self,
        wandb_args: Optional[dict] = None,
        mode: str = "offline",
        events: Optional[list[str]] = None,
        process_timeout: float = 10.0,
        receivers: Optional[dict] = None,
        endpoint: Optional[str] = None,
        buffer_bytes: int = _DEFAULT_BUFFER,
        kwargs: Optional[dict] = None,
        curve_key: Optional[str] = None,
        curve_server_key: Optional[str] = None,
        config: Optional[dict] = None,
        policy: Optional[dict] = None,
        on_stop: str = "warn",
        system_interval: float = INTERVAL,
    ):
        """The first four are WandBReceiver's; nothing is started or opened here. Raises ValueError in a definition.

        Args:
            wandb_args: what wandb.init takes: name, project, entity, group is made, job_type, notes, tags,
                config, dir. No API key: it belongs to the process that uploads.
            mode: "offline" (run folders that `flarebridge sync` or `wandb sync` uploads), "online" (uploaded
                while the job runs; the key comes from WANDB_API_KEY or ~/.netrc, the server from WANDB_BASE_URL)
                or "disabled".
            events: names of events to take; None: analytix_log_stats and fed.analytix_log_stats.
            process_timeout: seconds that END_RUN may take in all.
            receivers: outputs by name, each with its arguments and `include`, `exclude` (globs on tags),
                `sites`, `writers`; None: {"wandb": wandb_args}.
            endpoint: None: a bridge of this job's own; "ipc://..." or "tcp://127.0.0.1:port": a shared one.
            buffer_bytes: events held in memory at most until the bridge has them.
            kwargs: NVFlare 2.5's name of wandb_args in JSON configurations.
            curve_key: file of this machine's key (NAME.key_secret), for a shared bridge on tcp; None: the
                environment variable FLAREBRIDGE_CLIENT_KEY.
            curve_server_key: file of the bridge's public key (NAME.key); None: FLAREBRIDGE_SERVER_KEY.
            config: the runs' config, where WandBReceiver's first design had it; now a part of wandb_args.
            policy: on a client: what its runs may hold (include, exclude, kinds, digits, max_bytes); it narrows the
                site's own policy (gate.py). A server's receiver takes none: what leaves a site is decided there.
            on_stop: when somebody presses Stop at a run's page in W&B (mode "online"): "warn" tells it in the log,
                "abort" ends the job, by NVFlare's fatal error; on a client, that client's part of it.
            system_interval: on a client: seconds between two samples of its machine and process for its run; 0: none.
        """
        super().__init__(events=events)
        self.wandb_args, self.kwargs, self.config = wandb_args, kwargs, config
        self.mode, self.process_timeout = mode, process_timeout
        # A folder is meant from where the author of the job stands, not from where the bridge will.
        self.receivers = with_absolute_dirs(receivers)
        self.endpoint, self.buffer_bytes = endpoint, buffer_bytes
        self.curve_key, self.curve_server_key = curve_key, curve_server_key
        self.policy = policy
        self.on_stop, self.system_interval = on_stop, system_interval
        self._begin()
        check_at_definition(self._check_where_defined)
        # Of what is wrong START_RUN tells. NVFlare writes no argument called kwargs into a job.
        with contextlib.suppress(ValueError):
            self.wandb_args, self.kwargs, self.config = self._wandb_arguments(), None, None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls.save is not BridgeReceiver.save:
            raise TypeError(
                f"{cls.__name__} overrides BridgeReceiver's save(), which not every record passes: what BridgeForwarder"
                " brings has been encoded at the site. Write an AnalyticsReceiver and add it beside BridgeReceiver"
            )

    def _begin(self) -> None:
        events = getattr(self, "events", None)
        names = [name for name in events if name and isinstance(name, str)] if isinstance(events, (list, tuple)) else []
        self._wanted = frozenset(names)
        # An external training process's records are on their way to the server from the first: where the local name
        # alone is wanted (add_experiment_tracking's client_side), they are this process's own all the same.
        self._on_their_way = frozenset("fed." + name for name in names) - self._wanted
        self._gate = None  # on a client: what the runs may hold
        # On a client: ends of the names of events which NVFlare's own way carries only if the gate lets it, whatever
        # ConvertToFedEvent puts before them.
        self._holding: tuple = ()
        self._link = None
        self._sampling = OFF  # on a client: of its machine
        self._local = OUTSIDE  # on a client: where BridgeWriter in this process finds it
        self._stopping = Stopping(self, self._say)
        self._inbox = None  # on the server: what forwarders bring
        self._encoder = None
        self._parts = Parts(self._say)
        self._process = None  # of the bridge, if it is our own
        self._aborted = False
        self._opening = 0  # events that nobody has logged: the session's beginning, at its end samples, too
        self._whose = ""  # in front of what is told
        self._links = RunLinks()
        self._verified = False  # messages tell who sent them (senders.py)
        self._taken = f"flarebridge_taken_{id(self):x}"

    # --- NVFlare's events ---

    def handle_event(self, event_type: str, fl_ctx: FLContext):
        """A record's event: local, on its way out of a client, or come in at the server; or one of the run's."""
        if self._holding and event_type.endswith(self._holding):
            hold_back(self._gate, fl_ctx.get_prop(_EVENT_DATA))
        if event_type not in self._wanted and event_type not in self._on_their_way:
            self._on_run_event(event_type, fl_ctx)
            return
        link = self._link
        shareable = fl_ctx.get_prop(_EVENT_DATA)
        if link is None or not isinstance(shareable, Shareable):
            return
        headers = shareable.get(_HEADERS)
        # The name says it without a look into the context, which takes a lock.
        federated = event_type[:4] == "fed." or (fl_ctx.get_prop(FLContextKey.EVENT_SCOPE) == EventScope.FEDERATION)
        peer = headers.get(_PEER_PROPS) if federated and type(headers) is dict else None
        origin = peer.get(_IDENTITY) if type(peer) is dict else None
        if origin is None:
            # Recorded in this process. What is fired for the federation comes by twice as one object, and from
            # an external training process as a federated event only: it is taken once, whichever comes first.
            if shareable.get_header(self._taken):
                return
            shareable.set_header(self._taken, True)
            origin = fl_ctx.get_identity_name()
        elif event_type not in self._wanted:
            return
        else:
            origin = sender_of(headers, origin, self._verified)
            inbox = self._inbox  # another thread may be ending the run
            if headers.get(FORWARDED) and inbox is not None and inbox.knows(self._site(origin)):
                return  # its forwarder brings it
        self._take(link, shareable, headers, origin)

    def _on_run_event(self, event_type: str, fl_ctx: FLContext) -> None:
        if event_type == EventType.CHECK_END_RUN_READINESS:
            self._hold_the_run_open(fl_ctx)
        elif event_type in (EventType.ABORT_TASK, EventType.FATAL_SYSTEM_ERROR):
            self._aborted = True
        elif event_type == EventType.BEFORE_TASK_EXECUTION:
            self._aborted = False  # a single task was aborted, and the job went on
        elif event_type in (EventType.AFTER_TASK_EXECUTION, EventType.SWAP_OUT):
            self._settle_before_the_process_may_end()
        elif event_type == EventType.ABOUT_TO_END_RUN:
            self._aborted = self._aborted or server_aborted(fl_ctx)
        elif event_type == EventType.START_RUN:
            self._end = self._aborted = False  # a second run on the same object is a run
        if event_type == EventType.START_RUN or (event_type == EventType.END_RUN and self._link is not None):
            super().handle_event(event_type, fl_ctx)

    def initialize(self, fl_ctx: FLContext):
        """START_RUN: says what the session is and which sites it has; the thread does the rest."""
        try:
            self._start(fl_ctx)
        except Exception as e:
            self._link = None
            self._say("error", f"tracking is off: {e}. Training goes on without it.")
            self._close_inbox(fl_ctx, "off")

    def save(self, fl_ctx: FLContext, shareable: Shareable, record_origin: str):
        """One record into the buffer: microseconds, no waiting, no exception."""
        if self._link is not None:
            self._take(self._link, shareable, shareable.get(_HEADERS), record_origin)

    def finalize(self, fl_ctx: FLContext):
        """END_RUN: hands over what is left and returns; the bridge finishes the runs by itself."""
        link, self._link = self._link, None
        if link is None:
            return
        self._stopping.end()
        self._sampling.end()
        self._local.leave()
        deadline = time.monotonic() + float(self.process_timeout)
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            # What forwarders still have is waited for, not much longer than they talk. Sites may train on for
            # seconds after an abort, while NVFlare packs the results.
            longest = _ABORTED_END if self._aborted else 0.8 * float(self.process_timeout)
            inbox.wait_quiet(min(longest, deadline - time.monotonic()))
            inbox.end()
        reason = "the job was aborted" if self._aborted else ""
        link.put_last(self._encoder.session_ended(time.time(), 1 if self._aborted else 0, reason))
        if link.wait_acknowledged(deadline - time.monotonic()):
            link.wait_written(seconds_for_writing(deadline - time.monotonic()))
        link.close(max(0.1, deadline - time.monotonic()))
        if self._process is not None:
            # Of an aborted job NVFlare packs the results as soon as this process has ended; otherwise the bridge
            # has the seconds that the process takes to leave, which is also enough for most uploads.
            self._process.wait_gone(deadline - time.monotonic() if self._aborted else 0.0)
        if self._gate is not None:
            self._gate.close()
        self._opening += self._sampling.taken + (inbox.samples if inbox is not None else 0)
        self._report_end(link.stats(), inbox.dropped() if inbox is not None else {})

    # --- parts of the above ---

    def _take(self, link: Link, shareable: dict, headers: Any, origin: Any) -> None:
        try:
            stamp = headers.get(_TIMESTAMP) if type(headers) is dict else None
            site = self._names.get(origin) or self._site(origin)
            if self._gate is not None and not self._gate.is_free(shareable):
                self._take_slowly(link, shareable, stamp, site)
                return
            try:
                event, number = self._encoder.record(stamp if type(stamp) is float else time.time(), site, shareable)
            except EventRejected:
                self._take_slowly(link, shareable, stamp, site)
                return
        except Exception as e:
            link.count_drop(f"not encodable ({type(e).__name__})")
            return
        if stamp is not None or number is not None:
            self._channel.note(site, stamp, number)
        link.offer(event) or link.count_refusal()

    def _take_slowly(self, link: Link, shareable: dict, stamp: Any, site: str) -> None:
        """A record that a client's policy looks at, or that an event does not hold. Raises what makes it no record."""
        record, number = record_of(shareable)
        self._channel.note(site, stamp, number)
        record = record if self._gate is None else self._gate.judge(record, link.count_drop)
        if record is None:
            return
        now = stamp if type(stamp) is float else time.time()
        try:
            link.put(self._encoder.data(now, site, *record))
        except EventRejected:
            self._parts.put(link, self._encoder, now, site, record)

    def _start(self, fl_ctx: FLContext) -> None:
        if self._link is not None:
            return  # START_RUN again without END_RUN in between: the same run goes on
        server = is_server(fl_ctx)
        # Without a gate, as long as there is something wrong, nothing passes.
        self._gate, self._holding = None, () if server else (*self._wanted, "analytix_log_stats")
        receivers = self._checked_receivers()
        if receivers is None:
            self._holding = ()
            self._say("info", "tracking is disabled (mode)")
            self._close_inbox(fl_ctx, "disabled")
            return
        args = (receivers.get("wandb") or {}) if self.receivers is not None else {}
        args = args if args.get("name") else self._wandb_arguments() or {}
        job_id, job_name, instance = job_identity(fl_ctx)
        run_name = clean_name(args.get("name") or job_name or "nvflare")
        self._whose = f"{run_name}: " if server else f"{run_name} of {clean_name(fl_ctx.get_identity_name())}: "
        if not server:
            self._gate = open_gate_of_runs(fl_ctx, self.policy, receivers, self._say)
        elif self.policy is not None:
            raise ValueError("policy is for the receiver of a client; give it to BridgeForwarder, or to add_tracking")
        if instance:
            for own in receivers.values():
                own.setdefault("id", instance)  # becomes a part of the runs' ids
        side = "server" if server else "client"
        self._process = process = None
        if self.endpoint is None:
            self._process = process = BridgeProcess(state_folder(fl_ctx, side, receivers))
        self._names = {}
        self._encoder = Encoder()
        self._channel = Channel()
        self._simulated = is_simulated(fl_ctx)
        # A bridge of one's own is reached by a socket that no other user can open.
        keys = find_keys(self.curve_key, self.curve_server_key) if process is None else None
        self._stopping.begin(self.on_stop, fl_ctx.get_engine(), server, self._simulated)
        link = Link(self.endpoint, process, self.buffer_bytes, self._say, keys, self._stopping.asked)
        opened = (clean_name(job_id), run_name, side, result_folder(fl_ctx))
        sites = [self._site(name) for name in sites_of(fl_ctx, server)]
        self._links.begin(receivers.get("wandb"), opened, self.endpoint, server and not self._simulated)
        open_session(link, self._encoder, self._parts, opened, sites, receivers)
        self._opening = link.stats()["accepted"]
        for words in self._in_vain(receivers):
            self._say("warning", words)
        link.start()
        self._link = link
        if server:
            self._inbox = Inbox(link)
            self._verified = verify_senders(fl_ctx.get_engine(), TOPIC)
            attach(fl_ctx.get_engine(), self._inbox, self._site)
            return
        taker = Taker(link, self._gate, self._encoder, self._parts, sites[0])
        if receivers.get("wandb", {}).get("system") is not False:
            self._sampling = taker.sample_each(self.system_interval)
        if any(name.endswith("analytix_log_stats") for name in self._wanted):
            self._local = join(fl_ctx, Member(taker, self._taken), self._say)

    def _close_inbox(self, fl_ctx: FLContext, state: str) -> None:
        """Tells forwarders that nothing will be taken."""
        with contextlib.suppress(Exception):
            if is_server(fl_ctx):
                attach(fl_ctx.get_engine(), ClosedInbox(state), clean_name)

    def _checked_receivers(self, here: bool = True) -> Optional[dict]:
        """The outputs and their arguments; None: disabled. Raises ValueError with what is wrong."""
        return checked_arguments(self, self._wandb_arguments(), here)

    def _check_where_defined(self) -> None:
        receivers = self._checked_receivers(here=False)
        if self.policy is not None:
            Rule.of(self.policy)
        for words in self._in_vain(receivers):
            warn_the_author(words)

    def _in_vain(self, receivers: Optional[dict]) -> list[str]:
        """Words for what is given and changes nothing. `receivers`: as they were checked."""
        return without_effect(self._wandb_arguments(), self.receivers) + stop_in_vain(self.on_stop, receivers)

    def _wandb_arguments(self) -> Optional[dict]:
        return merged_wandb_args(self.wandb_args, self.kwargs, self.config)

    def _site(self, origin: Any) -> str:
        """The origin as a name; the same text gives the same object without being looked at twice."""
        site = self._names.get(origin)
        if site is None:
            site = clean_name(origin)
            if len(self._names) < 10000:  # origins are untrusted text
                self._names[origin] = site
        return site

    def _hold_the_run_open(self, fl_ctx: FLContext) -> None:
        link, inbox = self._link, self._inbox
        waiting = link is not None and link.connected and link.unacknowledged
        if waiting or (inbox is not None and inbox.expecting and not self._aborted):
            fl_ctx.set_prop(FLContextKey.NOT_READY_TO_END_RUN, True, private=True, sticky=False)

    def _settle_before_the_process_may_end(self) -> None:
        # The simulator with fewer threads than clients ends a client's process after each task, and asks
        # nobody (simulator_runner.py); elsewhere a task's end does not wait.
        if self._link is not None and self._simulated and self._link.connected:
            self._link.wait_acknowledged(_TASKS_END)

    def _say(self, level: str, text: str) -> None:
        getattr(self.logger, level)(f"flarebridge: {self._whose}{self._links.heard(text)}")

    def _report_end(self, stats: dict, at_clients: dict) -> None:
        level, text = last_line(
            stats,
            at_clients,
            opening=self._opening,
            runs=len(set(self._names.values())),
            kept=self._gate.told() if self._gate is not None else [],
            channel=self._channel,
            timeout=self.process_timeout,
            state=self._process.state if self._process is not None else "FOLDER",
        )
        for line in (*self._links.at_end(), (level, text)):
            self._say(*line)
