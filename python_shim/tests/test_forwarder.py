"""BridgeForwarder among a client's other components, with NVFlare's own way of firing events."""

import logging

import msgpack
import pytest
from flarebridge import BridgeForwarder, BridgeReceiver
from flarebridge.audit import Audit
from flarebridge.channel import Channel
from flarebridge.cutting import Parts
from flarebridge.events import Encoder
from flarebridge.gate import Gate
from flarebridge.policy import Policy
from flarebridge.rules import Rule
from flarebridge.taker import Taker
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import EventScope, FLContextKey
from nvflare.apis.fl_context import FLContextManager
from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.app_common.widgets.streaming import create_analytic_dxo
from nvflare.fuel.utils.class_utils import instantiate_class
from nvflare.widgets.widget import Widget
from test_forwarding_laws import _FakeLink

try:
    from nvflare.apis.utils.event import fire_event_to_components
except ImportError:  # NVFlare up to 2.6
    from nvflare.private.event import fire_event as fire_event_to_components

_EVENT = "analytix_log_stats"


class _Engine:
    """A client's engine as far as events go."""

    def __init__(self, *components):
        self._components = components
        self._contexts = FLContextManager(engine=self, identity_name="site-1", job_id="job-1")

    def new_context(self):
        return self._contexts.new_context()

    def fire_event(self, event_type, fl_ctx):
        fire_event_to_components(event_type, self._components, fl_ctx)

    def log(self, tag, value, federated=False, step=1, data_type=AnalyticsDataType.METRICS):
        """A record as an executor fires it; `federated`: as NVFlare does for an external training process."""
        shareable = create_analytic_dxo(tag, value, data_type, global_step=step).to_shareable()
        with self.new_context() as fl_ctx:
            scope = EventScope.FEDERATION if federated else EventScope.LOCAL
            fl_ctx.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
            fl_ctx.set_prop(FLContextKey.EVENT_SCOPE, scope, private=True, sticky=False)
            self.fire_event(("fed." if federated else "") + _EVENT, fl_ctx)


class _Wire(Widget):
    """Stands where NVFlare's FedEventRunner stands, and sends by its rule: federated, and on its way out."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def handle_event(self, event_type, fl_ctx):
        shareable = fl_ctx.get_prop(FLContextKey.EVENT_DATA)
        federated = fl_ctx.get_prop(FLContextKey.EVENT_SCOPE) == EventScope.FEDERATION
        if federated and shareable.get_header("_direction", "out") == "out":
            self.sent.append(shareable)


class _FakeOutbox(_FakeLink):
    def __init__(self):
        super().__init__()
        self.drops = []

    def put(self, event):
        return self.offer(event)

    def count_drop(self, reason):
        self.drops.append(reason)


def _forwarder(gate=None, **arguments) -> BridgeForwarder:
    """As in a run. `gate`: in place of what the arguments make."""
    forwarder = BridgeForwarder(**arguments)
    forwarder._outbox, forwarder._site = _FakeOutbox(), "site-1"
    job = {"include": forwarder.include, "exclude": forwarder.exclude, **(forwarder.policy or {})}
    forwarder._gate = gate or _gate({name: value for name, value in job.items() if value is not None})
    parts = Parts(lambda level, text: None)
    forwarder._taker = Taker(forwarder._outbox, forwarder._gate, Encoder(), parts, "site-1")
    forwarder._outbox_of_trainers = forwarder._outbox
    return forwarder


def _gate(fields: dict) -> Gate:
    """As open_gate makes it where the site says nothing."""
    rules = [Rule.of({}).with_defaults(), Rule.of(fields)]
    return Gate(Policy(rules), Audit(None, "to the server", {}, lambda level, text: None))


def _client_receiver(**arguments) -> BridgeReceiver:
    receiver = BridgeReceiver(wandb_args={"name": "n"}, **arguments)
    receiver._link, receiver._encoder, receiver._names, receiver._channel = _FakeOutbox(), Encoder(), {}, Channel()
    return receiver


def _convert() -> ConvertToFedEvent:
    return ConvertToFedEvent(events_to_convert=[_EVENT])


def _orders():
    for names in (("f", "c", "r"), ("c", "f", "r"), ("r", "c", "f"), ("f", "r"), ("c", "r", "f")):
        yield pytest.param(names, id="".join(names))


@pytest.mark.parametrize("names", list(_orders()))
@pytest.mark.parametrize("pass_events", [False, True])
@pytest.mark.parametrize("federated", [False, True])
def test_each_record_is_taken_once_whatever_stands_beside_it(names, pass_events, federated):
    """f: forwarder, c: ConvertToFedEvent, r: a client's BridgeReceiver."""
    forwarder, receiver, wire = _forwarder(pass_events=pass_events), _client_receiver(), _Wire()
    made = {"f": forwarder, "c": _convert(), "r": receiver}
    engine = _Engine(*[made[name] for name in names], wire)
    for i in range(3):
        engine.log("metrics", {"loss": i}, federated=federated)
    assert forwarder._outbox.values() == [{"loss": 0}, {"loss": 1}, {"loss": 2}]
    assert receiver._link.values() == [{"loss": 0}, {"loss": 1}, {"loss": 2}]
    passes = pass_events and (federated or "c" in names)
    assert len(wire.sent) == (3 if passes else 0)


@pytest.mark.parametrize("federated", [False, True])
@pytest.mark.parametrize("names", ["rf", "fr", "rc", "cr", "r"])
def test_a_clients_receiver_of_the_local_name_takes_an_external_trainers_records_too(names, federated):
    """As NVFlare's add_experiment_tracking(client_side=True) makes it; an external trainer's are federated at once."""
    receiver = _client_receiver(events=[_EVENT])
    made = {"f": _forwarder(), "c": _convert(), "r": receiver}
    engine = _Engine(*[made[name] for name in names], _Wire())
    for i in range(3):
        engine.log("metrics", {"loss": i}, federated=federated)
    assert receiver._link.values() == [{"loss": 0}, {"loss": 1}, {"loss": 2}]


def test_a_servers_receiver_of_the_local_name_leaves_the_sites_records_alone():
    receiver = _client_receiver(events=[_EVENT])
    engine = _Engine(receiver)
    shareable = create_analytic_dxo("a", 1.0, AnalyticsDataType.METRIC).to_shareable()
    shareable.set_peer_props({"__identity_name__": "site-1"})
    with engine.new_context() as fl_ctx:
        fl_ctx.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
        fl_ctx.set_prop(FLContextKey.EVENT_SCOPE, EventScope.FEDERATION, private=True, sticky=False)
        engine.fire_event("fed." + _EVENT, fl_ctx)
    assert not receiver._link.values()


def test_what_the_policy_keeps_leaves_in_no_way():
    forwarder, wire = _forwarder(exclude=["patient*"], pass_events=True), _Wire()
    engine = _Engine(_convert(), forwarder, wire)
    engine.log("metrics", {"patient_age": 70})
    engine.log("metrics", {"patient_age": 70, "loss": 1})
    engine.log("metrics", {"loss": 2})
    assert forwarder._outbox.values() == [{"loss": 1}, {"loss": 2}]
    # In NVFlare's way a record leaves whole or not at all.
    assert [shareable["DXO"]["data"]["track_value"] for shareable in wire.sent] == [{"loss": 2}]
    assert forwarder._outbox.drops == ["values kept by the site's policy (by name)"] * 2


def test_a_policy_that_can_not_be_read_lets_nothing_leave(caplog):
    made = instantiate_class("flarebridge.forwarder.BridgeForwarder", {"exclude": 5, "pass_events": True})
    forwarder, wire = made, _Wire()
    engine = _Engine(_convert(), forwarder, wire)
    with engine.new_context() as fl_ctx, caplog.at_level(logging.ERROR):
        forwarder.handle_event(EventType.START_RUN, fl_ctx)
    engine.log("metrics", {"patient_age": 70})
    assert "exclude must be a glob" in caplog.text
    assert not wire.sent


def test_where_no_server_takes_them_events_go_in_nvflares_way():
    forwarder, wire = _forwarder(exclude="patient*"), _Wire()
    forwarder._outbox.off = "no receiver"
    engine = _Engine(_convert(), forwarder, wire)
    engine.log("metrics", {"loss": 1})
    engine.log("metrics", {"patient_age": 70})
    assert [shareable["DXO"]["data"]["track_value"] for shareable in wire.sent] == [{"loss": 1}]


def test_a_trainers_own_records_are_filtered_too():
    forwarder = _forwarder(exclude=["patient*"])
    event = msgpack.unpackb(Encoder().data(1.0, "t", "METRICS", "WANDB", "metrics", {"patient_age": 1, "loss": 2}, 1))
    assert forwarder._admit_trainers_event(event)[6] == {"loss": 2}
    event = msgpack.unpackb(Encoder().data(1.0, "t", "METRIC", "WANDB", "patient_age", 1, 1))
    assert forwarder._admit_trainers_event(event) is None


def test_records_that_make_no_sense_are_counted_and_raise_nothing():
    forwarder = _forwarder()
    engine = _Engine(forwarder)
    shareable = create_analytic_dxo("a", 1.0, AnalyticsDataType.METRIC).to_shareable()
    del shareable["DXO"]["data"]["track_key"]
    with engine.new_context() as fl_ctx:
        fl_ctx.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
        engine.fire_event(_EVENT, fl_ctx)
    assert forwarder._outbox.drops == ["not encodable (KeyError)"]


def test_the_channels_losses_show_by_the_writers_numbers():
    channel = Channel()
    for number in (1, 2, 5, 4):
        channel.note("site-1", 1.0 + number, ["w1", number])
    channel.note("site-2", 5.0, ["w2", 1])
    channel.note("site-2", 5.0, ["w2", "nonsense"])
    assert channel.losses() == ["NVFlare's channel lost at least 1 of 5 events of site-1 (use BridgeForwarder)"]
    assert channel.notes() == ["1 events had the time stamp of the one before"]
