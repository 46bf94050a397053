"""Writes the instructions of a Dockerfile as calls of shell functions, `step_run 'apt-get update'`, for check.sh.

    steps.py DOCKERFILE

Knows what the Dockerfiles here use: ARGs with their defaults stand in FROM and COPY, commands have the form of a list
(JSON) but for RUN, and COPY's only option is --from.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

_LISTS = ("ENTRYPOINT", "CMD", "VOLUME")


def instructions(text: str) -> "Iterator[tuple[str, str]]":
    """Each instruction and what follows it, lines joined and comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        yield word, rest.strip()


def _call(name: str, *words: str) -> str:
    return " ".join([f"step_{name.lower()}", *map(shlex.quote, words)])


def calls(text: str) -> "Iterator[str]":
    """One call for each instruction, in order."""
    defaults = {}
    for word, rest in instructions(text):
        filled = re.sub(r"\$\{(\w+)\}", lambda found: defaults.get(found[1], found[0]), rest)
        if word == "ARG":
            name, _, value = rest.partition("=")
            defaults[name] = value
            yield _call(word, f"{name}={value}")
        elif word == "FROM":
            base, *named = filled.split()
            yield _call(word, base, named[1] if named else "final")
        elif word == "COPY":
            words = filled.split()
            stage = words.pop(0).partition("--from=")[2] if words[0].startswith("--") else ""
            yield _call(word, stage, *words)
        elif word == "ENV":
            yield _call(word, *shlex.split(rest))
        elif word == "HEALTHCHECK":
            yield _call(word, *json.loads(rest[rest.index("[") :]))
        elif word in _LISTS:
            yield _call(word, *json.loads(rest))
        elif word in ("RUN", "USER", "WORKDIR", "EXPOSE"):
            yield _call(word, rest)
        else:
            raise SystemExit(f"steps: error: {word} is not known here")


def main() -> None:
    print("\n".join(calls(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
