"""BridgeReceiver as NVFlare treats it: driven by events, given bad arguments."""

import json
import logging
import time
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.dxo import from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.server_engine_spec import ServerEngineSpec
from nvflare.apis.workspace import Workspace
from nvflare.app_common.widgets.streaming import create_analytic_dxo
from nvflare.fuel.utils.class_utils import instantiate_class

try:
    from nvflare.apis.analytix import LogWriterName
except ImportError:  # NVFlare 2.5
    from nvflare.app_common.tracking.tracker_types import LogWriterName

from flarebridge import BridgeReceiver
from flarebridge.channel import Channel
from flarebridge.events import Encoder


def _context(folder: Path, sites=("site-1",), identity: str = "server", process: str = "SJ") -> FLContext:
    """A job's context as far as the receiver asks it."""
    (folder / "startup").mkdir(parents=True, exist_ok=True)
    (folder / "local").mkdir(exist_ok=True)
    engine = MagicMock(spec=ServerEngineSpec if process == "SJ" else None)
    engine.get_workspace = MagicMock()
    engine.get_workspace.return_value = Workspace(str(folder), site_name=identity)
    clients = []
    for site in sites:
        client = MagicMock()
        client.name = site
        clients.append(client)
    engine.get_clients.return_value = clients
    context = MagicMock(spec=FLContext)
    context.get_engine.return_value = engine
    context.get_job_id.return_value = "job-1"
    context.get_identity_name.return_value = identity
    if hasattr(FLContext, "get_process_type"):  # from NVFlare 2.6 on
        context.get_process_type.return_value = process
    context.get_run_abort_signal.return_value = None
    context.get_peer_context.return_value = None
    context.get_prop.side_effect = lambda key, default=None: default
    return context


def _shareable(tag="loss", value=0.5, data_type=AnalyticsDataType.METRIC, step=3, writer=LogWriterName.WANDB):
    return create_analytic_dxo(tag, value, data_type, writer=writer, global_step=step).to_shareable()


class _FakeLink:
    """Keeps what it is given."""

    connected = True
    unacknowledged = 0

    def __init__(self):
        self.events, self.drops = [], []

    def offer(self, event: bytes) -> bool:
        self.events.append(event)
        return True

    def count_drop(self, reason: str) -> None:
        self.drops.append(reason)


def _receiver_with_link() -> BridgeReceiver:
    receiver = BridgeReceiver(wandb_args={"name": "n"})
    receiver._link, receiver._encoder, receiver._names, receiver._channel = _FakeLink(), Encoder(), {}, Channel()
    return receiver


def _decoded(receiver: BridgeReceiver) -> list:
    import msgpack

    return [msgpack.unpackb(event) for event in receiver._link.events]


@pytest.mark.parametrize("writer", [LogWriterName.TORCH_TB, LogWriterName.MLFLOW, LogWriterName.WANDB])
def test_records_of_every_writer_are_sent_as_they_are(writer):
    receiver = _receiver_with_link()
    receiver.save(None, _shareable(data_type=AnalyticsDataType.SCALAR, writer=writer), "site-1")
    ((kind, _time, site, data_type, code, tag, value, step),) = _decoded(receiver)
    assert (kind, site, data_type, tag, value, step) == (2, "site-1", 1, "loss", 0.5, 3)
    assert code == {LogWriterName.TORCH_TB: 1, LogWriterName.MLFLOW: 2, LogWriterName.WANDB: 3}[writer]


def test_the_record_itself_is_not_changed():
    receiver = _receiver_with_link()
    shareable = _shareable()
    before = json.dumps(from_shareable(shareable).data, default=str)
    receiver.save(None, shareable, "site-1")
    assert json.dumps(from_shareable(shareable).data, default=str) == before


def test_the_senders_time_is_taken_where_the_event_has_one():
    receiver = _receiver_with_link()
    shareable = _shareable()
    shareable.set_header("_timestamp", 1789000000.5)
    receiver.save(None, shareable, "site-1")
    assert _decoded(receiver)[0][1] == 1789000000.5


def test_a_record_that_makes_no_sense_is_counted_and_raises_nothing():
    receiver = _receiver_with_link()
    broken = _shareable()
    del broken["DXO"]["data"]["track_key"]
    for shareable in (broken, {}, _shareable(value=0.5, step=None)):
        receiver.save(None, shareable, "site-1")
    assert len(receiver._link.drops) == 2
    assert len(receiver._link.events) == 1


def test_the_run_is_held_open_while_events_are_unacknowledged():
    receiver = _receiver_with_link()
    context = MagicMock()
    receiver.handle_event(EventType.CHECK_END_RUN_READINESS, context)
    context.set_prop.assert_not_called()
    receiver._link.unacknowledged = 5
    receiver.handle_event(EventType.CHECK_END_RUN_READINESS, context)
    context.set_prop.assert_called_once_with(FLContextKey.NOT_READY_TO_END_RUN, True, private=True, sticky=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"wandb_args": ["name"]}, "wandb_args must be a dict"),
        ({"mode": "sometimes"}, "mode 'sometimes' is not known"),
        ({"process_timeout": 0}, "process_timeout must be a number above 0"),
        ({"buffer_bytes": True}, "buffer_bytes must be a number above 0"),
        ({"endpoint": "localhost:1"}, "must begin with ipc:// or tcp://"),
        ({"receivers": {"wandb": 5}}, "receivers must be a dict"),
        ({"wandb_args": {"project": "team/project"}}, "project = 'team/project': W&B refuses the project name"),
        ({"receivers": {"wandb": {"dir": 7}}}, "dir = 7; it must be a text"),
        ({"wandb_args": {"name": "n", "api_key": "0123"}}, "a key does not belong into a job"),
        ({"receivers": {"wandb": {"settings": {"WANDB_API_KEY": "0123"}}}}, "a key does not belong into a job"),
    ],
)
def test_a_bad_argument_is_one_error_at_the_start_and_nothing_else(tmp_path, caplog, arguments, words):
    # Never raises where a job is loaded.
    receiver = instantiate_class("flarebridge.receiver.BridgeReceiver", arguments)
    context = _context(tmp_path)
    with caplog.at_level(logging.INFO):
        receiver.handle_event(EventType.START_RUN, context)
        receiver.handle_event("analytix_log_stats", context)
        receiver.handle_event(EventType.END_RUN, context)
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    ours = [error for error in errors if "flarebridge" in error]
    assert len(ours) == 1
    assert words in ours[0]
    assert "0123" not in caplog.text


def test_disabled_starts_nothing(tmp_path):
    receiver = BridgeReceiver(mode="disabled")
    receiver.handle_event(EventType.START_RUN, _context(tmp_path))
    assert receiver._link is None
    receiver.save(None, _shareable(), "site-1")


def test_a_missing_program_is_one_error_and_the_rest_is_counted(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("FLAREBRIDGE_BINARY", str(tmp_path / "missing"))
    receiver = BridgeReceiver(wandb_args={"name": "n"}, process_timeout=5)
    context = _context(tmp_path)
    with caplog.at_level(logging.INFO):
        receiver.handle_event(EventType.START_RUN, context)
        link = receiver._link
        link._thread.join(10)
        for _ in range(10):
            receiver.save(None, _shareable(), "site-1")
        receiver.handle_event(EventType.END_RUN, context)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "FLAREBRIDGE_BINARY" in errors[0].getMessage()
    assert "dropped: bridge not available" in caplog.records[-1].getMessage()
    assert link.stats()["dropped"]["bridge not available"] >= 10


def test_a_second_start_run_without_an_end_goes_on_with_the_same_run(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAREBRIDGE_BINARY", str(tmp_path / "missing"))
    receiver = BridgeReceiver(wandb_args={"name": "n"}, process_timeout=1)
    context = _context(tmp_path)
    receiver.handle_event(EventType.START_RUN, context)
    link = receiver._link
    receiver.handle_event(EventType.START_RUN, context)
    assert receiver._link is link
    receiver.handle_event(EventType.END_RUN, context)
    receiver.handle_event(EventType.START_RUN, context)
    assert receiver._link is not link  # after an end it is a new one
    receiver.handle_event(EventType.END_RUN, context)


def test_end_run_takes_no_longer_than_process_timeout_whatever_the_bridge_does(tmp_path, monkeypatch):
    """One bound over all sites; here the bridge never answers."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    program.chmod(0o755)
    monkeypatch.setenv("FLAREBRIDGE_BINARY", str(program))
    receiver = BridgeReceiver(wandb_args={"name": "n"}, process_timeout=1.5)
    receiver.handle_event(EventType.START_RUN, _context(tmp_path, sites=[f"site-{i}" for i in range(100)]))
    launcher = receiver._process
    for i in range(100):
        receiver.save(None, _shareable(), f"site-{i}")
    began = time.monotonic()
    receiver.handle_event(EventType.END_RUN, _context(tmp_path))
    assert time.monotonic() - began < 10
    launcher._launcher.kill()
    launcher._launcher.wait()


class _FullLink(_FakeLink):
    """A link with what a run's beginning and end need."""

    def __init__(self, unwritten=None, errors: int = 0, finish: str = ""):
        super().__init__()
        self.unwritten, self.errors, self.finish, self.waits = unwritten, errors, finish, []
        self.started = False

    def put(self, event: bytes) -> int:
        return self.offer(event)

    put_last = put

    def start(self) -> None:
        self.started = True

    def wait_acknowledged(self, seconds: float) -> bool:
        return True

    def wait_written(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return not self.unwritten

    def close(self, seconds: float) -> None: ...

    def stats(self) -> dict:
        return {
            "accepted": len(self.events), "acknowledged": len(self.events), "unwritten": self.unwritten,
            "errors": self.errors, "finish": self.finish, "rejected": 0, "resent": 0, "connections": 1,
            "bridge_starts": 1, "dropped": {}, "off": None,
        }  # fmt: skip


def _started(tmp_path, monkeypatch, link=None, **arguments) -> BridgeReceiver:
    """A receiver behind START_RUN, with a link that only keeps what it is given."""
    from flarebridge import receiver as module

    link = link or _FullLink()
    monkeypatch.setattr(module, "Link", lambda *_arguments: link)
    receiver = BridgeReceiver(**arguments)
    receiver.handle_event(EventType.START_RUN, _context(tmp_path, sites=("site-1", "site-2")))
    assert link.started
    return receiver


def _end(receiver, caplog) -> str:
    with caplog.at_level(logging.INFO):
        receiver.handle_event(EventType.END_RUN, MagicMock())
    return caplog.records[-1].levelname + ": " + caplog.records[-1].getMessage()


@pytest.mark.parametrize("unwritten", [7, None])
def test_the_last_line_says_what_finishes_runs_whose_arguments_are_refused(tmp_path, monkeypatch, caplog, unwritten):
    command = "flarebridge serve --own --state /s --set wandb.project=PROJECT"
    link = _FullLink(unwritten=unwritten, errors=1, finish=command)
    said = _end(_started(tmp_path, monkeypatch, link, wandb_args={"name": "n"}), caplog)
    assert said.startswith("WARNING")
    assert f"{unwritten or 'some'} of them can't be written with the arguments that they have" in said
    assert said.endswith(f"with: {command}")


def test_where_the_runs_are_is_said_before_the_last_line(tmp_path, monkeypatch, caplog):
    page = "View group at https://wandb.ai/t/p/groups/n-job-1"
    receiver = _started(tmp_path, monkeypatch, wandb_args={"name": "n"}, mode="online")
    receiver._say("info", page)
    assert " safe on this machine's disk" in _end(receiver, caplog)
    assert [record.getMessage() for record in caplog.records[-2:-1]] == [f"flarebridge: n: {page}"]
    caplog.clear()
    _end(_started(tmp_path, monkeypatch, wandb_args={"name": "n", "dir": str(tmp_path)}), caplog)
    assert caplog.records[-2].getMessage() == f"flarebridge: n: upload the runs with: flarebridge sync {tmp_path}"


def test_a_name_counts_wherever_it_is_given(tmp_path, monkeypatch):
    mine = {"name": "mine"}
    for arguments in (
        {"receivers": {"wandb": mine}}, {"wandb_args": mine}, {"receivers": {"wandb": {}}, "wandb_args": mine},
        {"kwargs": mine},
    ):  # fmt: skip
        receiver = _started(tmp_path, monkeypatch, **arguments)
        assert _decoded(receiver)[0][3] == "mine"


def test_a_relative_folder_stays_where_the_author_of_the_job_meant_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"dir": "my_logs"}
    made = [
        BridgeReceiver(wandb_args=given), BridgeReceiver(kwargs=given), BridgeReceiver(receivers={"wandb": given})
    ]  # fmt: skip
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [receiver._checked_receivers()["wandb"]["dir"] for receiver in made] == [f"{tmp_path}/my_logs"] * 3
    assert given == {"dir": "my_logs"}


def test_a_config_that_is_larger_than_an_event_comes_in_parts_for_every_site(tmp_path, monkeypatch):
    config = {f"key{i}": "x" * 1000 for i in range(3000)}
    receiver = _started(tmp_path, monkeypatch, wandb_args={"name": "n", "config": {**config, "job_id": "not mine"}})
    events = _decoded(receiver)
    assert [event[0] for event in events[:2]] == [0, 1]
    assert events[0][6]["wandb"]["config"] is None
    for site in ("site-1", "site-2"):
        parts = [event for event in events if event[0] == 2 and event[2] == site]
        assert len(parts) > 1
        assert {(part[3], part[7], tuple(part[9])) for part in parts} == {(6, None, ("wandb",))}
        whole: dict = {}
        for part in parts:
            whole.update(part[6])
        assert whole == config


def test_a_config_that_fits_goes_with_the_session(tmp_path, monkeypatch):
    receiver = _started(tmp_path, monkeypatch, wandb_args={"name": "n", "config": {"lr": 0.1}})
    events = _decoded(receiver)
    assert [event[0] for event in events] == [0, 1, 1]
    assert events[0][6]["wandb"]["config"] == {"lr": 0.1}


def test_a_record_that_is_larger_than_an_event_arrives_in_parts(tmp_path, monkeypatch, caplog):
    receiver = _started(tmp_path, monkeypatch, wandb_args={"name": "n"})
    value = {f"layer{i}/norm": 0.5 for i in range(60000)}
    shareable = _shareable(value=value, data_type=AnalyticsDataType.METRICS)
    shareable["DXO"]["data"]["track_value"] = {**value, "deep": "x" * (2 << 20)}  # NVFlare 2.9 would not make it
    receiver.save(None, shareable, "site-1")
    parts = [event for event in _decoded(receiver) if event[0] == 2]
    whole: dict = {}
    for part in parts:
        assert part[7] == 3
        whole.update(part[6])
    assert whole == value
    assert receiver._link.drops == ["no event can hold it"]
    assert "'deep'" in caplog.text  # told at once


@pytest.mark.parametrize(
    ("pid", "environment", "seconds"), [(77, None, 2.0), (1, None, 10.0), (77, "written", 10.0), (77, "else", 2.0)]
)
def test_the_end_waits_for_writing_as_long_as_its_process_is_needed(
    tmp_path, monkeypatch, caplog, pid, environment, seconds
):
    link = _FullLink(unwritten=0)
    receiver = _started(tmp_path, monkeypatch, link, wandb_args={"name": "n"})
    monkeypatch.setattr("os.getpid", lambda: pid)
    if environment is not None:
        monkeypatch.setenv("FLAREBRIDGE_WAIT", environment)
    assert _end(receiver, caplog).startswith("INFO: flarebridge: n: 0 logged records of 2 runs safe on this machine's")
    (waited,) = link.waits
    assert seconds - 0.5 < waited <= seconds


def test_what_is_in_no_run_is_never_called_delivered(tmp_path, monkeypatch, caplog):
    receiver = _started(tmp_path, monkeypatch, _FullLink(unwritten=3), wandb_args={"name": "n"})
    said = _end(receiver, caplog)
    assert said.startswith("WARNING")
    assert "3 of them are not in their runs yet" in said
    assert f"flarebridge serve --own --state {tmp_path}" in said
    receiver = _started(tmp_path, monkeypatch, _FullLink(errors=2), wandb_args={"name": "n"})
    said = _end(receiver, caplog)
    assert said.startswith("WARNING")
    assert "the bridge told 2 errors" in said


def test_arguments_of_wandb_init_that_change_nothing_are_named(tmp_path, monkeypatch, caplog):
    _started(tmp_path, monkeypatch, wandb_args={"name": "n", "resume": "allow", "save_code": True})
    assert "change nothing here: resume, save_code" in caplog.text


def test_simulated_jobs_have_the_second_of_their_start_as_id_in_all_processes(tmp_path):
    from flarebridge.job import job_identity

    contexts = [_context(tmp_path / place) for place in ("server", "site-1", "site-2")]
    for context in contexts:
        context.get_job_id.return_value = "simulate_job"
    ids = {job_identity(context) for context in contexts}
    assert len(ids) == 1
    second, _name, instance = ids.pop()
    assert abs(int(second) - time.time()) < 60
    other = _context(tmp_path / "other" / "server")
    other.get_job_id.return_value = "simulate_job"
    assert job_identity(other)[2] != instance
