"""What a forked child must forget: threads, locks that another thread held, sockets and processes of its parent.

Training scripts fork (data loaders, multiprocessing). Whoever owns such things says so once with
`forget_in_child`; its method of that name is called in every child, before anything else runs there.

A module that a thread is just importing would stay half of one in a child for ever. What threads of ours import, they
import by `load`, and a fork waits until that is done.
"""

import contextlib
import importlib
import os
import threading
import weakref
from types import ModuleType
from typing import Any

_LONGEST_LOAD = 10.0  # seconds that a fork waits
_loading = threading.RLock()

_owners: "weakref.WeakSet[Any]" = weakref.WeakSet()


def forget_in_child(owner: Any) -> None:
    """From now on owner.forget_in_child() is called in forked children, for as long as the owner lives."""
    _owners.add(owner)


def load(name: str) -> ModuleType:
    """Imports a module in a thread of ours. Raises ImportError."""
    with _loading:
        return importlib.import_module(name)


def _wait_for_load() -> None:
    _loading.acquire(timeout=_LONGEST_LOAD)


def _go_on() -> None:
    with contextlib.suppress(RuntimeError):  # it took too long, and is not ours
        _loading.release()


def _forget_all() -> None:
    global _loading
    _loading = threading.RLock()
    for owner in list(_owners):
        owner.forget_in_child()


os.register_at_fork(before=_wait_for_load, after_in_parent=_go_on, after_in_child=_forget_all)
