"""What a forked child must forget: threads, locks that another thread held, sockets and processes of its parent.

Training scripts fork (data loaders, multiprocessing). Whoever owns such things says so once with
`forget_in_child`; its method of that name is called in every child, before anything else runs there.
"""

import os
import weakref
from typing import Any

_owners: "weakref.WeakSet[Any]" = weakref.WeakSet()


def forget_in_child(owner: Any) -> None:
    """From now on owner.forget_in_child() is called in forked children, for as long as the owner lives."""
    _owners.add(owner)


def _forget_all() -> None:
    for owner in list(_owners):
        owner.forget_in_child()


os.register_at_fork(after_in_child=_forget_all)
