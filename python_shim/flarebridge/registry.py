"""flarebridge in NVFlare's own registry: add_experiment_tracking(recipe, "flarebridge", ...), NVFlare 2.7 and later.

NVFlare has a dict of what it knows (nvflare/recipe/utils.py) and looks nowhere else. `import flarebridge` adds an
entry, in whatever order the two are imported. Where a job is defined; nothing of NVFlare's is loaded for it.
"""

import contextlib
import importlib.util
import sys
from typing import Any, Optional

_MODULE = "nvflare.recipe.utils"
_OF_THE_POLICY = ("include", "exclude", "policy")


def register_tracking(name: str = "flarebridge") -> None:
    """Makes NVFlare's add_experiment_tracking(recipe, name, tracking_config) add tracking by flarebridge.

    With name "wandb" it takes the place of WandBReceiver in jobs that are not changed otherwise. Needs NVFlare 2.7.
    """
    _register(importlib.import_module(_MODULE), name)


def register_when_loaded() -> None:
    """Registers "flarebridge" now, if NVFlare's module is loaded, or else when it is."""
    module = sys.modules.get(_MODULE)
    if module is not None and hasattr(module, "TRACKING_REGISTRY"):
        _register(module, "flarebridge")
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def _register(module: Any, name: str) -> None:
    registry = getattr(module, "TRACKING_REGISTRY", None)
    if isinstance(registry, dict):
        registry[name] = {
            "package": "flarebridge",
            "receiver_module": "flarebridge.registry",
            "receiver_class": "RegisteredTracking",
        }


class _Watch:
    """Sees NVFlare's module being imported, once: what sys.meta_path may hold (importlib.abc takes 15 ms to import)."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _MODULE:
            return None
        with contextlib.suppress(ValueError):  # another thread was first
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_register(module: Any) -> None:
            load(module)
            _register(module, "flarebridge")

        spec.loader.exec_module = load_and_register
        return spec


class RegisteredTracking:
    """What add_experiment_tracking makes of `tracking_config` and adds to the job, on the server or on clients.

    The configuration may have BridgeReceiver's arguments, and `include`, `exclude` and `policy`, as add_tracking takes
    them. In the job it becomes what add_tracking would have added.
    """

    def __init__(self, **config):
        """Raises ValueError or TypeError for what can't be carried out."""
        from .client_apps import check_names, receiver_arguments
        from .receiver import BridgeReceiver
        from .rules import fields_of_a_job

        check_names("tracking_config", config, receiver_arguments() | set(_OF_THE_POLICY))
        self._config = config
        own = {name: config.get(name) for name in _OF_THE_POLICY}
        given = {name: value for name, value in config.items() if name not in _OF_THE_POLICY}
        # As a client has it; the server has no policy.
        self._receiver = BridgeReceiver(**given, policy=fields_of_a_job(**own) or None)

    def add_to_fed_job(self, job: Any, ctx: Any, **_more: Any) -> Any:
        """NVFlare calls it in the place of adding the object itself (job_config/api.py, FedJob.to)."""
        from .client_apps import SERVER
        from .tracking import add_tracking, prepare_relays

        if ctx.target != SERVER:
            prepare_relays(job)
            return job.add_component("client_receiver", self._receiver, ctx)
        add_tracking(_recipe_of(job) or job, **self._config)
        return "receiver"


def _recipe_of(job: Any) -> Optional[Any]:
    """The recipe that add_experiment_tracking adds to, which hands over the job alone.

    From 2.9 on a recipe makes its client apps later, and only it can be asked to do so now.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == _MODULE and "recipe" in frame.f_locals:
            recipe = frame.f_locals["recipe"]
            return recipe if job in (getattr(recipe, "_job", None), getattr(recipe, "job", None)) else None
        frame = frame.f_back
    return None
