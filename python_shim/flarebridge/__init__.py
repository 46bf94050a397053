"""flarebridge: lossless experiment tracking for NVIDIA FLARE.

Importing this package needs neither pyzmq nor the bridge's program: jobs are defined on laptops.
Names are loaded when they are first used.
"""

import importlib

from .carried import hand_over
from .registry import register_when_loaded
from .version import __version__

_HOME_OF = {
    "BridgeForwarder": "flarebridge.forwarder",
    "BridgeReceiver": "flarebridge.receiver",
    "BridgeWriter": "flarebridge.writer",
    "add_tracking": "flarebridge.tracking",
    "register_tracking": "flarebridge.registry",
}
__all__ = ["BridgeForwarder", "BridgeReceiver", "BridgeWriter", "add_tracking", "register_tracking", "__version__"]

if not hand_over(__name__):
    register_when_loaded()


def __getattr__(name: str):
    if name not in _HOME_OF:
        raise AttributeError(f"module 'flarebridge' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
