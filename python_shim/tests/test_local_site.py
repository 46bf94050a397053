"""BridgeWriter in the process of the components: its records reach them by a call, and nobody else misses any."""

import logging
import os
import random
import sys
import threading
from types import SimpleNamespace

import msgpack
import numpy as np
import pytest
from flarebridge import BridgeForwarder, BridgeReceiver, BridgeWriter, local_site, writer
from flarebridge.cutting import Parts
from flarebridge.event_copies import EventCopies
from flarebridge.events import Encoder
from flarebridge.inbox import FORWARDED, Inbox
from flarebridge.local_site import Member, join
from flarebridge.taker import Taker
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, FLMetaKey
from nvflare.apis.workspace import Workspace
from nvflare.app_common.widgets.streaming import AnalyticsReceiver
from nvflare.client import api as client_api
from nvflare.widgets.widget import Widget
from test_forwarder import _EVENT, _convert, _Engine, _FakeOutbox, _Wire
from test_forwarding_laws import _DEADLINE, _FakeLink, _wait_for
from test_gate import _MARKER, _open_gate, _records

try:
    from nvflare.apis.analytix import LogWriterName
except ImportError:  # NVFlare 2.5
    from nvflare.app_common.tracking.tracker_types import LogWriterName


class _Client(_Engine):
    """A client's process as NVFlare makes it, up to the server's link; fires() tells of NVFlare's own events."""

    def __init__(self, folder, *components, site: str = "site-1", job: str = "job-1", server_takes: bool = True):
        super().__init__(*components)
        self.handlers = list(components)
        self._contexts._identity_name = site
        self._contexts = type(self._contexts)(engine=self, identity_name=site, job_id=job)
        for name in ("startup", "local"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._workspace = Workspace(str(folder), site_name=site)
        self.server, self.fired = _FakeLink(), 0
        self._inbox = Inbox(self.server) if server_takes else None
        self._site = site
        self.api = _api(site, job)

    def get_workspace(self):
        return self._workspace

    def send_aux_request(self, request, **_more):
        from nvflare.apis.fl_constant import ReturnCode
        from nvflare.apis.shareable import make_reply

        reply = make_reply(ReturnCode.OK)
        reply.update(self._inbox.take(self._site, request) if self._inbox else {"state": "disabled"})
        return {"server": reply}

    def fire_event(self, event_type, fl_ctx):
        self.fired += event_type == _EVENT
        super().fire_event(event_type, fl_ctx)

    def fire(self, *names: str) -> None:
        for name in names:
            with self.new_context() as fl_ctx:
                self.fire_event(name, fl_ctx)

    def start(self) -> "_Client":
        self.fire(EventType.ABOUT_TO_START_RUN, EventType.START_RUN)
        return self

    def end(self) -> None:
        self.fire(EventType.ABOUT_TO_END_RUN, EventType.END_RUN)

    def values(self) -> list:
        """What has come to the server, with its steps, once the run has ended."""
        return [(event[6], event[7]) for event in map(msgpack.unpackb, self.server.events)]


def _api(site: str, job: str):
    """NVFlare's in-process API of a site, which nobody listens to."""
    from nvflare.client.in_process.api import InProcessClientAPI

    api = InProcessClientAPI({FLMetaKey.SITE_NAME: site, FLMetaKey.JOB_ID: job})
    api.init(rank="0")
    return api


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch):
    monkeypatch.setattr(writer, "_warned", set())
    monkeypatch.setattr(client_api, "default_context", None, raising=False)
    monkeypatch.setattr(client_api, "client_api", None, raising=False)
    yield
    assert not local_site._sites


@pytest.fixture
def init(monkeypatch):
    """flare.init() of a client's script."""

    def use(client: _Client) -> None:
        name, value = "client_api", client.api  # NVFlare 2.5
        if hasattr(client_api, "get_context"):
            name, value = "default_context", SimpleNamespace(api=client.api)
        monkeypatch.setattr(client_api, name, value, raising=False)

    return use


class _Listener(AnalyticsReceiver):
    """A receiver beside ours: NVFlare's for TensorBoard, as far as it is asked."""

    def __init__(self, events=None):
        super().__init__(events=events)
        self.got, self.ended = [], False

    def initialize(self, fl_ctx):
        pass

    def save(self, fl_ctx, shareable, record_origin):
        assert not self.ended
        dxo = shareable["DXO"]
        self.got.append((dxo["data"]["track_value"], dxo["meta"]["analytics_data_type"], dxo["meta"]["tracker_key"]))

    def finalize(self, fl_ctx):
        self.ended = True


def test_a_record_is_a_call_and_no_event(tmp_path, init):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False)).start()
    init(client)
    mine = BridgeWriter()
    for step in range(100):
        mine.log({"loss": step / 2}, step)
    client.end()
    assert client.fired == 0
    assert client.values() == [({"loss": step / 2}, step) for step in range(100)]


def test_flush_says_whether_all_that_was_logged_is_on_the_servers_disk(tmp_path, init):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False)).start()
    init(client)
    mine = BridgeWriter()
    mine.log({"loss": 1.0}, 0)
    assert mine.flush(_DEADLINE)
    mine.log({"loss": 1.0}, -1)  # left out, and counted
    assert not mine.flush(_DEADLINE)
    mine.log({"loss": 2.0}, 1)
    assert mine.flush(_DEADLINE)
    client.end()
    assert not mine.flush(0)
    assert client.values() == [({"loss": 1.0}, 0), ({"loss": 2.0}, 1)]


def test_what_a_script_logs_while_the_run_starts_arrives(tmp_path, init):
    """NVFlare starts the script's thread in START_RUN, and another component may come behind it."""
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False))
    init(client)
    client.fire(EventType.ABOUT_TO_START_RUN)
    BridgeWriter().log({"early": 1})
    client.fire(EventType.START_RUN)
    client.end()
    assert client.values() == [({"early": 1}, None)]


def test_sites_and_jobs_in_one_process_do_not_meet(tmp_path, init):
    names = [("site-1", "job-1"), ("site-2", "job-1"), ("site-1", "job-2")]
    clients, writers = [], []
    for number, (site, job) in enumerate(names):
        client = _Client(tmp_path / str(number), BridgeForwarder(trainer_link=False), site=site, job=job).start()
        init(client)
        writers.append(BridgeWriter())
        writers[-1].log({"first": number})  # from here on it belongs to this site
        clients.append(client)
    for number, mine in enumerate(writers):
        mine.log({"later": number})
    for number, client in enumerate(clients):
        client.end()
        assert client.values() == [({"first": number}, None), ({"later": number}, None)]


def test_a_clients_receiver_takes_them_too_each_once(tmp_path, init):
    receiver = BridgeReceiver({"name": "n"}, endpoint="ipc:///nowhere", process_timeout=0.1)
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False, pass_events=True), _convert(), receiver, _Wire())
    client.start()
    before = receiver._link.accepted
    init(client)
    BridgeWriter().log({"loss": 1}, 1)
    client.fire(EventType.ABOUT_TO_END_RUN)
    assert receiver._link.accepted == before + 1
    client.fire(EventType.END_RUN)
    assert client.values() == [({"loss": 1}, 1)]


def test_a_clients_receiver_alone_needs_no_event_either(tmp_path, init):
    receiver = BridgeReceiver({"name": "n"}, endpoint="ipc:///nowhere", process_timeout=0.1)
    client = _Client(tmp_path, receiver).start()
    before = receiver._link.accepted
    init(client)
    BridgeWriter().log({"loss": 1, "note": "text"}, 1)
    assert (receiver._link.accepted, client.fired) == (before + 1, 0)
    client.end()


@pytest.mark.parametrize("policy", [{}, {"include": ["*"], "digits": 3}])
def test_the_policy_holds_and_what_it_keeps_is_told(tmp_path, init, caplog, policy):
    forwarder = BridgeForwarder(trainer_link=False, exclude="patient*", **({"policy": {"digits": 3}} if policy else {}))
    client = _Client(tmp_path, forwarder).start()
    init(client)
    mine = BridgeWriter()
    for step in range(3):
        mine.log({"loss": 0.5, "patient_age": 70}, step)
    mine.log_line("patient 17")
    with caplog.at_level(logging.INFO):
        client.end()
    assert client.values() == [({"loss": 0.5}, step) for step in range(3)]
    assert "3 values kept by the site's policy (by name)" in caplog.text
    assert "1 values kept by the site's policy (by kind: console)" in caplog.text
    assert "'patient_age' 3 times (kept: name, scalars)" in caplog.text


@pytest.mark.parametrize("seed", range(10))
def test_no_byte_of_an_excluded_value_leaves_by_a_call(seed, tmp_path):
    outbox = _FakeOutbox()
    taker = Taker(outbox, _open_gate(), Encoder(), Parts(lambda level, text: None), "site-1")
    for data_type, tag, value, path, extra in _records(random.Random(seed)):
        member = AnalyticsDataType.__members__.get(data_type, data_type)
        taker.take(member, LogWriterName.WANDB, tag, value, 1, path, extra)
    left = b"".join(outbox.events)
    assert _MARKER.encode() not in left
    assert b"open" in left
    assert "atient" not in str(set(outbox.drops))


def test_what_can_not_be_sent_is_told_and_counted_and_the_rest_arrives(tmp_path, init, caplog):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False)).start()
    init(client)
    mine = BridgeWriter()
    mine.log({"long": "x" * (2 << 20), "loss": 1}, 1)
    for step in (-1, 1.5, "two", 1 << 63, True):
        mine.log({"loss": 2}, step)
    mine.log({"loss": 3}, np.int64(3))
    with caplog.at_level(logging.INFO):
        client.end()
    assert client.values() == [({"loss": 1}, 1), ({"loss": 3}, 3)]
    assert "left out of what is logged: 'long': a text of 2097152 characters" in caplog.text
    assert "left out of what is logged: 'loss': a step is a whole number from 0 on, not '-1'" in caplog.text
    assert "6 no event can hold it" in caplog.text


def test_what_a_script_changes_after_its_call_does_not_change_the_record(tmp_path, init):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False), _Listener()).start()
    init(client)
    mine, metrics, pixels = BridgeWriter(), {"loss": 1}, np.zeros((2, 2))
    mine.log(metrics, 1)
    mine.add_image("img", pixels, 2)
    metrics["loss"], pixels[0, 0] = 2, 1.0
    client.end()
    assert client.values()[0] == ({"loss": 1}, 1)
    assert client.values()[1][0]["data"] == bytes(4)
    values = [value for value, _, _ in client.handlers[1].got]
    assert values[0] == {"loss": 1}
    assert values[1].tolist() == [[0, 0], [0, 0]]


# --- who else listens ---


def test_a_receiver_beside_ours_gets_its_records_by_nvflares_event_in_a_form_that_all_of_nvflares_take(tmp_path, init):
    listener = _Listener(events=[_EVENT])
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False), listener).start()
    init(client)
    mine = BridgeWriter()
    mine.log({"loss": np.float32(0.5), "note": "text"}, 1)
    mine.add_scalar("acc", 1.0, 2)
    client.end()
    assert client.values() == [({"loss": 0.5, "note": "text"}, 1), (1.0, 2)]
    assert listener.got == [
        ({"loss": 0.5}, AnalyticsDataType.METRICS, LogWriterName.MLFLOW),
        (1.0, AnalyticsDataType.SCALAR, LogWriterName.TORCH_TB),
    ]


@pytest.mark.parametrize("pass_events", [False, True])
def test_a_receiver_of_nvflares_on_the_server_gets_its_records_if_it_is_wanted(tmp_path, init, pass_events):
    wire = _Wire()
    forwarder = BridgeForwarder(trainer_link=False, pass_events=pass_events, exclude="patient*")
    client = _Client(tmp_path, forwarder, _convert(), wire)
    client.handlers.remove(wire)  # it is NVFlare's part, which asks for nothing
    client.start()
    init(client)
    mine = BridgeWriter()
    mine.log({"loss": 1}, 1)
    mine.log({"patient": 17}, 2)
    client.end()
    assert client.values() == [({"loss": 1}, 1)]
    assert [shareable["DXO"]["data"]["track_value"] for shareable in wire.sent] == [{"loss": 1}] * pass_events
    # By this the server's BridgeReceiver leaves it alone.
    assert all(shareable.get_header(FORWARDED) for shareable in wire.sent)


class _Custom(Widget):
    """A component of the job's author, that listens in its own way."""

    def __init__(self):
        super().__init__()
        self.got = []

    def handle_event(self, event_type, fl_ctx):
        if event_type == _EVENT:
            self.got.append(fl_ctx.get_prop(FLContextKey.EVENT_DATA)["DXO"]["data"]["track_value"])


def test_a_component_of_somebody_elses_gets_them_too(tmp_path, init):
    custom = _Custom()
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False), custom).start()
    init(client)
    BridgeWriter().log({"loss": 1}, 1)
    client.end()
    assert (client.values(), custom.got) == ([({"loss": 1}, 1)], [{"loss": 1}])


def test_components_of_nvflares_that_listen_to_no_record_cost_no_event(tmp_path, init):
    from nvflare.app_common.widgets.validation_json_generator import ValidationJsonGenerator

    others = [ValidationJsonGenerator(), _Listener(events=["other"]), Widget()]
    mine = type("Mine", (BridgeForwarder,), {})  # an author's own
    client = _Client(tmp_path, mine(trainer_link=False), _convert())
    client.handlers += others
    client.start()
    init(client)
    BridgeWriter().log({"loss": 1}, 1)
    client.end()
    assert (client.fired, client.values()) == (0, [({"loss": 1}, 1)])


def test_where_the_server_takes_nothing_records_go_in_nvflares_way_if_there_is_one(tmp_path, init, monkeypatch):
    logged = []
    monkeypatch.setattr(client_api, "log", lambda **record: logged.append(record["value"]))
    for number, more in enumerate(([_convert()], [])):
        forwarder = BridgeForwarder(trainer_link=False)
        client = _Client(tmp_path / str(number), forwarder, *more, server_takes=False).start()
        init(client)
        _wait_for(lambda f=forwarder: f._outbox.off is not None, "the server's word")
        BridgeWriter().log({"loss": number}, 1)
        client.end()
    assert logged == [{"loss": 0}]


def test_without_a_forwarder_nvflares_channel_brings_them(tmp_path, init, monkeypatch):
    logged = []
    monkeypatch.setattr(client_api, "log", lambda **record: logged.append(record))
    client = _Client(tmp_path, _convert()).start()
    init(client)
    mine = BridgeWriter()
    mine.log({"loss": np.float32(1)}, np.int64(1), receivers="wandb")
    mine.log_text("text", "a.txt")
    assert [(one["key"], one["value"], one.get("global_step"), one.get("path")) for one in logged] == [
        ("metrics", {"loss": 1.0}, 1, None), ("text", "text", None, "a.txt"),
    ]  # fmt: skip
    assert [one["flarebridge"][1] for one in logged] == [1, 2]
    assert logged[0]["receivers"] == ["wandb"]


def test_events_for_others_have_a_bound_and_what_is_refused_is_told(monkeypatch):
    monkeypatch.setattr("flarebridge.event_copies._MOST", 5)
    said, gate = [], threading.Event()
    engine = _Engine()
    engine.new_context = lambda: gate.wait(_DEADLINE) and _Engine().new_context()
    copies = EventCopies(engine, lambda level, text: said.append(text))
    for step in range(100):
        copies.put(AnalyticsDataType.METRIC, LogWriterName.MLFLOW, "loss", 1.0, step, None, None)
    gate.set()
    copies.settle(_DEADLINE)
    copies.put(AnalyticsDataType.METRIC, LogWriterName.MLFLOW, "loss", [1, 2], 1, None, None)
    copies.close(_DEADLINE)
    assert not copies._thread.is_alive()
    (text,) = said
    count = int(text.split()[0])
    assert 95 <= count <= 96  # one may be on its way
    assert text.endswith(
        "records of BridgeWriter did not reach NVFlare's own receivers: they are slower than the training"
    )


def test_what_a_training_process_of_its_own_logs_is_in_the_sites_runs_too_and_with_nvflares_receivers(tmp_path):
    receiver = BridgeReceiver({"name": "n"}, endpoint="ipc:///nowhere", process_timeout=0.1, policy={"exclude": "b"})
    forwarder, listener = BridgeForwarder(trainer_link=False, exclude="a"), _Listener(events=[_EVENT])
    client = _Client(tmp_path, forwarder, receiver, listener).start()
    forwarder._outbox_of_trainers = forwarder._outbox
    encoder, before = Encoder(), receiver._link.accepted
    event = msgpack.unpackb(encoder.data(1.0, "t", "METRICS", "WANDB", "metrics", {"a": 1, "b": 2, "n": "text"}, 1))
    image = msgpack.unpackb(encoder.data(1.0, "t", "IMAGE", "TORCH_TB", "img", np.zeros((2, 3, 1), np.uint8), 2))
    assert forwarder._admit_trainers_event(event)[6] == {"b": 2, "n": "text"}
    assert forwarder._admit_trainers_event(image)[5] == "img"
    assert receiver._link.accepted == before + 2
    first = msgpack.unpackb(receiver._link._queue[-2])
    assert (first[2], first[6]) == ("site-1", {"a": 1, "n": "text"})
    client.end()
    # NVFlare's way is for a whole record or none, and on the site nothing asks.
    assert listener.got[0] == ({"a": 1, "b": 2}, AnalyticsDataType.METRICS, LogWriterName.MLFLOW)
    assert listener.got[1][0].shape == (2, 3, 1)


# --- where nothing takes them ---


@pytest.mark.parametrize("rank", [None, "1"])
def test_outside_of_a_job_a_log_call_warns_once_and_is_nothing(init, caplog, tmp_path, rank):
    if rank:
        client = _Client(tmp_path)
        client.api.rank = rank
        init(client)
    mine = BridgeWriter()
    for call in (lambda: mine.log({"a": 1}), lambda: mine.add_scalar("b", 1, 2), lambda: mine.log_text("t", "p")):
        for _ in range(3):
            call()
    mine.flush()
    assert len(caplog.records) == 1
    assert ("only rank 0" if rank else "BridgeWriter logs nothing: this script does not run") in caplog.text


def test_code_without_a_script_of_its_own_logs_for_the_only_site(tmp_path):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False)).start()
    BridgeWriter().log({"loss": 1}, 1)
    client.end()
    assert client.values() == [({"loss": 1}, 1)]


def test_behind_the_run_a_log_call_is_nothing_and_a_later_run_is_found(tmp_path, init):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False)).start()
    init(client)
    mine = BridgeWriter()
    mine.log({"loss": 1}, 1)
    client.end()
    mine.log({"loss": 2}, 2)  # NVFlare's API is there, and nobody listens to it
    client.start()
    mine.log({"loss": 3}, 3)
    client.end()
    assert client.values() == [({"loss": 1}, 1), ({"loss": 3}, 3)]


def test_the_api_of_a_job_that_has_ended_does_not_log_into_another(tmp_path, init):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False)).start()
    if not hasattr(client.api, "close"):
        client.end()
        pytest.skip("this NVFlare closes no API")
    client.api.close()
    init(client)
    BridgeWriter().log({"loss": 1}, 1)
    client.end()
    assert client.values() == []


def test_a_forked_child_takes_nothing_and_nothing_hangs(tmp_path, init):
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False), _Listener()).start()
    init(client)
    used, unused = BridgeWriter(), BridgeWriter()
    used.log({"loss": 1}, 1)
    with local_site._lock:
        child = os.fork()
        if child == 0:
            used.log({"loss": 2}, 2)
            unused.log({"loss": 3}, 3)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.end()
    assert client.values() == [({"loss": 1}, 1)]


# --- what a call costs ---


def test_a_log_call_makes_few_calls_and_leaves_the_sleeping_thread_alone(tmp_path, init):
    """Counted, not timed: Python's own calls, and wake-ups."""
    client = _Client(tmp_path, BridgeForwarder(trainer_link=False)).start()
    init(client)
    mine, metrics = BridgeWriter(), {f"metric_{i}": i / 7 for i in range(5)}
    mine.log(metrics, 0)
    counts = []
    for step in range(1, 50):
        calls = 0

        def count(_frame, event, _argument):
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count)
        try:
            mine.log(metrics, step)
        finally:
            sys.setprofile(None)
        counts.append(calls)
    client.end()
    assert min(counts) <= 7  # log, _send, the site's and the taker's take, data, _usual, offer
    assert max(counts) <= 9  # the thread sleeps: it is woken once


def test_a_site_of_a_job_is_one_object_until_the_last_component_has_left(tmp_path):
    client = _Client(tmp_path)
    with client.new_context() as fl_ctx:
        taker = SimpleNamespace(take=lambda *record: None, buffer=SimpleNamespace(off=None))
        members = [join(fl_ctx, Member(taker, f"mark {number}"), lambda level, text: None) for number in range(2)]
        (site,) = local_site._sites.values()
        members[0].leave()
        members[0].leave()
        assert list(local_site._sites.values()) == [site]
        members[1].leave()
        assert not local_site._sites
