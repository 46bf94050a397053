"""Checks the direction of dependencies by reading the #include lines: events <- receivers <- bridge.

Debian's headers all sit in one folder, so that a linker would not notice a library in the wrong place.
"""

import re
import sys
from pathlib import Path

# Which folders of ours a folder may include.
_MAY_USE = {"events": {"events"}, "receivers": {"events", "receivers"}, "bridge": {"events", "receivers", "bridge"}}
# Libraries that have one home: a pattern of the header, and the files that may include it.
_HOMES = {
    r"zmq\.hpp": {"bridge/link.cc", "bridge/gatekeeper.cc"},
    r"zmq\.h": {"bridge/curve_keys.cc"},
    r"msgpack\.hpp": {"events/value.cc"},
    r"sqlite3\.h": {"bridge/sqlite_statement.h"},
    r"protozero/.*": {
        "receivers/wandb/records.cc",
        "receivers/wandb/upload/metadata.cc",
        "receivers/wandb/upload/metric_definitions.cc",
    },
    r"zlib\.h": {"receivers/wandb/log_writer.cc", "receivers/wandb/log_reader.cc", "bridge/sqlite_statement.h"},
    r"curl/.*": {"receivers/wandb/upload/http_client.cc"},
    r"CLI/.*": {
        "bridge/command_line.cc",
        "bridge/show.h",
        "bridge/show.cc",
        "bridge/check.h",
        "bridge/check.cc",
        "bridge/sync.h",
        "bridge/sync.cc",
    },
}
# events/ describes bytes and touches nothing.
_FORBIDDEN = {"events": r"unistd\.h|fcntl\.h|sys/.*|filesystem|fstream|curl/.*"}
_INCLUDE = re.compile(r'#include [<"]([^>"]+)[>"]')


def problems(root: Path) -> list[str]:
    """Every include that breaks a rule, as "file: what"."""
    found = []
    for folder, allowed in _MAY_USE.items():
        files = sorted(p for p in (root / folder).rglob("*") if p.suffix in (".h", ".cc"))
        assert files, f"no sources in {folder}: the check would pass on nothing"
        for file in files:
            name = file.relative_to(root).as_posix()
            for header in _INCLUDE.findall(file.read_text()):
                first = header.split("/")[0]
                if first in _MAY_USE and first not in allowed:
                    found.append(f"{name}: {folder}/ may not use {header}")
                if folder in _FORBIDDEN and re.fullmatch(_FORBIDDEN[folder], header):
                    found.append(f"{name}: {folder}/ may not use <{header}>")
                for pattern, homes in _HOMES.items():
                    if re.fullmatch(pattern, header) and name not in homes:
                        found.append(f"{name}: <{header}> belongs to {', '.join(sorted(homes))}")
    return found


def main() -> int:
    found = problems(Path(__file__).resolve().parents[2])
    print("\n".join(found) or "layers: every include points downwards")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
