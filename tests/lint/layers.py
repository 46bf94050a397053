"""Checks the direction of dependencies by reading the #include lines, one row per folder.

Debian's headers all sit in one folder, so that a linker would not notice a library in the wrong place.
"""

import re
import sys
from pathlib import Path

# The folders, lowest first, and which others each may include (itself always). What a row lets a folder
# use, it does not let that folder's users use.
_MAY_USE = {
    "events": set(),
    "receivers/files": {"events"},
    "receivers": {"events", "receivers/files", "receivers/wandb/run"},
    "receivers/wandb/log": {"events", "receivers/files"},
    "receivers/wandb/run": {"events", "receivers/files", "receivers", "receivers/wandb/log"},
    "receivers/wandb/upload": {"events", "receivers/files", "receivers/wandb/log", "receivers/wandb/run"},
    "bridge/process": {"events", "receivers/files"},
    "bridge/link": {"events", "receivers/files", "bridge/process"},
    "bridge/journal": {"events", "receivers/files", "bridge/process"},
    "bridge/intake": {"events", "receivers", "bridge/journal"},
    "bridge/workers": {"events", "receivers/files", "receivers", "bridge/process", "bridge/journal", "bridge/intake"},
    "bridge/uploads": {"events", "receivers/files", "receivers/wandb/upload", "bridge/process"},
    "bridge": {
        "events",
        "receivers/files",
        "bridge/process",
        "bridge/link",
        "bridge/journal",
        "bridge/intake",
        "bridge/workers",
        "bridge/uploads",
    },
    "bridge/commands": {
        "events",
        "receivers/files",
        "receivers/wandb/log",
        "receivers/wandb/upload",
        "bridge",
        "bridge/process",
        "bridge/link",
        "bridge/journal",
        "bridge/workers",
        "bridge/uploads",
    },
}
# Libraries that have one home: a pattern of the header, and the files that may include it.
_HOMES = {
    r"zmq\.hpp": {"bridge/link/link.cc", "bridge/link/gatekeeper.cc"},
    r"zmq\.h": {"bridge/link/curve_keys.cc"},
    r"msgpack\.hpp": {"events/value.cc"},
    r"sqlite3\.h": {"bridge/journal/sqlite_statement.h"},
    r"protozero/.*": {
        "receivers/wandb/log/records.cc",
        "receivers/wandb/upload/metadata.cc",
        "receivers/wandb/upload/metric_definitions.cc",
    },
    r"zlib\.h": {
        "receivers/wandb/log/log_writer.cc",
        "receivers/wandb/log/log_reader.cc",
        "bridge/journal/sqlite_statement.h",
    },
    # A lock that clang can check; see there.
    r"(shared_)?mutex": {"events/mutex.h"},
    r"curl/.*": {"receivers/wandb/upload/http_client.cc"},
    r"CLI/.*": {"bridge/commands/.*"},
}
# events/ describes bytes and touches nothing.
_FORBIDDEN = {"events": r"unistd\.h|fcntl\.h|sys/.*|filesystem|fstream|curl/.*"}
_INCLUDE = re.compile(r'#include [<"]([^>"]+)[>"]')
_TOP = ("events/", "receivers/", "bridge/")


def problems(root: Path) -> list[str]:
    """Every include that breaks a rule, as "file: what"."""
    found = []
    files = sorted(p for top in _TOP for p in (root / top).rglob("*") if p.suffix in (".h", ".cc"))
    seen = {file.parent.relative_to(root).as_posix() for file in files}
    for folder in sorted(seen ^ set(_MAY_USE)):
        found.append(f"{folder}: has sources but no row, or a row but no sources")
    for file in files:
        name = file.relative_to(root).as_posix()
        folder = file.parent.relative_to(root).as_posix()
        allowed = _MAY_USE.get(folder, set()) | {folder}
        includes = _INCLUDE.findall(file.read_text())
        own = file.with_suffix(".h").relative_to(root).as_posix()
        if file.suffix == ".cc" and (root / own).exists() and includes[:1] != [own]:
            found.append(f"{name}: its first include is {own}, which so is compiled by itself (tests/headers)")
        for header in includes:
            if header.startswith(_TOP) and Path(header).parent.as_posix() not in allowed:
                found.append(f"{name}: {folder}/ may not use {header}")
            if folder in _FORBIDDEN and re.fullmatch(_FORBIDDEN[folder], header):
                found.append(f"{name}: {folder}/ may not use <{header}>")
            for pattern, homes in _HOMES.items():
                if re.fullmatch(pattern, header) and not any(re.fullmatch(home, name) for home in homes):
                    found.append(f"{name}: <{header}> belongs to {', '.join(sorted(homes))}")
    return found


def main() -> int:
    found = problems(Path(__file__).resolve().parents[2])
    print("\n".join(found) or "layers: every include points downwards")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
