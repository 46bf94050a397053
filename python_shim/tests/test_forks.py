"""Forked children: what no part may leave them."""

import os
import sys
import threading
import time

from flarebridge.forks import load


def test_no_child_has_half_a_module(tmp_path, monkeypatch):
    """One that a thread of ours is importing when another one forks, as a data loader's start does."""
    (tmp_path / "slow_to_load.py").write_text("import time\ntime.sleep(0.5)\nvalue = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    thread = threading.Thread(target=load, args=("slow_to_load",))
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while "slow_to_load" not in sys.modules:
            assert time.monotonic() < deadline
        pid = os.fork()
        if pid == 0:
            os._exit(0 if getattr(sys.modules["slow_to_load"], "value", 0) == 1 else 1)
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        thread.join()
        del sys.modules["slow_to_load"]
    # Children of children too, and no fork leaves the lock taken.
    pid = os.fork()
    if pid == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if load("json").dumps(1) == "1" else 1)
        os._exit(os.waitpid(grandchild, 0)[1] >> 8)
    assert os.waitpid(pid, 0)[1] == 0
    assert load("json").dumps(1) == "1"
