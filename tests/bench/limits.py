"""What this machine's disk and ZeroMQ do by themselves, with the same bytes; prints JSON.

usage: limits.py append|link FOLDER
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

_EVENT = 60  # bytes of one event with one value
_BATCH = 4096  # events
_BATCHES = 250


def append(folder: Path) -> dict:
    """Batches written and synced one by one, as the bridge does before it acknowledges."""
    batch = os.urandom(_EVENT * _BATCH)
    file = os.open(folder / "log", os.O_CREAT | os.O_WRONLY)
    begun = time.perf_counter()
    for _ in range(_BATCHES):
        os.write(file, batch)
        os.fdatasync(file)
    took = time.perf_counter() - begun
    os.close(file)
    return {"limit_append_per_s": _BATCH * _BATCHES / took, "limit_sync_ms": took / _BATCHES * 1e3}


def link(folder: Path) -> dict:
    """Batches over ZeroMQ's ipc, from DEALER to ROUTER, until the last one is answered."""
    import zmq

    batch = os.urandom(_EVENT * _BATCH)
    with tempfile.TemporaryDirectory(prefix="flarebridge-") as socket_folder, zmq.Context() as context:
        endpoint = f"ipc://{socket_folder}/link"
        router = context.socket(zmq.ROUTER)
        router.bind(endpoint)

        def receive() -> None:
            for _ in range(_BATCHES):
                peer, _body = router.recv_multipart()
            router.send_multipart([peer, b"done"])

        thread = threading.Thread(target=receive)
        thread.start()
        with context.socket(zmq.DEALER) as dealer:
            dealer.connect(endpoint)
            begun = time.perf_counter()
            for _ in range(_BATCHES):
                dealer.send(batch)
            dealer.recv()
            took = time.perf_counter() - begun
        thread.join()
        router.close()
    return {"limit_link_per_s": _BATCH * _BATCHES / took}


def main() -> None:
    kind, folder = sys.argv[1:]
    print(json.dumps({"append": append, "link": link}[kind](Path(folder))), flush=True)


if __name__ == "__main__":
    main()
