"""A job carries the Python part of this package to sites that have not installed it. Used by add_tracking.

A site that loads a component which it does not have takes no part in the training, and one whose script can't import
flarebridge fails. What is carried needs nothing but NVFlare; an installed package goes before it (carried.py). The
programs, which write runs, are not carried.
"""

import atexit
import functools
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Optional

from .carried import MARK
from .version import __version__

_PACKAGE = __package__.partition(".")[0]
# What NVFlare has by itself, or is told not to copy.
_THERE = ("nvflare", _PACKAGE, "builtins", "torch", "numpy")


def carry(job: Any, targets: list[str], always: Optional[bool]) -> None:
    """Adds the package to a job's apps: of all targets (True), of none (False), of those that bring code anyway (None).

    `targets` have apps. A site may refuse jobs that bring code, which is why a job does not begin to for this.
    """
    if always is False:
        _leave_out_of_nvflares_copies(job)
        return
    for target in targets:
        app = job._deploy_map[target].get_app_config()
        if always or _brings_code(app):
            app.add_ext_dir(str(_folder()))


def _leave_out_of_nvflares_copies(job: Any) -> None:
    """NVFlare copies the modules of components that are not its own into the job; from 2.7 on it can be told not to."""
    told = getattr(job, "set_app_packages", None)
    if told is not None:
        there = list(getattr(getattr(job, "job", None), "app_packages", None) or [])
        if _PACKAGE not in there:
            told([*there, _PACKAGE])


def _brings_code(app: Any) -> bool:
    """True if NVFlare makes a folder "custom" for the app."""
    if any(getattr(app, name, None) for name in ("ext_scripts", "ext_dirs", "file_sources")):
        return True
    parts = list((getattr(app, "components", None) or {}).values())
    parts += [definition.executor for definition in getattr(app, "executors", None) or []]
    parts += [definition.controller for definition in getattr(app, "workflows", None) or []]
    return any(type(part).__module__.partition(".")[0] not in _THERE for part in parts)


def _folder() -> Path:
    """A folder with the package, and nothing else, which NVFlare copies when the job is exported: maybe much later,
    by another process that has a copy of the job's definition."""
    source = Path(__file__).parent
    files = sorted(path.relative_to(source) for path in source.rglob("*.py"))
    digest = hashlib.sha256(__version__.encode())
    for file in files:
        digest.update(f"\n{file}\n".encode() + (source / file).read_bytes())
    name = f"carried-{__version__}-{digest.hexdigest()[:16]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _PACKAGE
    try:
        return _filled(cache, name, source, files)
    except OSError:  # a home that is read-only, or full
        return _filled(_temporary_folder(), name, source, files)


@functools.lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    folder, owner = tempfile.mkdtemp(prefix=f"{_PACKAGE}-carried-"), os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    return Path(folder)


def _filled(parent: Path, name: str, source: Path, files: list[Path]) -> Path:
    """`parent`/`name`, whole: it gets its name when it is."""
    folder = parent / name
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    try:
        for file in files:
            (draft / _PACKAGE / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, draft / _PACKAGE / file)
        (draft / _PACKAGE / MARK).write_text(__version__ + "\n")
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was quicker
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder
