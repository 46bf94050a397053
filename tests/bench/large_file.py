"""One measurement of a large file on its way to a slow storage beside the rows of its run, in mode online.

The file is sparse; the server takes it at the given speed. Rows are logged all the time, and for some seconds behind
the file's end, so that their delays can be compared. Prints JSON.
"""

import argparse
import json
import sys
import time
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS / part) for part in ("", "integration", "conformance", "../python_shim")]

from bridge_driver import processes_with, wait_for  # noqa: E402
from counting_server import CountingServer, Stored  # noqa: E402
from delay import OnlineRun, shares  # noqa: E402

_NAME = "model.bin"
_RATE = 10  # rows a second
_SETTLED = 10.0  # seconds, as in delay.py
_AFTER = 20.0  # seconds of rows behind the file's end
_TAIL = 5.0  # seconds before the file's end: rows of that time may arrive behind it
_DEADLINE = 60  # seconds for what takes a moment


def begin_file(run: OnlineRun, folder: Path, size: int) -> None:
    """A file of that size in the run. The server has to be not ready, so that it is not sent before it has its size."""
    run.driver.data("site-1", "TEXT", "file", "x", path=_NAME)
    file = wait_for(lambda: next(folder.rglob(f"files/{_NAME}"), None), "the file")
    with file.open("r+b") as content:
        content.truncate(size)


def stored(server: CountingServer) -> Stored:
    """The file, once it has gone, as the only one of its name."""
    (found,) = [file for file in server.stored if file.name == _NAME]
    return found


def uploader_mib(state: Path) -> float:
    """The uploader's resident memory at most until now, as the kernel keeps it."""
    (pid,) = [pid for pid, line in processes_with(str(state)).items() if " upload " in line]
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for the run; an existing one")
    parser.add_argument("--mib", type=int, default=2048, help="size of the file (%(default)s)")
    parser.add_argument("--speed", type=float, default=20, help="MiB a second that the storage takes (%(default)s)")
    told = parser.parse_args()
    with CountingServer() as server:
        server.storage_speed = told.speed * (1 << 20)
        server.ready.clear()
        with OnlineRun(told.folder, server) as run:
            begin_file(run, told.folder, told.mib << 20)
            server.ready.set()
            begun = time.monotonic()
            while not any(file.name == _NAME for file in server.stored):
                run.log(_RATE, time.monotonic() + 1)
                assert time.monotonic() < begun + told.mib / told.speed + _DEADLINE, "the file does not arrive"
            file, memory = stored(server), uploader_mib(run.driver.state)
            run.log(_RATE, time.monotonic() + _AFTER)
            run.wait_arrived()
            figures = {
                "file_s": file.ended - file.begun,
                "file_mib_per_s": file.size / (file.ended - file.begun) / (1 << 20),
                "file_uploader_mib": memory,
                **shares(run.delays(file.begun + _SETTLED, file.ended - _TAIL), "beside_file"),
                **shares(run.delays(file.ended, file.ended + _AFTER), "behind_file"),
            }
            assert file.size == told.mib << 20
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
