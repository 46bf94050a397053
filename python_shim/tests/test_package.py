"""The package as a whole: the Python it runs on, and what a component leaves behind."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import flarebridge
import pytest
from flarebridge import BridgeForwarder, BridgeReceiver
from nvflare.apis.event_type import EventType
from test_receiver import _context

_FILES = sorted(Path(flarebridge.__file__).parent.rglob("*.py"))
_OLDEST = (3, 9)  # requires-python in pyproject.toml


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_the_oldest_python_can_read_every_file(path):
    tree = ast.parse(path.read_text(), feature_version=_OLDEST)
    for node in ast.walk(tree):
        assert not isinstance(node, (getattr(ast, "Match", ()), getattr(ast, "TryStar", ()))), node.lineno
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            for part in ast.walk(annotation) if annotation else ():
                # X | Y is evaluated where the function is made, and types have it from 3.10 on.
                assert not (isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr)), part.lineno
        if isinstance(node, ast.Call):
            names = {word.arg for word in node.keywords}
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert not (called == "zip" and "strict" in names), node.lineno
            assert not (called == "dataclass" and names & {"slots", "kw_only"}), node.lineno


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("side", ["server", "client"])
def test_runs_one_after_the_other_leave_no_descriptor_behind(tmp_path, side):
    """A bridge that does not answer, and a server that does not: everything is opened, and given up."""
    if side == "server":
        component = BridgeReceiver(endpoint=f"ipc://{tmp_path}/nobody", process_timeout=0.2)
        context = _context(tmp_path)
    else:
        component = BridgeForwarder(process_timeout=0.2)
        context = _context(tmp_path, identity="site-1", process="CJ")
    counts = []
    for _ in range(4):
        for event in (EventType.ABOUT_TO_START_RUN, EventType.START_RUN, EventType.END_RUN):
            component.handle_event(event, context)
        counts.append(_descriptors())
    assert counts[1:] == [counts[0]] * 3


def test_importing_the_functions_of_wandbs_client_loads_no_library_of_the_scripts_own():
    libraries = {"wandb", "numpy", "torch", "PIL", "matplotlib", "plotly", "pandas", "nvflare", "zmq", "msgpack"}
    code = f"import sys, flarebridge.wandb as wandb; wandb.Image, wandb.Html; print({libraries} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(Path(flarebridge.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "set()\n"
