"""Somebody presses Stop at a run's page: it is told, or ends the job as NVFlare's components end one."""

import contextlib
import logging
import warnings

import msgpack
import pytest
from flarebridge import BridgeReceiver, add_tracking
from flarebridge.notices import Notices
from flarebridge.stopping import Stopping
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from test_definition import _components, _exported, _job
from test_forwarding_laws import _wait_for
from test_receiver import _context, _end, _FullLink

_ONE, _TWO = (f"the run of site-{number} was asked to stop in W&B (https://server/{number})" for number in (1, 2))


class _Job:
    """A job's process with a receiver of a run that goes on; what NVFlare fires in it reaches the receiver."""

    def __init__(self, folder, monkeypatch, process: str = "SJ", job_id: str = "job-1", **arguments):
        from flarebridge import receiver as module

        self.link = _FullLink()
        self.fired: list[tuple] = []
        monkeypatch.setattr(module, "Link", self._linked)
        self.receiver = BridgeReceiver(wandb_args={"name": "n"}, mode="online", **arguments)
        identity = "server" if process == "SJ" else "site-1"
        context = _context(folder, sites=("site-1", "site-2"), identity=identity, process=process)
        context.get_job_id.return_value = job_id
        self._properties: dict = {}
        context.set_prop.side_effect = lambda key, value, **_how: self._properties.update({key: value})
        self.engine = context.get_engine()
        self.engine.fire_event.side_effect = self._fire
        self.engine.new_context.side_effect = lambda: contextlib.nullcontext(context)
        self.receiver.handle_event(EventType.START_RUN, context)
        assert self.link.started

    def _linked(self, *arguments):
        self.ask = arguments[-1]
        return self.link

    def _fire(self, event_type, context) -> None:
        self.fired.append((event_type, self._properties.get(FLContextKey.EVENT_DATA)))
        self.receiver.handle_event(event_type, context)


def _told(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if "was asked to stop" in record.getMessage()]


def test_by_default_it_is_told_once_of_each_run_and_training_goes_on(tmp_path, monkeypatch, caplog):
    job = _Job(tmp_path, monkeypatch)
    for words in (_ONE, _ONE, _TWO, _ONE):  # the bridge repeats it to a link that comes again
        job.ask(words)
    goes_on = 'training goes on: on_stop="abort" would end the job'
    assert _told(caplog) == [f"flarebridge: n: {_ONE}; {goes_on}", f"flarebridge: n: {_TWO}; {goes_on}"]
    assert not job.fired
    _end(job.receiver, caplog)
    assert msgpack.unpackb(job.link.events[-1])[2] == 0


def test_with_abort_the_job_ends_once_by_nvflares_fatal_error_and_its_runs_as_failed(tmp_path, monkeypatch, caplog):
    job = _Job(tmp_path, monkeypatch, on_stop="abort")
    for words in (_ONE, _TWO, _ONE):
        job.ask(words)
    ends = 'that ends the job: on_stop="abort"'
    assert _told(caplog)[:2] == [f"flarebridge: n: {_ONE}; {ends}", f"flarebridge: n: {_TWO}; {ends}"]
    _wait_for(lambda: job.receiver._aborted, "the fatal error")
    assert job.fired == [(EventType.FATAL_SYSTEM_ERROR, f'flarebridge: {_ONE}, and on_stop="abort"')]
    _end(job.receiver, caplog)
    assert msgpack.unpackb(job.link.events[-1])[2:] == [1, "the job was aborted"]


def test_on_a_client_abort_ends_its_part_of_the_job(tmp_path, monkeypatch, caplog):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "flarebridge.json").write_text('{"kinds": ["scalars", "system"]}')
    job = _Job(tmp_path, monkeypatch, process="CJ", on_stop="abort")
    job.ask(_ONE)
    _wait_for(lambda: job.fired, "the fatal error")
    assert (
        _told(caplog)[0] == f'flarebridge: n of site-1: {_ONE}; that ends this site\'s part of the job: on_stop="abort"'
    )


@pytest.mark.parametrize("on_stop", ["warn", "abort"])
def test_on_a_client_of_the_simulator_whose_server_would_wait_for_it_nothing_ends(
    tmp_path, monkeypatch, caplog, on_stop
):
    job = _Job(tmp_path, monkeypatch, process="CJ", job_id="simulate_job", on_stop=on_stop)
    job.ask(_ONE)
    (told,) = _told(caplog)
    assert told.endswith(
        f"{_ONE}; training goes on: in NVFlare's simulator only a receiver on the server can end the job "
        '(on_stop="abort")'
    )
    assert not job.fired


@pytest.mark.parametrize("on_stop", ["warn", "abort"])
def test_a_run_that_is_over_is_not_stopped(tmp_path, monkeypatch, caplog, on_stop):
    job = _Job(tmp_path, monkeypatch, on_stop=on_stop)
    _end(job.receiver, caplog)
    job.ask(_ONE)
    assert not _told(caplog)
    assert not job.fired


def test_a_second_run_of_the_same_component_is_asked_anew(tmp_path, monkeypatch, caplog):
    job = _Job(tmp_path, monkeypatch)
    job.ask(_ONE)
    _end(job.receiver, caplog)
    job.receiver.handle_event(EventType.START_RUN, _context(tmp_path))
    job.ask(_ONE)
    assert len(_told(caplog)) == 2


def test_a_job_that_can_not_be_ended_is_one_error_that_says_what_to_do(caplog):
    said = []
    stopping = Stopping(object(), lambda level, text: said.append((level, text)))
    stopping.begin("abort", object(), server=True, simulated=False)  # which has no contexts
    stopping.asked(_ONE)
    _wait_for(lambda: len(said) == 2, "the error")
    level, text = said[1]
    assert level == "error"
    assert text.startswith("the job can't be ended (AttributeError: ")
    assert text.endswith("; abort the job in NVFlare's console")


def test_what_asks_for_a_stop_goes_to_who_listens_and_is_words_for_others():
    said, asked = [], []
    listening = Notices(lambda *it: said.append(it), asked.append)
    listening.take(2, _ONE, 1)
    listening.take(2, _TWO, 1, "a later field")
    assert (asked, said) == ([_ONE, _TWO], [])
    listening.take(3, "no space left")  # as older bridges send all of theirs
    listening.take(2, "of a later kind", 7)
    assert said == [("error", "no space left"), ("warning", "of a later kind")]
    assert listening.errors == 1
    Notices(lambda *it: said.append(it)).take(2, _ONE, 1)
    assert said[-1] == ("warning", _ONE)


def test_what_is_neither_warn_nor_abort_is_refused_in_a_definition_and_told_in_a_job(tmp_path, caplog):
    for wrong in ("stop", None, True, ["warn"]):
        with pytest.raises(ValueError, match='on_stop .* is not known; use "warn" or "abort"'):
            add_tracking(_job("site-1"), wandb_args={"name": "n"}, on_stop=wrong)
    receiver = BridgeReceiver(wandb_args={"name": "n"})
    receiver.on_stop = "stop"
    with caplog.at_level(logging.INFO):
        receiver.handle_event(EventType.START_RUN, _context(tmp_path))
    assert "tracking is off: on_stop 'stop' is not known" in caplog.text


def test_it_reaches_the_receivers_of_both_sides_and_an_exported_job(tmp_path):
    job = _job("site-1", "site-2")
    own = {"site-2": {"on_stop": "warn"}}
    add_tracking(job, {"name": "n"}, mode="online", client_side=True, per_site=own, on_stop="abort")
    receivers = [_components(job, site)[name] for site, name in
                 (("server", "receiver"), ("site-1", "client_receiver"), ("site-2", "client_receiver"))]  # fmt: skip
    assert [receiver.on_stop for receiver in receivers] == ["abort", "abort", "warn"]
    (given,) = [part["receiver"]["args"] for part in _exported(job, tmp_path).values() if "receiver" in part]
    assert BridgeReceiver(**given).on_stop == "abort"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"on_stop": "abort"}, 1),
        ({"on_stop": "abort", "receivers": {"jsonl": {}}}, 1),
        ({"on_stop": "abort", "receivers": {"wandb": {"mode": "online"}, "jsonl": {}}}, 0),
        ({"on_stop": "abort", "mode": "online"}, 0),
        ({"on_stop": "abort", "mode": "disabled"}, 0),
        ({"on_stop": "warn"}, 0),
    ],
)
def test_abort_where_nobody_can_ask_for_it_is_told_to_the_author(arguments, told):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BridgeReceiver(**arguments)
    assert ['on_stop="abort" changes nothing here' in str(warning.message) for warning in caught] == [True] * told
