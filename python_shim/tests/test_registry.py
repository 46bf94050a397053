"""NVFlare's add_experiment_tracking with flarebridge, as `import flarebridge` makes it possible."""

import inspect
import json
import subprocess
import sys

import flarebridge
import pytest
from flarebridge import BridgeForwarder, BridgeReceiver, add_tracking

utils = pytest.importorskip("nvflare.recipe.utils", reason="NVFlare before 2.7 has no registry of trackings")
np_recipes = pytest.importorskip("nvflare.app_common.np.recipes")
_RUN = {"name": "n", "project": "p"}
_PER_SITE = hasattr(np_recipes.NumpyFedAvgRecipe, "set_per_site_config")


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    (tmp_path / "client.py").write_text("")
    monkeypatch.chdir(tmp_path)
    parameters = inspect.signature(np_recipes.NumpyFedAvgRecipe.__init__).parameters
    model = next(name for name in ("model", "initial_model") if name in parameters)
    return np_recipes.NumpyFedAvgRecipe(
        name="burst", min_clients=2, num_rounds=1, train_script="client.py", **{model: [1.0, 2.0]}
    )


def _job(recipe):
    return getattr(recipe, "_job", None) or recipe.job


def _components(recipe, target: str) -> dict:
    return _job(recipe)._deploy_map[target].get_app_config().components


@pytest.mark.parametrize("second", ["import flarebridge", "from nvflare.recipe.utils import add_experiment_tracking"])
def test_importing_flarebridge_is_enough_in_either_order(second):
    both = ["from nvflare.recipe.utils import add_experiment_tracking", "import flarebridge"]
    script = [line for line in both if line != second] + [second]
    script += ["from nvflare.recipe.utils import TRACKING_REGISTRY", "print(sorted(TRACKING_REGISTRY))"]
    done = subprocess.run([sys.executable, "-c", "\n".join(script)], capture_output=True, text=True, timeout=120)
    assert "'flarebridge'" in done.stdout, done.stderr


def test_importing_flarebridge_loads_nothing_of_nvflares():
    script = "import sys, flarebridge; print([name for name in sys.modules if name.startswith('nvflare')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_on_the_server_it_brings_the_forwarders_that_lose_nothing(recipe, tmp_path):
    utils.add_experiment_tracking(recipe, "flarebridge", {"wandb_args": _RUN, "mode": "offline"})
    receiver = _components(recipe, "server")["receiver"]
    assert type(receiver) is BridgeReceiver
    assert receiver.wandb_args["project"] == "p"
    clients = _components(recipe, "@ALL")
    assert type(clients["forwarder"]) is BridgeForwarder
    assert not any(isinstance(component, BridgeReceiver) for component in clients.values())
    _job(recipe).export_job(str(tmp_path / "jobs"))
    (server,) = (tmp_path / "jobs").rglob("config_fed_server.json")
    paths = [component["path"] for component in json.loads(server.read_text())["components"]]
    assert "flarebridge.receiver.BridgeReceiver" in paths


def test_on_the_sites_it_is_a_receiver_of_what_is_logged_there(recipe):
    if "client_side" not in inspect.signature(utils.add_experiment_tracking).parameters:
        pytest.skip("this NVFlare adds to the server only")
    utils.add_experiment_tracking(recipe, "flarebridge", {"wandb_args": _RUN}, client_side=True, server_side=False)
    clients = _components(recipe, "@ALL")
    assert type(clients["client_receiver"]) is BridgeReceiver
    assert clients["client_receiver"].events == ["analytix_log_stats"]
    assert not any(isinstance(component, BridgeForwarder) for component in clients.values())
    assert not any(isinstance(component, BridgeReceiver) for component in _components(recipe, "server").values())


def test_a_policy_in_the_configuration_holds_for_all_that_leaves(recipe):
    if "client_side" not in inspect.signature(utils.add_experiment_tracking).parameters:
        pytest.skip("this NVFlare adds to the server only")
    config = {"wandb_args": _RUN, "include": ["loss"], "policy": {"digits": 3}}
    utils.add_experiment_tracking(recipe, "flarebridge", config, client_side=True)
    clients = _components(recipe, "@ALL")
    assert (clients["forwarder"].include, clients["forwarder"].policy) == (["loss"], {"digits": 3})
    assert clients["client_receiver"].policy == {"include": ["loss"], "digits": 3}
    assert _components(recipe, "server")["receiver"].policy is None


@pytest.mark.parametrize("config", [{"wandb_arg": {}}, {"mode": "onlin"}, {"policy": {"digits": 0}}])
def test_what_is_wrong_is_told_before_anything_is_added(recipe, config):
    before = dict(_components(recipe, "server"))
    with pytest.raises((TypeError, ValueError)):
        utils.add_experiment_tracking(recipe, "flarebridge", config)
    assert _components(recipe, "server") == before


def test_a_second_time_is_refused(recipe):
    utils.add_experiment_tracking(recipe, "flarebridge", {"wandb_args": _RUN})
    with pytest.raises(ValueError, match="already"):
        utils.add_experiment_tracking(recipe, "flarebridge", {"wandb_args": _RUN})


@pytest.mark.skipif(not _PER_SITE, reason="NVFlare's recipes have no set_per_site_config before 2.9")
@pytest.mark.parametrize("way", ["add_tracking", "add_experiment_tracking"])
def test_a_recipe_with_an_app_for_each_site_keeps_them(recipe, way):
    """NVFlare makes these apps late, and leaves them out if there is one for all sites by then."""
    recipe.set_per_site_config({"site-1": {}, "site-2": {}})
    if way == "add_tracking":
        add_tracking(recipe, wandb_args=_RUN)
    else:
        utils.add_experiment_tracking(recipe, "flarebridge", {"wandb_args": _RUN})
    assert sorted(_job(recipe)._deploy_map) == ["server", "site-1", "site-2"]
    for site in ("site-1", "site-2"):
        assert "forwarder" in _components(recipe, site)
        assert _job(recipe)._deploy_map[site].get_app_config().executors


def test_an_unchanged_job_can_be_given_flarebridge_in_the_place_of_wandb(recipe, monkeypatch):
    monkeypatch.setattr(utils, "TRACKING_REGISTRY", dict(utils.TRACKING_REGISTRY))
    flarebridge.register_tracking("wandb")
    utils.add_experiment_tracking(recipe, "wandb", {"wandb_args": _RUN, "mode": "offline"})
    assert type(_components(recipe, "server")["receiver"]) is BridgeReceiver
