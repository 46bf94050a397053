"""This package where a job has brought it to a site (carrying.py): an installed one goes before it. Used at import."""

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator
from typing import Optional

MARK = "BROUGHT_BY_A_JOB"  # a file beside these; holds their version


def is_carried() -> bool:
    """True if these files came with a job."""
    return _is_marked(os.path.dirname(os.path.abspath(__file__)))


def hand_over(name: str) -> bool:
    """True if the package of that name, which is being imported, is another one now: the installed one.

    A job's folder lies in front of the site's own packages, and has neither their version nor their programs.
    """
    if not is_carried():
        return False
    installed = next(_installed(name), None)
    if installed is None:
        return False
    ours = {key: module for key, module in sys.modules.items() if key == name or key.startswith(name + ".")}
    for key in ours:
        del sys.modules[key]
    sys.modules[name] = package = importlib.util.module_from_spec(installed)
    try:
        installed.loader.exec_module(package)
    except Exception:  # it is broken: what came with the job is whole
        sys.modules.update(ours)
        return False
    return True


def _installed(name: str) -> Iterator[importlib.machinery.ModuleSpec]:
    for finder in sys.meta_path:
        if finder is not importlib.machinery.PathFinder:
            found = [_found_by(finder, name)]
        else:
            found = [finder.find_spec(name, [folder]) for folder in sys.path]
        for spec in found:
            # Folders without __init__.py, as NVFlare's own copies are, have no origin.
            if (
                spec is not None
                and spec.loader is not None
                and spec.origin
                and not _is_marked(os.path.dirname(spec.origin))
            ):
                yield spec


def _found_by(finder: object, name: str) -> Optional[importlib.machinery.ModuleSpec]:
    try:
        return finder.find_spec(name, None)
    except Exception:  # somebody else's, and not of today's protocol
        return None


def _is_marked(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, MARK))
