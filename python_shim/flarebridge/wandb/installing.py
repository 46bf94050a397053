"""flarebridge.wandb in the place of W&B's client, for callbacks of other libraries, which import `wandb`.

`import wandb` gives flarebridge.wandb then, and W&B's submodules that callbacks import are there as far as _PARTS has
them. All else says that it is not there. Nothing is written anywhere: it holds for the process, and by way of
PYTHONPATH for its children, if they are to have it, too.
"""

import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import types
from typing import Any, Optional

from ..version import __version__
from .errors import UsageError

# The release of W&B's client whose functions are followed here, which libraries compare with what they need.
FOLLOWED = "0.31.0"
VERSION = f"{FOLLOWED}+flarebridge.{__version__}"

_OURS = __name__.rpartition(".")[0]
# For children: a folder whose module `wandb` installs it there.
IN_PLACE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "in_place")

# W&B's modules below `wandb`, and for each where its names are: below flarebridge.wandb, "" for itself.
_PARTS: dict = {
    "errors": {"CommError": "errors", "Error": "errors", "UsageError": "errors"},
    "integration": {},
    "integration.keras": {"WandbMetricsLogger": "keras_callback"},
    "sdk": {"Config": "configuration", "Run": "scripts_run", "Settings": "settings", "init": "", "login": ""},
    "sdk.lib": {"RunDisabled": "scripts_run"},
    "sdk.lib.config_util": {"ConfigError": "errors"},
    "sdk.lib.runid": {"generate_id": "settings"},
    "sdk.wandb_config": {"Config": "configuration"},
    "sdk.wandb_run": {"Run": "scripts_run"},
    "sdk.wandb_settings": {"Settings": "settings"},
    "util": {"generate_id": "settings"},
    "wandb_run": {"Run": "scripts_run"},
}
_NAMES_HERE = {"generate_id": "new_id"}


def install() -> None:
    """From now on `import wandb` gives flarebridge.wandb, in this process. Call it before anything imports wandb.

    Once is enough, and more do nothing. Raises UsageError if W&B's own client is imported already.
    """
    ours = sys.modules[_OURS]
    there = sys.modules.get("wandb")
    if there is ours:
        return
    if there is not None and not _is_ours(there):
        raise UsageError(
            f"W&B's own client is imported already ({getattr(there, '__file__', None)}), and whoever has it keeps it:"
            " call flarebridge.wandb.install() before anything imports wandb"
        )
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    ours.__version__ = VERSION  # type: ignore[attr-defined]
    sys.modules["wandb"] = ours
    for name in ("errors", "sdk.lib", "util"):  # W&B's package has them once it is imported
        importlib.import_module(f"wandb.{name}")


def install_in_children() -> None:
    """Python processes that this one starts have it as well, however they are started."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if IN_PLACE not in paths:
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        # The package itself is behind all else: a child may stand in another folder than this process did.
        os.environ["PYTHONPATH"] = os.pathsep.join([IN_PLACE, *paths, package])
    if IN_PLACE not in sys.path:
        sys.path.insert(1, IN_PLACE)  # children of multiprocessing get these, behind the script's own folder


def _is_ours(module: types.ModuleType) -> bool:
    """The module of the same name that a child finds."""
    return os.path.dirname(os.path.abspath(getattr(module, "__file__", None) or "")) == IN_PLACE


class _Part(types.ModuleType):
    """One of W&B's modules, with the names that are there."""

    def __getattr__(self, name: str) -> Any:
        below = self.__name__[len("wandb.") :]
        places = _PARTS[below]
        if name in places:
            home = importlib.import_module(f"{_OURS}.{places[name]}".rstrip("."))
            found = getattr(home, _NAMES_HERE.get(name, name))
            setattr(self, name, found)
            return found
        if name.startswith("__"):
            raise AttributeError(name)
        there = ", ".join(sorted(places)) or "modules only"
        raise AttributeError(
            f"flarebridge is in wandb's place, and its {self.__name__} has no {name!r}; it has {there}"
        )


class _Finder(importlib.abc.MetaPathFinder):
    """Gives W&B's modules, and its version to whoever asks for that alone."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname == "wandb":  # somebody has taken it out of sys.modules
            return importlib.util.spec_from_loader(fullname, _Loader())
        if not fullname.startswith("wandb."):
            return None
        below = fullname[len("wandb.") :]
        if below in sys.modules[_OURS].__all__ and isinstance(getattr(sys.modules[_OURS], below), types.ModuleType):
            return importlib.machinery.ModuleSpec(fullname, _Loader(), is_package=True)  # a module of the same name
        if below in _PARTS:
            spec = importlib.machinery.ModuleSpec(fullname, _Loader(), origin=__file__, is_package=True)
            spec.has_location = True  # errors of `from ... import` name the file then
            return spec
        there = ", ".join(f"wandb.{name}" for name in sorted(_PARTS))
        raise ModuleNotFoundError(
            f"No module named {fullname!r}: flarebridge is in wandb's place, and has {there}", name=fullname
        )

    def find_distributions(self, context: Any = None) -> Any:
        """As importlib.metadata asks for them."""
        if getattr(context, "name", None) == "wandb":
            yield _Distribution()


class _Loader(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        below = spec.name[len("wandb.") :]
        if below in _PARTS:
            return _Part(spec.name)
        ours = sys.modules[_OURS]
        return getattr(ours, below) if below else ours

    def exec_module(self, module: types.ModuleType) -> None:
        """All is there."""


class _Distribution(importlib.metadata.Distribution):
    """What packages that are installed say of themselves."""

    def read_text(self, filename: str) -> Optional[str]:
        return f"Metadata-Version: 2.1\nName: wandb\nVersion: {VERSION}\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), path)
