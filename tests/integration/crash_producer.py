"""A training process to be killed: logs numbers for many sites and tells what was acknowledged.

usage: crash_producer.py FOLDER STATE SITES EVENTS_A_SECOND SECONDS LINES

LINES: the folder of the jsonl receiver, which writes beside W&B's.
The n-th record (from 0) goes to site n % SITES and holds n // SITES. Each line on stdout is the number of records
that are acknowledged by then, so that whoever reads it knows it even if this process is gone a moment later.
"""

import sys
import time

from flarebridge.bridge_process import BridgeProcess
from flarebridge.events import Encoder
from flarebridge.link import Link

_BEFORE = 1  # events before the first record: the session's opening


def main() -> None:
    folder, state, sites, rate, seconds = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5]), float(sys.argv[5])
    receivers = {"wandb": {}, "jsonl": {"dir": sys.argv[6]}}
    encoder = Encoder()
    report = lambda level, text: print(f"{level}: {text}", file=sys.stderr)  # noqa: E731
    link = Link(None, BridgeProcess(state), 256 << 20, report)
    link.put(encoder.session_opened(time.time(), "job", "run", "server", folder, receivers))
    link.start()
    started, made, told = time.monotonic(), 0, 0
    while (now := time.monotonic()) < started + seconds:
        while made < (now - started) * rate:
            site, number = made % sites, made // sites
            event = encoder.data(time.time(), f"site-{site}", "METRIC", "WANDB", "n", number, number, None)
            assert link.put(event), "the buffer is full"
            made += 1
        told = _tell(link, told, made)
        time.sleep(0.001)
    link.put(encoder.session_ended(time.time(), 0))
    assert link.wait_acknowledged(60), link.stats()
    _tell(link, told, made)
    link.close(10)


def _tell(link: Link, told: int, made: int) -> int:
    acknowledged = min(link.acknowledged - _BEFORE, made)  # without the session's end
    if acknowledged > told:
        sys.stdout.write(f"{acknowledged}\n")
        sys.stdout.flush()
        return acknowledged
    return told


if __name__ == "__main__":
    main()
