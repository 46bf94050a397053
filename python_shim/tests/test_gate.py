"""The site's own policy, the book of what it kept, and that no byte of an excluded value leaves in any way."""

import json
import logging
import os
import pickle
import random
import stat
from pathlib import Path

import msgpack
import pytest
from flarebridge import BridgeForwarder, BridgeReceiver
from flarebridge import gate as gate_module
from flarebridge.audit import FILE, Audit
from flarebridge.cutting import Parts, cut
from flarebridge.events import Encoder, EventRejected, Record
from flarebridge.gate import Gate, open_gate
from flarebridge.inbox import Inbox
from flarebridge.judgement import Kept
from flarebridge.nvflare_way import nvflares_type
from flarebridge.policy import Policy
from flarebridge.rules import KINDS, Rule
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import EventScope, FLContextKey
from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.app_common.widgets.streaming import create_analytic_dxo
from nvflare.fuel.utils.class_utils import instantiate_class
from test_forwarder import _EVENT, _client_receiver, _convert, _Engine, _FakeOutbox, _forwarder, _Wire
from test_forwarding_laws import _FakeLink, _wait_for
from test_receiver import _context

_MARKER = "seventeenth-patient-of-ward-nine"


@pytest.fixture(autouse=True)
def _no_policy_of_the_environment(monkeypatch):
    monkeypatch.delenv(gate_module.VARIABLE, raising=False)


def _open(folder: Path, job: dict, said: list) -> Gate:
    context = _context(folder, identity="site-1", process="CJ")
    return open_gate(context, job, "to the server", lambda level, text: said.append((level, text)))


def _book(folder: Path) -> list:
    (file,) = folder.glob(f"*/{FILE}")
    return [json.loads(line) for line in file.read_text().splitlines()]


def _values(gate: Gate, **values) -> dict:
    left = gate.judge(Record("METRICS", "WANDB", "metrics", values, 1, None, None), lambda reason: None)
    return left.value if left else {}


# --- the site's own policy ---


def test_the_sites_file_stands_above_the_job(tmp_path, monkeypatch):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "flarebridge.json").write_text('{"include": ["loss", "acc", "n*"], "digits": 2}')
    gate = _open(tmp_path, {"include": ["*"], "exclude": None, "kinds": list(KINDS)}, [])
    assert _values(gate, loss=1.234, n=5, other=3) == {"loss": 1.2, "n": 5}
    assert _values(_open(tmp_path, {"exclude": ["n*"]}, []), loss=1.234, n=5) == {"loss": 1.2}
    # A file that the environment names holds, too; neither takes the other's place.
    further = tmp_path / "further.json"
    further.write_text('{"include": ["*"], "exclude": "acc", "digits": 3}')
    monkeypatch.setenv(gate_module.VARIABLE, str(further))
    assert _values(_open(tmp_path, {}, []), loss=1.234, acc=5) == {"loss": 1.2}
    (tmp_path / "local" / "flarebridge.json").unlink()
    assert _values(_open(tmp_path, {}, []), loss=1.234, acc=5) == {"loss": 1.23}


_BAD = [
    "",
    "[]",
    '{"exclude": "a"',
    '{"excludes": "a"}',
    '{"exclude": "a", "exclude": "b"}',
    '{"exclude": null}',
    '{"kinds": ["metrics"]}',
    "[" * 100000,
    '{"exclude": "' + "x" * (1 << 20) + '"}',
]


@pytest.mark.parametrize("text", [pytest.param(text, id=text[:20] or "empty") for text in _BAD])
def test_a_policy_of_the_site_that_can_not_be_read_lets_nothing_leave_in_any_way(tmp_path, text, caplog):
    context = _context(tmp_path, identity="site-1", process="CJ")
    (tmp_path / "local" / "flarebridge.json").write_text(text)
    forwarder, receiver, wire = BridgeForwarder(pass_events=True), BridgeReceiver(wandb_args={"name": "n"}), _Wire()
    with caplog.at_level(logging.INFO):
        for component in (forwarder, receiver):
            component.handle_event(EventType.START_RUN, context)
    for components in ((_convert(), forwarder), (_convert(), receiver), (receiver, _convert()), (receiver, forwarder)):
        engine = _Engine(*components, wire)
        engine.log("metrics", {"loss": 1})
        engine.log("metrics", {"loss": 1}, federated=True)
    assert not wire.sent
    lines = [line.getMessage() for line in caplog.records]
    assert len(lines) == 2  # one for each component
    assert all("flarebridge.json can't be read" in line and "raining goes on" in line for line in lines)


@pytest.mark.parametrize("what", ["missing", "folder", "dangling link"])
def test_a_policy_that_is_named_and_not_there_is_one_that_can_not_be_read(tmp_path, monkeypatch, what):
    place = tmp_path / "policy.json"
    if what == "folder":
        place.mkdir()
    elif what == "dangling link":
        (tmp_path / "local").mkdir()
        (tmp_path / "local" / "flarebridge.json").symlink_to(tmp_path / "nowhere")
    if what != "dangling link":
        monkeypatch.setenv(gate_module.VARIABLE, str(place))
    with pytest.raises(ValueError, match="can't be read"):
        _open(tmp_path, {}, [])


def test_what_a_job_gives_wrongly_lets_nothing_leave(tmp_path):
    for job in ({"kinds": "all"}, {"unknown": 1}, {"include": 5}):
        with pytest.raises(ValueError):
            _open(tmp_path, job, [])


@pytest.mark.parametrize(
    ("site", "job", "told"),
    [
        ({}, None, None),
        ({"kinds": ["scalars"]}, None, False),
        ({"kinds": ["scalars", "system"]}, None, None),
        ({}, {"kinds": ["scalars"]}, False),
        ({"kinds": ["scalars"]}, {"kinds": ["scalars", "system"]}, False),
    ],
)
def test_a_run_on_the_site_tells_of_its_machine_only_if_it_may(tmp_path, site, job, told):
    context = _context(tmp_path, identity="site-1", process="CJ")
    (tmp_path / "local" / "flarebridge.json").write_text(json.dumps(site))
    said: list = []
    for given in ({"wandb": {"name": "n"}, "jsonl": {}}, {"wandb": {"system": True}}, {"wandb": {"system": None}}):
        receivers = {name: dict(arguments) for name, arguments in given.items()}
        gate_module.open_gate_of_runs(context, job, receivers, lambda level, text: said.append(level))
        assert receivers["wandb"].get("system") is (told if told is False else given["wandb"].get("system"))
        assert receivers.keys() == given.keys()
    assert said == ([] if told is None else ["info"] * 3)
    receivers = {"jsonl": {}}
    gate_module.open_gate_of_runs(context, job, receivers, lambda level, text: said.append(level))
    assert receivers == {"jsonl": {}}


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        ({"mode": "nonsense"}, 0),
        ({"events": 5}, 0),
        ({"events": ["", 5]}, 0),
        ({"policy": {"digits": 0}}, 0),
        ({"policy": 5}, 0),
        ({"mode": "disabled"}, 1),
    ],
)
def test_a_receiver_that_is_told_nonsense_lets_nothing_pass_and_one_that_is_off_does(tmp_path, arguments, passed):
    """As NVFlare's loader makes it; where a job is defined nonsense raises."""
    arguments = {"wandb_args": {"config_type": "dict", "name": "n"}, **arguments}
    receiver, wire = instantiate_class("flarebridge.receiver.BridgeReceiver", arguments), _Wire()
    receiver.handle_event(EventType.START_RUN, _context(tmp_path, identity="site-1", process="CJ"))
    _Engine(_convert(), receiver, wire).log("metrics", {"loss": 1})
    assert len(wire.sent) == passed


def test_a_receivers_policy_is_checked_where_the_job_is_defined():
    for wrong in ({"digits": 0}, {"kinds": "all"}, {"unknown": 1}, {"include": 5}, ["loss"]):
        with pytest.raises(ValueError):
            BridgeReceiver(wandb_args={"name": "n"}, policy=wrong)


def test_what_a_sites_policy_makes_of_a_receiver_reaches_the_bridge_and_is_told(tmp_path, caplog):
    context = _context(tmp_path, identity="site-1", process="CJ")
    (tmp_path / "local" / "flarebridge.json").write_text('{"kinds": ["scalars"]}')
    given = {"name": "n", "system": True}
    receiver = BridgeReceiver(receivers={"wandb": given, "jsonl": {}}, endpoint="ipc:///nowhere", process_timeout=0.1)
    try:
        with caplog.at_level(logging.INFO):
            receiver.handle_event(EventType.START_RUN, context)
        opened = msgpack.unpackb(receiver._link._queue[0])
        assert opened[-1]["wandb"]["system"] is False
        assert given["system"] is True  # the job's own are not changed
        assert "flarebridge: n of site-1: W&B runs that are written here tell nothing of this machine" in caplog.text
    finally:
        receiver.handle_event(EventType.END_RUN, context)


@pytest.mark.parametrize("federated", [False, True])
def test_a_receiver_of_the_local_name_alone_asks_for_an_external_trainers_records_too(tmp_path, federated):
    wire = _Wire()
    receiver = BridgeReceiver(
        {"name": "n"}, events=["analytix_log_stats"], endpoint="ipc:///nowhere", process_timeout=0.1,
        policy={"exclude": "loss"},
    )  # fmt: skip
    context = _context(tmp_path, identity="site-1", process="CJ")
    receiver.handle_event(EventType.START_RUN, context)
    try:
        engine = _Engine(_convert(), receiver, wire)
        for name in ("loss", "acc"):
            engine.log("metrics", {name: 1}, federated=federated)
        assert [shareable["DXO"]["data"]["track_value"] for shareable in wire.sent] == [{"acc": 1}]
        assert receiver._link.stats()["dropped"] == {"values kept by the site's policy (by name)": 1}
        assert receiver._link.stats()["accepted"] == receiver._opening + 1
    finally:
        receiver.handle_event(EventType.END_RUN, context)


def test_a_receiver_on_the_server_takes_no_policy(tmp_path, caplog):
    receiver = BridgeReceiver(wandb_args={"name": "n"}, policy={"exclude": "a"})
    receiver.handle_event(EventType.START_RUN, _context(tmp_path))
    assert receiver._link is None
    assert "policy is for the receiver of a client" in caplog.text


# --- the book ---


def test_what_is_kept_is_counted_by_name_at_the_site_and_by_reason_for_the_server(tmp_path):
    said: list = []
    gate = _open(tmp_path, {"exclude": "patient*", "max_bytes": {"texts": 3}}, said)
    drops: list = []
    for _ in range(500):
        gate.judge(
            Record("METRICS", "WANDB", "m", {"loss": 1, "patient_age": 7, "note": "long"}, 1, None, None), drops.append
        )
    gate.judge(Record("TEXT", "MLFLOW", "text", "x", None, "report.txt", None), drops.append)
    assert {reason: drops.count(reason) for reason in drops} == {
        "values kept by the site's policy (by name)": 500,
        "values kept by the site's policy (by size: texts)": 500,
        "values kept by the site's policy (by kind: files)": 1,
    }
    assert gate.told() == [
        "'note' 500 times (kept: size, texts)",
        "'patient_age' 500 times (kept: name, scalars)",
        "'report.txt' 1 times (kept: kind, files)",
    ]
    gate.write()
    policy, *lines = _book(tmp_path)
    assert policy["policy"]["the job"]["exclude"] == ["patient*"]
    assert [(line["name"], line["kind"], line["decision"], line["count"]) for line in lines] == [
        ("note", "texts", "kept: size", 500),
        ("patient_age", "scalars", "kept: name", 500),
        ("report.txt", "files", "kept: kind", 1),
    ]
    assert not said
    (file,) = tmp_path.glob(f"*/{FILE}")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


def test_the_book_goes_on_in_the_next_process_and_has_a_bound(tmp_path):
    for _ in range(2):
        for way in ("to the server", "in the site's runs"):
            audit = Audit(str(tmp_path / FILE), way, {}, lambda level, text: None)
            for number in range(5000):
                audit.note(Kept(f"name {number}" * 100, "scalars", "name"))
            audit.note(Kept("name 1" * 100, "scalars", "name"))
            audit.write()
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert len(lines) < 5000
    for way in ("to the server", "in the site's runs"):
        mine = [line for line in lines if line["way"] == way and "count" in line]
        assert sum(line["count"] for line in mine) == 2 * 5001
        assert {line["name"]: line["count"] for line in mine}[("name 1" * 100)[:200]] == 4
    assert (tmp_path / FILE).stat().st_size < 4 << 20
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_two_components_of_one_way_have_a_book_each(tmp_path):
    books = [Audit(str(tmp_path / FILE), "in the site's runs", {}, lambda level, text: None) for _ in range(2)]
    for count, book in enumerate(books, 1):
        for _ in range(count):
            book.note(Kept("a", "scalars", "name"))
        book.close()
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    counts = {line["way"]: line["count"] for line in lines if "count" in line}
    assert counts == {"in the site's runs": 1, "in the site's runs (2)": 2}
    again = Audit(str(tmp_path / FILE), "in the site's runs", {}, lambda level, text: None)
    again.note(Kept("a", "scalars", "name"))
    again.close()
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [line["count"] for line in lines if line["way"] == "in the site's runs" and "count" in line] == [2]


def test_the_book_is_written_within_its_time_and_a_forked_child_leaves_it_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("flarebridge.audit._EVERY", 0.01)
    audit = Audit(str(tmp_path / FILE), "to the server", {}, lambda level, text: None)
    child = os.fork()
    if child == 0:
        audit.note(Kept("child", "scalars", "name"))
        audit.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    audit.note(Kept("parent", "scalars", "name"))
    _wait_for(lambda: "parent" in (tmp_path / FILE).read_text(), "the count in the file")
    assert "child" not in (tmp_path / FILE).read_text()
    audit.close()


def test_a_book_that_can_not_be_written_is_told_once_and_keeps_nothing_from_being_kept(tmp_path):
    (tmp_path / FILE).mkdir()
    said: list = []
    audit = Audit(str(tmp_path / FILE), "to the server", {}, lambda level, text: said.append(level))
    audit.note(Kept("a", "scalars", "name"))
    audit.write()
    assert said == ["warning"]
    assert audit.told()


def test_a_record_that_found_no_room_is_counted_once_when_it_comes_again():
    link, asked = _FakeLink(limit=0), []
    inbox = Inbox(link, lambda event: asked.append(event) or event)
    body = Encoder().data(1.0, "site", "METRIC", "WANDB", "m", 1, 1)
    request = {"session": "1" * 32, "first": 1, "count": 1, "durable": 0, "events": body}
    assert inbox.take("site-1", request)["state"] == "full"
    link.limit = 10
    assert inbox.take("site-1", request)["state"] == "taken"
    assert len(asked) == len(link.events) == 1


# --- no byte of it leaves ---

_SECRETS = ["patient_age", "val/patient_age", "Patient.Age", "PATIENT", "a.b/patient_x", "\uff30atient"]


def _made(chance: random.Random, depth: int = 0):
    """A value, and whether all of it stands below a name that is excluded."""
    kind = chance.choice(["number", "text", "list", "dict", "large"] if depth < 3 else ["number", "text"])
    if kind == "number":
        return chance.random()
    if kind == "text":
        return "open"
    if kind == "large":
        return "x" * chance.choice([10, 600_000])
    if kind == "list":
        return [_made(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    made = {f"key{i}": _made(chance, depth + 1) for i in range(chance.randint(0, 3))}
    if chance.random() < 0.8:
        hidden = chance.choice([_MARKER, [1, _MARKER], {"inner": {"deep": _MARKER}}, _MARKER * 30_000])
        made[chance.choice(_SECRETS)] = hidden
    return made


def _records(chance: random.Random):
    types = ["METRIC", "METRICS", "SCALAR", "SCALARS", "PARAMETER", "PARAMETERS", "TAG", "TAGS", "INIT_DATA", "MODEL"]
    for _ in range(30):
        secret = chance.choice(_SECRETS)
        value = _made(chance)
        extra = chance.choice([None, {"note": "open"}, {secret: _MARKER}, {"more": {secret: _MARKER}}])
        dicts = value if isinstance(value, dict) else {"a": value}
        name = chance.choice(types)
        yield name, "tag", dicts if name.endswith("S") else value, None, extra
        yield chance.choice(types), secret, {"age": _MARKER}, None, extra
        yield "TEXT", chance.choice(["text", secret]), _MARKER, f"out/{secret}.csv", extra
        yield chance.choice(["TEXT", "LOG_RECORD", "IMAGE"]), secret, _MARKER.encode(), None, extra
        media = {"_type": chance.choice(["html-file", "image-file"]), "data": _MARKER.encode(), "caption": _MARKER}
        yield "MEDIA", secret, media, None, extra
        yield "MEDIA", "page", {**media, "in": ["open", secret]}, None, extra
        yield "OPERATION", "a", {"op": "summary", "value": {"open": 1, secret: _MARKER}}, None, extra
        more = {"step_metric": secret, "summary": ["min", _MARKER], "goal": _MARKER, "level": _MARKER, "host": _MARKER}
        operation = chance.choice(["define_metric", "summary", "summary_delete", "run", "alert", _MARKER])
        yield "OPERATION", "a", {"op": operation, **more}, None, extra
        yield "OPERATION", secret, {"op": operation, "text": _MARKER, "value": _MARKER, **more}, None, extra


def _bytes_of(sent) -> bytes:
    return b"".join(pickle.dumps(one) for one in sent)


_RULES = [Rule.of({"kinds": list(KINDS), "max_bytes": 1 << 20}), Rule.of({"exclude": ["patient*"]})]


def _open_gate() -> Gate:
    return Gate(Policy(_RULES), Audit(None, "", {}, lambda level, text: None))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("order", ["fcr", "cfr", "rcf", "cr", "rc"])
def test_no_byte_of_an_excluded_value_is_given_to_a_link_or_a_channel(seed, order):
    """f: forwarder, c: ConvertToFedEvent, r: a client's receiver."""
    forwarder, receiver, wire = _forwarder(_open_gate(), pass_events=True), _client_receiver(), _Wire()
    receiver._gate, receiver._holding = _open_gate(), (_EVENT,)
    receiver._parts = Parts(lambda level, text: None)
    made = {"f": forwarder, "c": _convert(), "r": receiver}
    engine = _Engine(*[made[letter] for letter in order], wire)
    for data_type, tag, value, path, extra in _records(random.Random(seed)):
        for federated in (False, True):
            # As NVFlare's widgets make it, past the checks that some of its versions have.
            shareable = create_analytic_dxo("t", 1.0, AnalyticsDataType.METRIC, global_step=1).to_shareable()
            data = shareable["DXO"]["data"]
            further = {**(extra or {}), "path": path}
            shareable["DXO"]["meta"]["analytics_data_type"] = nvflares_type(data_type, further)
            data.update(track_key=tag, track_value=value, analytics_kwargs=further)
            if path:
                data["path"] = path
            with engine.new_context() as fl_ctx:
                scope = EventScope.FEDERATION if federated else EventScope.LOCAL
                fl_ctx.set_prop(FLContextKey.EVENT_DATA, shareable, private=True, sticky=False)
                fl_ctx.set_prop(FLContextKey.EVENT_SCOPE, scope, private=True, sticky=False)
                engine.fire_event(("fed." if federated else "") + _EVENT, fl_ctx)
    left = b"".join(forwarder._outbox.events) + b"".join(receiver._link.events) + _bytes_of(wire.sent)
    assert _MARKER.encode() not in left
    assert b"open" in left  # what may leave did
    drops = set(forwarder._outbox.drops + receiver._link.drops)
    assert _MARKER not in str(drops)
    assert "atient" not in str(drops)


@pytest.mark.parametrize("order", ["fc", "cf", "cr", "rc", "cfr", "crf"])
def test_what_stays_stays_whatever_a_job_calls_its_events(order):
    forwarder, receiver, wire = _forwarder(_open_gate(), pass_events=True), _client_receiver(), _Wire()
    receiver._gate, receiver._holding = _open_gate(), (_EVENT,)
    receiver.events = [_EVENT]
    convert = ConvertToFedEvent(events_to_convert=[_EVENT], fed_event_prefix="other.")
    made = {"f": forwarder, "c": convert, "r": receiver}
    engine = _Engine(*[made[letter] for letter in order], wire)
    engine.log("metrics", {"loss": 1})
    engine.log("metrics", {"loss": 2, "patient": 17})
    assert [shareable["DXO"]["data"]["track_value"] for shareable in wire.sent] == [{"loss": 1}]
    for letter, taken in (("f", forwarder._outbox), ("r", receiver._link)):
        assert taken.values() == ([{"loss": 1}, {"loss": 2}] if letter in order else [])


@pytest.mark.parametrize("seed", range(20))
def test_no_byte_of_an_excluded_value_of_a_training_process_leaves(seed):
    """Large records come in parts, each of which is judged by itself."""
    forwarder, encoder, outbox = _forwarder(_open_gate()), Encoder(), _FakeOutbox()
    inbox = Inbox(outbox, forwarder._admit_trainers_event)
    first = 1
    for data_type, tag, value, path, extra in _records(random.Random(seed)):
        record = Record(data_type, "WANDB", tag, value, 1, path, extra)
        try:
            events = [encoder.data(1.0, "trainer", *record)]
        except (EventRejected, ValueError):
            events, _ = cut(encoder, 1.0, "trainer", record._replace(data_type=data_type))
        for event in events:
            request = {"session": "1" * 32, "first": first, "count": 1, "durable": 0, "events": event}
            assert inbox.take("site-1", request)["state"] == "taken"
            first += 1
    left = b"".join(outbox.events)
    assert first > 50
    assert _MARKER.encode() not in left
    assert b"open" in left
    assert "atient" not in str(set(forwarder._outbox.drops))


def _under_names(chance: random.Random, depth: int = 0) -> dict:
    """A dict in which whatever does not lie below "open..." has the marker, as a name or as a value."""
    made: dict = {}
    for number in range(chance.randint(1, 3)):
        deeper = depth < 3 and chance.random() < 0.3
        hidden = _under_names(chance, depth + 1) if deeper else chance.choice([1.5, _MARKER, [_MARKER]])
        name, value = chance.choice(
            [(f"open{number}", 0.5), (f"open/{number}", "open"), (_MARKER, hidden), ("other", hidden)]
        )
        made[name] = value
    return made


@pytest.mark.parametrize("seed", range(20))
def test_under_include_no_other_name_leaves_either(seed):
    chance = random.Random(seed)
    rules = [Rule.of({"kinds": list(KINDS)}), Rule.of({"include": ["open*"]})]
    forwarder = _forwarder(Gate(Policy(rules), Audit(None, "", {}, lambda level, text: None)))
    types = ("METRIC", "METRICS", "SCALARS", "PARAMETERS", "TAGS", "TEXT", "INIT_DATA", "MEDIA", "OPERATION", _MARKER)
    for data_type in types * 20:
        value = _under_names(chance)
        if data_type == "OPERATION":
            operation = chance.choice(["define_metric", "summary", "summary_delete", "run", "alert", _MARKER])
            value = {"op": operation, "value": value, "step_metric": _MARKER, "text": _MARKER, "name": _MARKER}
        tag = chance.choice(["metrics", _MARKER] if data_type.endswith("S") else [_MARKER, "other"])
        path = chance.choice([None, f"{_MARKER}.txt"])
        extra = chance.choice([None, {_MARKER: 1}, {"other": _MARKER}, {"open": {"below": 1}}])
        event = Encoder().data(1.0, "trainer", data_type, "WANDB", tag, value, 1, path, extra)
        admitted = forwarder._admit_trainers_event(msgpack.unpackb(event))
        left = forwarder._gate.judge(Record(data_type, "WANDB", tag, value, 1, path, extra), lambda reason: None)
        for sent in (admitted, left):
            assert _MARKER.encode() not in msgpack.packb(sent)
            assert b"other" not in msgpack.packb(sent)


def test_what_a_training_process_sends_beyond_an_event_does_not_leave():
    forwarder = _forwarder(exclude="x")
    event = msgpack.unpackb(
        Encoder().data(1.0, "t", "METRIC", "WANDB", "loss", 1, 1, None, {"receivers": ["a"], "k": 2})
    )
    assert forwarder._admit_trainers_event([*event, _MARKER]) == [
        2,
        1.0,
        "t",
        3,
        3,
        "loss",
        1,
        1,
        None,
        ["a"],
        {"k": 2},
    ]
    for field, bad in ((1, _MARKER), (7, _MARKER), (3, [1])):
        assert forwarder._admit_trainers_event([*event[:field], bad, *event[field + 1 :]]) is None
