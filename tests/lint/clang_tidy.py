"""Runs clang-tidy on every source file of the project.

usage: clang_tidy.py BUILD_FOLDER [FILE]...   (with its compile_commands.json; no FILE: all)

A file is looked at again only if it, a header of ours that it includes, its compiler command, the list of checks or
clang-tidy itself has changed.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_TOP = ("events", "receivers", "bridge")
_OWN_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
# How many states of a function the analyzer looks at. Clang's own number is 225000, and 75000 in its quick mode. The
# analyzer took most of all time, and most of that in some long functions. Five of the slowest files took 115 s of the
# processor with what was before, and 49 s so. Of 60 null pointers that were put before the returns of bridge.cc,
# intake.cc and supervisor.cc, it found 25 with 225000 and the same 24 with 75000 and 40000: all checks are kept, but
# one time in 25 a fault in a deep place is seen with FLAREBRIDGE_TIDY_NODES=225000 only.
_ANALYZER_NODES = os.environ.get("FLAREBRIDGE_TIDY_NODES", "40000")
_ARGUMENTS = [
    "--quiet",
    # The compilation's flags are GCC's; clang need not know them all.
    "--extra-arg=-Wno-unknown-warning-option",
    # What events/mutex.h says. The next two do what bugprone-reserved-identifier did, which spent 6 % of all time on
    # other people's headers.
    "--extra-arg=-Wthread-safety",
    "--extra-arg=-Wreserved-identifier",
    "--extra-arg=-Wreserved-macro-identifier",
    *(f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={_ANALYZER_NODES}")),
]


def with_headers(file: str, seen: set[str]) -> set[str]:
    """The file and all of ours that it includes, as paths from the root, added to `seen`."""
    if file not in seen and (_ROOT / file).exists():
        seen.add(file)
        for header in _OWN_INCLUDE.findall((_ROOT / file).read_text()):
            with_headers(header, seen)
    return seen


def stamp_of(file: str, command: str, version: str) -> str:
    """A hash of everything that clang-tidy's answer depends on, but for other people's headers."""
    parts = [version, command, *_ARGUMENTS]
    settings = [(folder / ".clang-tidy") for folder in (_ROOT / file).parents if folder.is_relative_to(_ROOT)]
    for path in [*settings, *(_ROOT / name for name in sorted(with_headers(file, set())))]:
        parts.append(path.read_text() if path.exists() else "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def check(build: Path, file: str) -> bool:
    """Runs clang-tidy on a file and shows what it found. True: nothing."""
    done = subprocess.run(
        ["clang-tidy", *_ARGUMENTS, "-p", build, file], cwd=_ROOT, text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        # Its standard error says how many warnings of other people's headers it has left out, or why it can't start.
        print(f"clang-tidy: {file}\n{done.stdout or done.stderr}", flush=True)
    return done.returncode == 0


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    commands = {entry["file"]: entry["command"] for entry in json.loads((build / "compile_commands.json").read_text())}
    version = subprocess.run(["clang-tidy", "--version"], check=True, text=True, stdout=subprocess.PIPE).stdout
    files = sys.argv[2:] or [p.relative_to(_ROOT).as_posix() for top in _TOP for p in (_ROOT / top).rglob("*.cc")]
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)

    def look(file: str) -> bool:
        command = commands.get(str(_ROOT / file))
        if command is None:
            print(f"clang-tidy: {file} is part of no program: add it to its folder's CMakeLists.txt")
            return False
        stamp = stamps / file.replace("/", "_")
        wanted = stamp_of(file, command, version)
        if stamp.exists() and stamp.read_text() == wanted:
            return True
        good = check(build, file)
        if good:
            stamp.write_text(wanted)
        return good

    # The long ones first, so that none of them runs alone at the end.
    files.sort(key=lambda file: (_ROOT / file).stat().st_size, reverse=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return 0 if all(list(pool.map(look, files))) else 1


if __name__ == "__main__":
    sys.exit(main())
