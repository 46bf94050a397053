"""A site's metrics go into its own run, whatever name it puts into its messages: over NVFlare's own cells."""

import logging
import socket
from types import SimpleNamespace

import msgpack
import pytest
from flarebridge.inbox import TOPIC, Inbox, attach
from flarebridge.senders import SENDER, sender_of, verify_senders
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.fl_constant import EventScope, FLContextKey
from nvflare.apis.fl_context import FLContextManager
from nvflare.apis.shareable import Shareable
from nvflare.apis.utils.decomposers import flare_decomposers
from nvflare.app_common.widgets.streaming import create_analytic_dxo
from nvflare.fuel.f3.cellnet.cell import Cell
from nvflare.fuel.f3.cellnet.defs import CellChannel
from nvflare.private.aux_runner import AuxRunner
from nvflare.private.fed.server.server_engine import ServerEngine
from nvflare.widgets.fed_event import ServerFedEventRunner
from test_forwarder import _client_receiver, _Engine
from test_forwarding_laws import _event, _FakeLink

authn = pytest.importorskip("nvflare.fuel.sec.authn", reason="NVFlare verifies names from 2.6 on")
authenticator = pytest.importorskip("nvflare.private.fed.authenticator")

_TOKENS = {"site-1": "token-1", "site-2": "token-2"}


class _Tokens:
    """In the place of NVFlare's TokenVerifier, which asks certificates."""

    def verify(self, client_name, token, signature):
        return _TOKENS.get(client_name) == token and signature == f"signed {token}"


class _ServersEngine:
    """As much of a server's engine as messages pass."""

    handle_aux_message = ServerEngine._handle_aux_message

    def __init__(self, cell):
        self.cell = cell
        self.run_manager = SimpleNamespace(aux_runner=AuxRunner(self))

    def get_cell(self):
        return self.cell

    def new_context(self):
        return FLContextManager(engine=self, identity_name="server", job_id="job-1").new_context()

    def register_aux_message_handler(self, topic, message_handle_func):
        self.run_manager.aux_runner.register_aux_message_handler(topic, message_handle_func)


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def connected():
    """The cells of a server and of site-1, whose messages NVFlare's filter checks. A process has one of each name."""
    flare_decomposers.register()
    url = f"tcp://127.0.0.1:{_port()}"
    server = Cell(fqcn="server", root_url=url, secure=False, credentials={})
    site = Cell(fqcn="site-1", root_url=url, secure=False, credentials={})
    server.core_cell.add_incoming_filter(
        channel="*", topic="*", cb=authenticator.validate_auth_headers,
        token_verifier=_Tokens(), logger=logging.getLogger("filter"),
    )  # fmt: skip
    authn.set_add_auth_headers_filters(site, "site-1", _TOKENS["site-1"], f"signed {_TOKENS['site-1']}")
    server.start()
    site.start()
    yield server, site
    site.stop()
    server.stop()


@pytest.fixture
def cells(connected):
    server, site = connected
    engine = _ServersEngine(server)
    server.register_request_cb(channel=CellChannel.AUX_COMMUNICATION, topic="*", cb=engine.handle_aux_message)
    return engine, site


def _send(site: Cell, topic: str, request: dict, name: str):
    """What a component of the site sends when it puts that name into its context."""
    engine = SimpleNamespace(get_cell=lambda: site)
    context = FLContextManager(engine=engine, identity_name=name, job_id="job-1").new_context()
    context.set_prop("__process_type__", "CP")  # NVFlare 2.6 and 2.7 add the job to the target of a job's process
    shareable = Shareable()
    shareable.update(request)
    shareable.set_header(SENDER, name)
    shareable.set_header("_timestamp", 1.0)
    shareable.set_header("_event_type", "fed.analytix_log_stats")
    target = SimpleNamespace(name="server", fqcn="server", job_scoped=False)
    replies = AuxRunner(engine).send_aux_request([target], topic, shareable, 10.0, context, optional=True)
    return replies["server"]


def _request() -> dict:
    return {
        "session": "a" * 32, "first": 1, "count": 1, "durable": 0, "events": _event(1), "bye": False, "dropped": {}
    }  # fmt: skip


@pytest.mark.parametrize("name", ["site-1", "site-2", "server", "nobody"])
def test_a_forwarders_events_are_its_sites_whatever_name_it_gives(cells, name, caplog):
    engine, site = cells
    inbox = Inbox(_FakeLink())
    attach(engine, inbox, str)
    with caplog.at_level(logging.WARNING):
        assert _send(site, TOPIC, _request(), name)["state"] == "taken"
    assert inbox.knows("site-1")
    assert name == "site-1" or not inbox.knows(name)
    assert ("site-1 sent metrics under the name" in caplog.text) == (name != "site-1")


def test_an_event_on_nvflares_own_way_is_its_sites_too(cells):
    engine, site = cells
    runner = ServerFedEventRunner()
    runner.poster = object()  # events stay where they are seen
    engine.register_aux_message_handler("fed.event", runner._receive)
    assert verify_senders(engine, TOPIC)
    _send(site, "fed.event", {}, "site-2")
    (event,) = runner.in_events
    assert event.get_header(SENDER) == "site-1"
    assert sender_of(event["__headers__"], "site-2", verified=True) == "site-1"


def test_another_topics_messages_are_left_alone(cells):
    engine, site = cells
    verify_senders(engine, TOPIC)
    seen = []

    def handle(topic, request, fl_ctx):
        seen.append(request.get_header(SENDER))
        return Shareable()

    engine.register_aux_message_handler("another", handle)
    _send(site, "another", {}, "site-1")
    assert seen == ["site-1"]  # as it was sent, nobody looked


def test_without_a_verified_name_the_claimed_one_counts_and_a_note_of_the_sites_does_not():
    assert sender_of({}, "site-2", verified=True) == "site-2"
    assert sender_of({SENDER: "site-1"}, "site-2", verified=False) == "site-2"
    assert not verify_senders(SimpleNamespace(), TOPIC)
    assert not verify_senders(SimpleNamespace(get_cell=lambda: None), TOPIC)


@pytest.mark.parametrize("verified", [True, False])
def test_the_receiver_puts_a_federated_record_into_the_senders_run(verified):
    receiver = _client_receiver()
    receiver._verified = verified
    shareable = create_analytic_dxo("loss", 1.0, AnalyticsDataType.METRIC).to_shareable()
    shareable.set_peer_props({"__identity_name__": "site-2"})
    shareable.set_header(SENDER, "site-1")
    engine = _Engine(receiver)
    with engine.new_context() as fl_ctx:
        fl_ctx.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
        fl_ctx.set_prop(FLContextKey.EVENT_SCOPE, EventScope.FEDERATION, private=True, sticky=False)
        engine.fire_event("fed.analytix_log_stats", fl_ctx)
    (event,) = receiver._link.events
    # Where nobody verifies names, what a site notes itself counts for nothing.
    assert msgpack.unpackb(event)[2] == ("site-1" if verified else "site-2")
