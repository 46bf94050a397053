"""A job's definition: where tracking is added, what is exported, and what NVFlare's loader builds of it."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import flarebridge
import pytest
from flarebridge import BridgeForwarder, BridgeReceiver, add_tracking
from flarebridge.carried import MARK
from nvflare.job_config.api import FedJob
from nvflare.widgets.widget import Widget

_PACKAGE = Path(flarebridge.__file__).parent


class _SomeWidget(Widget):
    pass


def test_a_folder_is_absolute_in_an_exported_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = FedJob(name="exported")
    job.to_clients(_SomeWidget(), id="widget")
    add_tracking(job, wandb_args={"name": "n", "dir": "my_logs"})
    job.export_job(str(tmp_path / "jobs"))
    (config,) = (tmp_path / "jobs").rglob("config_fed_server.json")
    (receiver,) = (part for part in json.loads(config.read_text())["components"] if part["id"] == "receiver")
    assert receiver["args"]["wandb_args"]["dir"] == f"{tmp_path}/my_logs"


def test_arguments_survive_export_and_loading(tmp_path):
    arguments = {"name": "FedAvg", "project": "p", "config": {"lr": 0.1}, "tags": ["a"]}
    job = FedJob(name="exported")
    job.to_clients(_SomeWidget(), id="widget")
    add_tracking(job, wandb_args=arguments, mode="offline", client_side=True, process_timeout=3.0, exclude=["patient*"])
    job.export_job(str(tmp_path))
    configs = {path.stem: json.loads(path.read_text()) for path in tmp_path.rglob("config_fed_*.json")}
    server = {part["id"]: part for part in configs["config_fed_server"]["components"]}
    client = {part["id"]: part for part in configs["config_fed_client"]["components"]}
    assert server["receiver"]["path"] == "flarebridge.receiver.BridgeReceiver"
    assert client["client_receiver"]["path"] == "flarebridge.receiver.BridgeReceiver"
    assert client["forwarder"]["path"] == "flarebridge.forwarder.BridgeForwarder"
    assert client["forwarder"]["args"]["exclude"] == ["patient*"]
    assert BridgeForwarder(**client["forwarder"]["args"]).exclude == ["patient*"]
    assert "event_to_fed" not in client
    given = server["receiver"]["args"]
    # NVFlare's loader would take {"name": "FedAvg"} for its class of that name.
    assert given["wandb_args"] == {"config_type": "dict", **arguments}
    loaded = BridgeReceiver(**given)
    assert (loaded.mode, loaded.process_timeout) == ("offline", 3.0)
    assert loaded._checked_receivers() == {"wandb": {**arguments, "mode": "offline"}}


def test_components_go_to_the_client_apps_that_the_job_has():
    """NVFlare leaves out the apps of single sites if there is one for all."""
    job = FedJob(name="sites")
    for site in ("site-1", "site-2"):
        job.to(_SomeWidget(), site, id="widget")
    add_tracking(job, wandb_args={"name": "n"})
    assert sorted(job._deploy_map) == ["server", "site-1", "site-2"]
    for site in ("site-1", "site-2"):
        components = job._deploy_map[site].get_app_config().components
        assert sorted(components) == ["forwarder", "widget"]


def test_the_plain_channel_can_be_asked_for_and_has_no_policy():
    job = FedJob(name="plain")
    add_tracking(job, wandb_args={"name": "n"}, forward=False)
    assert list(job._deploy_map["@ALL"].get_app_config().components) == ["event_to_fed"]
    with pytest.raises(ValueError, match="forward=True"):
        add_tracking(job, forward=False, exclude="patient*")


def test_a_policy_is_checked_where_the_job_is_defined_and_reaches_all_that_may_leave(tmp_path):
    for wrong in ({"kinds": ["scalar"]}, {"digits": 0}, {"unknown": 1}, {"include": "a"}, ["loss"]):
        with pytest.raises(ValueError):
            add_tracking(FedJob(name="wrong"), policy=wrong)
    with pytest.raises(ValueError, match="no effect"):
        add_tracking(FedJob(name="nothing"), server_side=False, include="loss")
    with pytest.raises(ValueError, match="forward=True"):
        add_tracking(FedJob(name="plain"), forward=False, policy={"digits": 3})
    job = FedJob(name="both")
    add_tracking(job, wandb_args={"name": "n"}, client_side=True, include="loss", policy={"digits": 3})
    components = job._deploy_map["@ALL"].get_app_config().components
    assert (components["forwarder"].include, components["forwarder"].policy) == ("loss", {"digits": 3})
    assert components["client_receiver"].policy == {"include": "loss", "digits": 3}
    job = FedJob(name="only-on-sites")
    add_tracking(job, wandb_args={"name": "n"}, server_side=False, client_side=True, forward=False, exclude="a")
    assert job._deploy_map["@ALL"].get_app_config().components["client_receiver"].policy == {"exclude": "a"}


def test_receivers_of_others_on_the_server_still_get_their_events():
    from nvflare.app_common.widgets.streaming import AnalyticsReceiver

    class Other(AnalyticsReceiver):
        def initialize(self, fl_ctx): ...
        def save(self, fl_ctx, shareable, record_origin): ...
        def finalize(self, fl_ctx): ...

    job = FedJob(name="both")
    job.to(Other(), "server", id="other")
    add_tracking(job, wandb_args={"name": "n"})
    components = job._deploy_map["@ALL"].get_app_config().components
    assert sorted(components) == ["event_to_fed", "forwarder"]
    assert components["forwarder"].pass_events is True


def _built(component: dict):
    """What NVFlare's loader makes of a component in a job's configuration."""
    from nvflare.fuel.utils.component_builder import ComponentBuilder

    class Builder(ComponentBuilder):
        def get_module_scanner(self):
            from nvflare.fuel.utils.class_loader import ModuleScanner

            return ModuleScanner(["nvflare"], ["app_common"], True)

    return Builder().build_component(component)


def test_nvflares_loader_builds_the_component_with_its_arguments():
    component = {
        "id": "receiver",
        "path": "flarebridge.receiver.BridgeReceiver",
        "args": {"wandb_args": {"config_type": "dict", "name": "FedAvg", "project": "p"}, "mode": "offline"},
    }
    try:
        built = _built(component)
    except ImportError as e:
        pytest.fail(f"NVFlare's loader has moved: {e}")
    assert built.wandb_args["name"] == "FedAvg"


def test_components_can_be_made_where_neither_pyzmq_nor_the_program_is():
    script = (
        "import sys\n"
        "sys.modules['zmq'] = None\n"
        "import flarebridge\n"
        "flarebridge.BridgeReceiver(), flarebridge.BridgeForwarder()\n"
        "flarebridge.BridgeWriter, flarebridge.add_tracking\n"
        "print(flarebridge.__version__)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0.1.0"


def _job(*sites: str, script: str = "") -> FedJob:
    job = FedJob(name="carried")
    for site in sites:
        job.to(_SomeWidget(), site, id="widget")
        if script:
            job._deploy_map[site].add_external_script(script)
    return job


def _custom_folders(job: FedJob, folder: Path) -> dict[str, set]:
    """By app: the files of flarebridge that the exported job has."""
    job.export_job(str(folder))
    apps = sorted((folder / "carried").glob("app*"))
    return {app.name: {path.name for path in (app / "custom" / "flarebridge").glob("*.py")} for app in apps}


def test_a_job_that_brings_a_script_brings_the_package_to_sites_without_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "client.py").write_text("")
    job = add_tracking(_job("site-1", "site-2", script=str(tmp_path / "client.py")))
    found = _custom_folders(job, tmp_path / "jobs")
    assert {"__init__.py", "writer.py", "forwarder.py"} <= found["app_site-1"] and found["app_site-1"] == found[
        "app_site-2"
    ]
    assert "__init__.py" not in found["app_server"]
    # Whoever has the definition exports it, whenever.
    again = copy.deepcopy(job)
    assert _custom_folders(again, tmp_path / "again") == found


def test_a_job_can_carry_it_everywhere_or_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    everywhere = _custom_folders(add_tracking(_job("site-1"), carry=True), tmp_path / "everywhere")
    assert all("__init__.py" in files for files in everywhere.values())
    job = _job("site-1")
    if hasattr(job, "set_app_packages"):  # NVFlare 2.7 and later
        job.set_app_packages(["mine"])
        nowhere = _custom_folders(add_tracking(job, carry=False), tmp_path / "nowhere")
        assert not any(nowhere.values())
        assert job.job.app_packages == ["mine", "flarebridge"]
    with pytest.raises(TypeError, match="carry must be"):
        add_tracking(_job("site-1"), carry="yes")


def test_a_home_that_takes_nothing_does_not_keep_a_job_from_being_defined(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = _custom_folders(add_tracking(_job("site-1"), carry=True), tmp_path / "jobs")
    assert "writer.py" in found["app_site-1"]


def _import_with(*folders: Path) -> str:
    """Which flarebridge a process takes that finds these folders first."""
    program = "import flarebridge, flarebridge.version as v; print(flarebridge.__file__, v.__version__)"
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, folders))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout or done.stderr


def test_an_installed_package_goes_before_a_carried_one(tmp_path):
    for place in ("carried", "other_job", "broken", "installed"):
        shutil.copytree(_PACKAGE, tmp_path / place / "flarebridge", ignore=shutil.ignore_patterns("bin", "__pycache__"))
    for place in ("carried", "other_job"):
        (tmp_path / place / "flarebridge" / MARK).touch()
    (tmp_path / "broken" / "flarebridge" / "__init__.py").write_text("import nothing_of_this_name")
    (tmp_path / "installed" / "flarebridge" / "version.py").write_text("__version__ = '9.9'")
    carried, other, broken, installed = (tmp_path / name for name in ("carried", "other_job", "broken", "installed"))
    assert _import_with(carried, other, installed).split() == [f"{installed}/flarebridge/__init__.py", "9.9"]
    assert _import_with(carried, other).startswith(f"{carried}/")
    assert _import_with(carried, broken).startswith(f"{carried}/")
