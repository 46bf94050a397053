"""Kills flarebridge, JetStream and rsyslog at random while they take records, and counts what they kept of what they
had acknowledged. See README.md."""

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from subjects import SUBJECTS, available


def _round(subject: type, folder: Path, seed: int, rate: int) -> tuple[int, int, int]:
    """Gives records sent, those acknowledged before the kill that are missing, and those that are there twice."""
    draw = random.Random(seed)
    seconds, kill_at = 3.0, 0.5 + draw.random() * 2
    served = subject(folder)
    try:
        number, kept = _feed(served, rate, seconds, kill_at)
        found = served.finish()
    except BaseException:
        served.abandon()
        raise
    there = set(found)
    missing = sum(1 for n in range(kept) if n not in there)
    return number, missing, len(found) - len(there)


def _feed(served: Any, rate: int, seconds: float, kill_at: float) -> tuple[int, int]:
    """Sends records and kills in between. Gives how many were sent, and how many were acknowledged before the kill."""
    started, number, kept, killed = time.monotonic(), 0, 0, False
    while (now := time.monotonic() - started) < seconds:
        while number < now * rate:
            served.send(number)
            number += 1
        if not killed and now > kill_at:
            kept = served.acknowledged()
            served.kill()
            killed = True
        time.sleep(0.001)
    return number, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=2000, help="records a second")
    arguments = parser.parse_args()
    print(f"| {arguments.rounds} kills at {arguments.rate} records/s | records | acknowledged and missing | twice |")
    print("|---|---|---|---|")
    for subject in SUBJECTS:
        if not available(subject):
            print(f"| {subject.name} | not installed | | |")
            continue
        results = []
        for seed in range(arguments.rounds):
            with tempfile.TemporaryDirectory(prefix="flarebridge-kill-") as folder:
                results.append(_round(subject, Path(folder), seed, arguments.rate))
        sent, missing, twice = (sum(result[i] for result in results) for i in range(3))
        print(f"| {subject.name} | {sent:,} | {missing:,} | {twice:,} |", flush=True)


if __name__ == "__main__":
    main()
