"""What is wrong with a job's tracking is said where the job is defined; its components are copied and loaded whole."""

import copy
import json
import logging
import pickle
import warnings

import pytest
from flarebridge import BridgeForwarder, BridgeReceiver, BridgeWriter, add_tracking
from nvflare.apis.event_type import EventType
from nvflare.fuel.utils.class_utils import instantiate_class
from nvflare.job_config.api import FedJob
from nvflare.widgets.widget import Widget
from test_receiver import _context

_KEY = "0123456789abcdef" * 2 + "01234567"


class _SomeWidget(Widget):
    pass


def _job(*sites) -> FedJob:
    job = FedJob(name="defined")
    for site in sites:
        job.to(_SomeWidget(), site, id="widget")
    return job


def _components(job, target) -> dict:
    return job._deploy_map[target].get_app_config().components


def _exported(job, folder) -> dict:
    """The exported job's configurations, by app and name."""
    job.export_job(str(folder))
    return {
        f"{path.parts[-3]}/{path.stem}": {part["id"]: part for part in json.loads(path.read_text())["components"]}
        for path in folder.rglob("config_fed_*.json")
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mode": "onlin"}, "mode 'onlin' is not known"),
        ({"mode": {"project": "p"}}, "mode is a dict; give an old WandBReceiver's arguments by name"),
        ({"endpoint": "localhost:5"}, "endpoint 'localhost:5' must begin with"),
        ({"receivers": {"tensorboard": {}}}, "'tensorboard', which is not known"),
        ({"receivers": {"wand": {}}}, "is it 'wandb'?"),
        ({"wandb_args": {"projekt": "p"}}, "'projekt', which is not known; is it 'project'?"),
        ({"wandb_args": {"api_key": "x"}}, "'api_key': a key does not belong into a job"),
        ({"events": "analytix_log_stats"}, "events must be a list of names"),
        ({"events": []}, "events must be a list of names"),
        ({"process_timeout": "10"}, "process_timeout must be a number above 0, not '10'"),
        ({"process_timeout": float("inf")}, "process_timeout must be a number above 0"),
        ({"process_timeout": float("nan")}, "process_timeout must be a number above 0"),
        ({"buffer_bytes": -1}, "buffer_bytes must be a number above 0, not -1"),
        ({"curve_key": 5}, "curve_key must be the name of a file"),
        ({"wandb_args": {}, "kwargs": {}}, "two names of one argument"),
        ({"config": [1]}, "config must be a dict, not list"),
        ({"wandb_args": {"config": {}}, "config": {"lr": 1}}, "config is given twice"),
    ],
)
def test_a_wrong_argument_raises_in_a_definition_and_adds_nothing(arguments, words):
    with pytest.raises(ValueError, match=".") as caught:
        BridgeReceiver(**arguments)
    assert words in str(caught.value)
    job = _job("site-1")
    with pytest.raises(ValueError, match=".") as caught:
        add_tracking(job, client_side=True, **arguments)
    assert words in str(caught.value)
    assert list(job._deploy_map) == ["site-1"]
    assert list(_components(job, "site-1")) == ["widget"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"exclude": 5}, "exclude must be a glob"),
        ({"include": [1]}, "include must be a glob"),
        ({"policy": 5}, "policy must be a dict"),
        ({"policy": {"exclude": "a"}}, "policy has 'exclude', which is an argument of its own"),
        ({"policy": {"kinds": ["scalar"]}}, "kinds names 'scalar', which is not known"),
        ({"process_timeout": 0}, "process_timeout must be"),
        ({"buffer_bytes": None}, "buffer_bytes must be"),
        ({"pass_events": "no"}, "pass_events must be True or False, not 'no'"),
        ({"trainer_link": 1}, "trainer_link must be True or False"),
    ],
)
def test_a_forwarders_wrong_argument_raises_in_a_definition_and_is_told_in_a_job(arguments, words, caplog, tmp_path):
    with pytest.raises(ValueError, match=words):
        BridgeForwarder(**arguments)
    loaded = instantiate_class("flarebridge.forwarder.BridgeForwarder", arguments)
    with caplog.at_level(logging.ERROR):
        loaded.handle_event(EventType.START_RUN, _context(tmp_path, identity="site-1", process="CJ"))
    assert words in caplog.text


def test_events_that_are_no_list_are_one_error_in_a_job(caplog, tmp_path):
    loaded = instantiate_class("flarebridge.receiver.BridgeReceiver", {"events": 5})
    with caplog.at_level(logging.ERROR):
        for event in (EventType.START_RUN, "analytix_log_stats", EventType.END_RUN):
            loaded.handle_event(event, _context(tmp_path))
    assert caplog.text.count("events must be a list") == len(caplog.records) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"server_side": False}, ValueError, "nobody would write the runs"),
        ({"process_timout": 5}, TypeError, "no argument 'process_timout'; is it 'process_timeout'?"),
        ({"exclude": 5}, ValueError, "exclude must be a glob"),
        ({"clients": "site-1"}, TypeError, "clients must be a list"),
        ({"clients": []}, ValueError, "clients is empty"),
        ({"clients": ["site-1", "site-1"]}, ValueError, "twice"),
        ({"clients": ["site-3"]}, ValueError, "the job's clients are site-1, site-2; is it"),
        ({"clients": ["server"]}, ValueError, "'server', which is no client"),
        ({"per_site": ["site-1"]}, TypeError, "per_site must be a dict"),
        ({"per_site": {"site-9": {}}}, ValueError, "per_site names 'site-9'"),
        ({"per_site": {"site-1": {"mode": "online"}}}, ValueError, "'mode', which needs client_side=True"),
        ({"per_site": {"site-1": {"moed": "online"}}, "client_side": True}, TypeError, "is it 'mode'?"),
        ({"per_site": {"site-1": {"exclude": "x"}}, "forward": False}, ValueError, "needs forward=True"),
        ({"per_site": {"site-1": {"exclude": 5}}}, ValueError, "exclude must be a glob"),
        ({"policy": {"digits": 0}}, ValueError, "digits must be a whole number"),
        ({"policy": {"digits": 3}, "forward": False}, ValueError, "they need forward=True"),
        ({"per_site": {"site-1": {"policy": {"digits": 0}}}}, ValueError, "digits must be a whole number"),
        ({"per_site": {"site-1": {"policy": 5}}, "policy": {"digits": 3}}, ValueError, "policy must be a dict"),
        ({"per_site": {"site-1": {"policy": {}}}, "forward": False}, ValueError, "needs forward=True"),
    ],
)
def test_what_add_tracking_can_not_carry_out_adds_nothing(arguments, error, words):
    job = _job("site-1", "site-2")
    with pytest.raises(error, match=".") as caught:
        add_tracking(job, **arguments)
    assert words in str(caught.value)
    assert sorted(job._deploy_map) == ["site-1", "site-2"]
    assert list(_components(job, "site-1")) == ["widget"]


def test_what_is_no_job_is_said():
    with pytest.raises(TypeError, match="needs a FedJob or a recipe, not str"):
        add_tracking("x")


def test_tracking_twice_is_an_error_and_each_side_counts_for_itself():
    job = add_tracking(_job("site-1"), wandb_args={"name": "n"})
    with pytest.raises(ValueError, match="has a BridgeReceiver for server already"):
        add_tracking(job, wandb_args={"name": "n"})
    add_tracking(job, server_side=False, client_side=True)
    with pytest.raises(ValueError, match="has a BridgeReceiver for site-1 already"):
        add_tracking(job, server_side=False, client_side=True)
    assert list(_components(job, "server")) == ["receiver"]
    assert list(_components(job, "site-1")) == ["widget", "forwarder", "client_receiver"]


def test_named_clients_alone_are_tracked_and_each_may_have_its_own_arguments():
    job = _job("site-1", "site-2", "site-3")
    own = {"site-2": {"exclude": "age*", "mode": "disabled", "wandb_args": {"notes": "second"}}}
    add_tracking(
        job, wandb_args={"name": "n"}, client_side=True, exclude="id*", clients=["site-1", "site-2"], per_site=own
    )
    first, second = (_components(job, site) for site in ("site-1", "site-2"))
    assert list(_components(job, "site-3")) == ["widget"]
    assert (first["forwarder"].exclude, second["forwarder"].exclude) == ("id*", "age*")
    assert (first["client_receiver"].mode, second["client_receiver"].mode) == ("offline", "disabled")
    assert second["client_receiver"].wandb_args == {"config_type": "dict", "name": "n", "notes": "second"}
    assert first["client_receiver"].wandb_args == {"config_type": "dict", "name": "n"}
    with pytest.raises(ValueError, match="one app for all clients"):
        add_tracking(_job("@ALL"), clients=["site-1"])


def test_a_site_may_have_a_policy_of_its_own_which_both_of_its_components_have():
    job = _job("site-1", "site-2")
    own = {"site-2": {"exclude": "age*", "policy": {"kinds": ["scalars"]}}}
    add_tracking(
        job, {"name": "n"}, client_side=True, include="loss", exclude="id*", policy={"digits": 3}, per_site=own
    )
    first, second = (_components(job, site) for site in ("site-1", "site-2"))
    assert (first["forwarder"].include, first["forwarder"].exclude) == ("loss", "id*")
    assert first["forwarder"].policy == {"digits": 3}
    assert first["client_receiver"].policy == {"include": "loss", "exclude": "id*", "digits": 3}
    assert (second["forwarder"].include, second["forwarder"].exclude) == ("loss", "age*")
    assert second["forwarder"].policy == {"digits": 3, "kinds": ["scalars"]}
    assert second["client_receiver"].policy == {
        "include": "loss", "exclude": "age*", "digits": 3, "kinds": ["scalars"]
    }  # fmt: skip
    assert _components(job, "server")["receiver"].policy is None
    job = _job("site-1")
    own = {"site-1": {"exclude": "age*"}}
    add_tracking(job, {"name": "n"}, server_side=False, client_side=True, forward=False, per_site=own)
    assert _components(job, "site-1")["client_receiver"].policy == {"exclude": "age*"}


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": "x"},
        {"config": {"wandb": {"WANDB_API_KEY": "x"}}},
        {"config": {"Api-Key": "x"}},
        {"config": {"password": "x"}},
        {"config": {"auth": [{"access_token": "x"}]}},
        {"notes": "my key is wandb_v1_" + "Ab1" * 20},
        {"tags": ["local-" + _KEY]},
        {"config": {"wandb_key": _KEY}},
        {"config": {"token": _KEY}},
    ],
)
def test_what_looks_like_a_key_is_refused_before_it_is_written_anywhere(given):
    for arguments in ({"wandb_args": given}, {"kwargs": given}, {"receivers": {"wandb": given}}):
        with pytest.raises(ValueError, match="does not belong into a job") as caught:
            BridgeReceiver(**arguments)
        assert _KEY not in str(caught.value)
        assert "Ab1Ab1" not in str(caught.value)


def test_what_models_call_keys_and_tokens_is_no_secret():
    config = {
        "num_key_value_heads": 8, "max_tokens": 512, "pad_token": "<pad>", "key": "value", "commit": _KEY,
        "api_key": None, "save_password": False,
    }  # fmt: skip
    assert BridgeReceiver(wandb_args={"config": config}).wandb_args["config"] == config


def test_every_signature_of_wandb_receiver_is_taken():
    """By name: with config beside kwargs, with kwargs alone (NVFlare 2.5), with wandb_args."""
    whole = {"config_type": "dict", "project": "p", "job_type": "j", "config": {"lr": 0.1}}
    rest = {"mode": "offline", "events": ["fed.analytix_log_stats"], "process_timeout": 10}
    for given in (
        {"config": {"lr": 0.1}, "kwargs": {"project": "p", "job_type": "j"}},
        {"kwargs": {"project": "p", "job_type": "j", "config": {"lr": 0.1}}},
        {"wandb_args": {"project": "p", "job_type": "j", "config": {"lr": 0.1}}},
    ):
        before = copy.deepcopy(given)
        for made in (
            BridgeReceiver(**given, **rest),
            instantiate_class("flarebridge.receiver.BridgeReceiver", {**given, **rest}),
        ):
            assert made.wandb_args == whole
            assert (made.kwargs, made.config) == (None, None)
            assert made.events == ["fed.analytix_log_stats"]
        assert given == before
    assert BridgeReceiver(config={"lr": 1})._checked_receivers() == {"wandb": {"config": {"lr": 1}, "mode": "offline"}}


def test_a_run_that_is_called_like_a_class_survives_in_every_way_to_define_a_job(tmp_path):
    """NVFlare's loader would build its own class of that name out of the arguments."""
    from test_tracking import _built

    for number, given in enumerate(({"wandb_args": {"name": "FedAvg"}}, {"kwargs": {"name": "FedAvg"}})):
        job = _job("@ALL")
        job.to_server(BridgeReceiver(**given), id="receiver")
        parts = _exported(job, tmp_path / str(number))
        (receiver,) = (part["receiver"] for part in parts.values() if "receiver" in part)
        assert _built(receiver).wandb_args["name"] == "FedAvg"


def test_arguments_that_change_nothing_are_told_to_the_author_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            add_tracking(_job("site-1"), wandb_args={"resume": "allow", "settings": {}}, client_side=True)
    (told,) = caught
    assert "change nothing here: resume, settings" in str(told.message)
    assert told.filename == __file__


def test_components_are_copied_and_pickled_without_their_run():
    receiver = BridgeReceiver(wandb_args={"name": "n", "config": {"lr": 1}}, process_timeout=3)
    forwarder = BridgeForwarder(exclude=["x"], buffer_bytes=1 << 20)
    receiver._link = forwarder._outbox = forwarder._taker = object()  # as if they ran
    for copied in (copy.deepcopy, copy.copy, lambda it: pickle.loads(pickle.dumps(it))):
        other = copied(receiver)
        assert (other.wandb_args, other.process_timeout, other._link) == (receiver.wandb_args, 3, None)
        assert other._taken != receiver._taken  # each takes a record for itself
        with other._save_lock:
            assert not receiver._save_lock.locked()
        other = copied(forwarder)
        assert (other.exclude, other.buffer_bytes, other._outbox) == (["x"], 1 << 20, None)
        assert other._taker is None
    writer = BridgeWriter()
    assert copy.deepcopy(writer)._id != writer._id != pickle.loads(pickle.dumps(writer))._id


def test_a_job_with_tracking_is_copied_whole():
    job = add_tracking(_job("site-1"), wandb_args={"name": "n"}, client_side=True)
    other = copy.deepcopy(job)
    assert _components(other, "server")["receiver"] is not _components(job, "server")["receiver"]
    assert _components(other, "server")["receiver"].wandb_args["name"] == "n"


def test_a_receivers_save_can_not_be_overridden_without_a_word():
    own = {"save": lambda self, fl_ctx, shareable, record_origin: None}
    for bases, names in (((BridgeReceiver,), own), ((type("Mixin", (), own), BridgeReceiver), {})):
        with pytest.raises(TypeError, match="Mine overrides BridgeReceiver's save"):
            type("Mine", bases, names)
    assert type("Mine", (BridgeReceiver,), {})(wandb_args={"name": "n"}).wandb_args["name"] == "n"
