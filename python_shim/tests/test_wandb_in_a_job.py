"""flarebridge.wandb in an NVFlare client's script: it logs into the site's run, by every way that records take."""

import flarebridge.wandb as wandb
import msgpack
import numpy as np
import pytest
from flarebridge import BridgeForwarder, local_site
from flarebridge.events import Encoder, record_of
from flarebridge.gate import Gate
from flarebridge.nvflare_way import _log, nvflares_type
from flarebridge.policy import Policy
from flarebridge.rules import Rule
from flarebridge.wandb import terminal
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.dxo import from_shareable
from nvflare.app_common.widgets.streaming import create_analytic_dxo
from nvflare.client import api as client_api
from nvflare.fuel.utils import fobs
from test_forwarder import _convert
from test_local_site import LogWriterName, _Client, init  # noqa: F401
from test_receiver import _context


@pytest.fixture(autouse=True)
def _no_run_is_left(monkeypatch):
    monkeypatch.setattr(terminal, "_told", set())
    monkeypatch.setattr(local_site, "_sites", {})  # others' tests leave theirs
    monkeypatch.setattr(client_api, "default_context", None, raising=False)
    monkeypatch.setattr(client_api, "client_api", None, raising=False)
    yield
    wandb.finish()


def _begun(tmp_path, init, *components, **arguments) -> tuple:  # noqa: F811
    client = _Client(tmp_path, *(components or (BridgeForwarder(trainer_link=False),))).start()
    init(client)
    return client, wandb.init(**arguments)


def _events(client: _Client) -> list:
    """type, tag, value and step of what has come to the server."""
    return [(event[3], event[5], event[6], event[7]) for event in map(msgpack.unpackb, client.server.events)]


def test_what_a_script_logs_is_the_sites_records(tmp_path, init, capfd):  # noqa: F811
    client, run = _begun(tmp_path, init, project="mine", config={"lr": 0.1}, tags=["a"], notes="n")
    wandb.log({"loss": 0.5, "n": {"x": 1}})
    wandb.log({"page": wandb.Html("<p>", inject=False), "loss": np.float32(0.25)}, step=7)
    wandb.define_metric("loss", summary="min")
    wandb.summary["best"] = 1
    wandb.config.late = 2
    print("a line")
    wandb.finish()
    client.end()
    assert _events(client) == [
        (6, "config", {"lr": 0.1}, None),
        (15, "run", {"op": "run", "notes": "n", "tags": ["a"]}, None),
        (4, "metrics", {"loss": 0.5, "n": {"x": 1}}, 0),
        (4, "metrics", {"loss": 0.25}, 7),
        (15, "loss", {"op": "define_metric", "summary": ["min"]}, None),
        (15, "best", {"op": "summary", "value": 1}, None),
        (6, "config", {"late": 2}, None),
    ]  # a page is a file, which stays at the site without a word of its policy; so does the console
    assert "the job says project" in capfd.readouterr().err


def test_the_sites_policy_may_let_files_and_console_leave(tmp_path, init, monkeypatch):  # noqa: F811
    policy = tmp_path / "policy.json"
    policy.write_text('{"kinds": ["scalars", "files", "console"]}')
    monkeypatch.setenv("FLAREBRIDGE_POLICY", str(policy))
    client, run = _begun(tmp_path, init, settings=wandb.Settings(console="wrap"))
    wandb.log({"page": wandb.Html("<p>", inject=False)})
    print("a line")
    wandb.finish()
    client.end()
    assert (14, "page", {"_type": "html-file", "data": b"<p>", "ext": ".html"}, 0) in _events(client)
    assert (12, "console", "a line", None) in _events(client)


def test_a_second_process_of_a_group_logs_nothing(tmp_path, init, monkeypatch):  # noqa: F811
    monkeypatch.setenv("RANK", "1")
    client, run = _begun(tmp_path, init)
    assert run.disabled
    wandb.log({"a": 1})
    client.end()
    assert _events(client) == []


def test_large_pixels_leave_a_site_as_a_png(tmp_path, init):  # noqa: F811
    client, run = _begun(tmp_path, init)
    wandb.log({"small": wandb.Image(np.zeros((8, 8, 3), np.uint8)), "large": wandb.Image(np.zeros((300, 300, 3)))})
    client.end()
    (_, _, small, _), (_, _, large, _) = _events(client)
    assert small["pixels"]["data"] == bytes(8 * 8 * 3)
    assert large["data"].startswith(b"\x89PNG") and "pixels" not in large


# --- NVFlare's own channel ---


_MEDIA = {"_type": "html-file", "data": b"\x00\xff<p>", "ext": ".html"}


def _through_nvflare(value, **more):
    """A record as NVFlare's channel brings it."""
    data_type = nvflares_type("MEDIA", more)
    dxo = create_analytic_dxo("page", value, data_type, writer=LogWriterName.WANDB, **more)
    return fobs.loads(fobs.dumps(dxo.to_shareable()))


def test_our_types_pass_nvflares_channel_with_all_their_bytes_and_its_receivers_leave_them_alone():
    from nvflare.apis.analytix import AnalyticsData

    shareable = _through_nvflare(_MEDIA, global_step=3)
    record, _ = record_of(shareable)
    assert (record.data_type, record.tag, record.value, record.step, record.extra) == ("MEDIA", "page", _MEDIA, 3, {})
    event, _ = Encoder().record(1.0, "site-1", shareable)
    assert msgpack.unpackb(event)[3:8] == [14, 3, "page", _MEDIA, 3]
    for writer in (LogWriterName.TORCH_TB, LogWriterName.MLFLOW):
        seen = AnalyticsData.from_dxo(from_shareable(shareable), receiver=writer)
        assert seen is None or seen.data_type is AnalyticsDataType.MODEL  # which neither does anything with


def test_the_policy_sees_what_a_model_of_nvflares_channel_really_is():
    for kinds, passes in ((["scalars", "texts", "files"], True), (["scalars", "texts", "images"], False)):
        gate = Gate(Policy([Rule.of({"kinds": kinds}).with_defaults()]), audit=None)
        assert gate.may_pass_whole(_through_nvflare(_MEDIA)) is passes
    image = {"_type": "image-file", "data": b"x", "ext": ".png"}
    gate = Gate(Policy([Rule.of({"kinds": ["scalars", "texts", "files"]}).with_defaults()]), audit=None)
    assert not gate.may_pass_whole(_through_nvflare(image))


def test_a_type_that_a_record_only_says_it_is_does_not_count():
    shareable = _through_nvflare(1.0)
    shareable["DXO"]["meta"]["analytics_data_type"] = AnalyticsDataType.METRIC
    assert record_of(shareable)[0].data_type is AnalyticsDataType.METRIC


def test_without_a_forwarder_nvflares_channel_brings_media_and_operations(tmp_path, init, monkeypatch):  # noqa: F811
    logged = []
    monkeypatch.setattr(client_api, "log", lambda **record: logged.append(record))
    client, run = _begun(tmp_path, init, _convert(), notes="n")
    wandb.log({"page": wandb.Html("<p>", inject=False)}, step=2)
    wandb.finish()
    client.end()
    operation, media = logged
    assert (operation["data_type"], operation["flarebridge_type"]) == (AnalyticsDataType.MODEL, "OPERATION")
    assert (media["key"], media["flarebridge_type"], media["global_step"]) == ("page", "MEDIA", 2)
    assert all(record["writer"] is LogWriterName.WANDB for record in logged)


def test_a_trainer_that_reaches_no_forwarder_sends_them_so_too(monkeypatch):
    logged = []
    monkeypatch.setattr("flarebridge.nvflare_way.nvflare_log", lambda **record: logged.append(record))
    _log(msgpack.unpackb(Encoder().data(1.0, "t", "MEDIA", "WANDB", "page", _MEDIA, 1)), ["id", 1])
    (record,) = logged
    assert (record["data_type"], record["flarebridge_type"]) == (AnalyticsDataType.MODEL, "MEDIA")


def test_on_the_server_there_is_no_site_whose_script_it_is(tmp_path):
    from flarebridge.wandb.sink import is_in_a_job

    _context(tmp_path)
    assert not is_in_a_job()
