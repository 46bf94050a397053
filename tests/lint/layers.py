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
    "receivers": {"events", "receivers/files", "receivers/jsonl", "receivers/wandb/run"},
    "receivers/jsonl": {"events", "receivers/files", "receivers"},
    "receivers/wandb/log": {"events", "receivers/files", "receivers"},
    "receivers/wandb/artifacts": {"events", "receivers", "receivers/wandb/log"},
    "receivers/wandb/run": {
        "events",
        "receivers/files",
        "receivers",
        "receivers/wandb/artifacts",
        "receivers/wandb/log",
    },
    "receivers/upload": {"events", "receivers/files", "receivers"},
    "receivers/wandb/upload": {
        "events",
        "receivers/files",
        "receivers",
        "receivers/upload",
        "receivers/wandb/artifacts",
        "receivers/wandb/log",
        "receivers/wandb/run",
    },
    "bridge/process": {"events", "receivers/files"},
    "bridge/link": {"events", "receivers/files", "bridge/process"},
    "bridge/journal": {"events", "receivers/files", "bridge/process"},
    "bridge/intake": {"events", "receivers", "bridge/journal"},
    "bridge/blobs": {"events", "receivers/files", "bridge/intake"},
    "bridge/workers": {"events", "receivers/files", "receivers", "bridge/process", "bridge/journal", "bridge/intake"},
    "bridge/uploads": {"events", "receivers/files", "receivers", "bridge/process"},
    "bridge/report": {"events", "receivers/files", "receivers"},
    "bridge/plot": {"events", "receivers", "bridge/report"},
    "bridge": {
        "events",
        "receivers/files",
        "bridge/process",
        "bridge/link",
        "bridge/journal",
        "bridge/intake",
        "bridge/blobs",
        "bridge/workers",
        "bridge/uploads",
    },
    "bridge/commands": {
        "events",
        "receivers/files",
        "receivers",
        "bridge",
        "bridge/process",
        "bridge/link",
        "bridge/journal",
        "bridge/workers",
        "bridge/uploads",
        "bridge/report",
        "bridge/plot",
    },
    "bridge/uploader": {
        "events",
        "receivers/files",
        "receivers",
        "receivers/upload",
        "receivers/wandb/log",
        "receivers/wandb/upload",
        "bridge/process",
        "bridge/uploads",
        "bridge/commands",
    },
}
# Libraries that have one home: a pattern of the header, and the files that may include it.
_HOMES = {
    r"zmq\.hpp": {"bridge/link/link.cc", "bridge/link/gatekeeper.cc"},
    r"zmq\.h": {"bridge/link/curve_keys.cc"},
    r"msgpack\.hpp": {"events/value.cc"},
    r"sqlite3\.h": {"bridge/journal/sqlite_statement.h"},
    # The intake knows commits only (commit_log.h), so that they can go elsewhere.
    r"bridge/journal/journal\.h": {"bridge/bridge.h", "bridge/journal/.*", "bridge/workers/.*"},
    # With its checks of types; see there.
    r"protozero/.*": {"receivers/wandb/log/protobuf.h"},
    r"zlib\.h": {"bridge/journal/sqlite_statement.h"},
    r"libdeflate\.h": {
        "receivers/jsonl/line.cc",
        "receivers/wandb/log/log_writer.cc",
        "receivers/wandb/log/log_reader.cc",
    },
    r"sodium\.h": {
        "receivers/json.cc",
        "receivers/jsonl/line_fields.cc",
        "receivers/files/stable_hash.cc",
        "bridge/journal/journal_schema.cc",
    },
    r"seccomp\.h": {"bridge/workers/allowed_calls.cc"},
    # A lock that clang can check; see there.
    r"(shared_)?mutex": {"events/mutex.h"},
    r"png\.h": {"receivers/pixels_png.cc"},
    r"nlohmann/.*": {"receivers/wandb/upload/.*", "bridge/commands/class_allow_list.cc"},
    r"utf8\.h": {"events/.*", "receivers/wandb/log/utf8_cut.h", "bridge/report/page_text.cc"},
    r"curl/.*": {"receivers/upload/curl_client.cc"},
    r"CLI/.*": {"bridge/commands/.*", "bridge/uploader/.*"},
}
# What touches a disk is in receivers/files/. Others include these headers for what is no file.
_HOMES |= {
    r"fcntl\.h": {
        "receivers/files/.*",
        "bridge/commands/internal.cc",  # fcntl(): is the socket there that a worker is given?
        "bridge/uploader/command_line.cc",  # as internal.cc
        "bridge/process/child_process.cc",  # fcntl(): a socket that does not block
        "bridge/process/detach.cc",  # pipe2()'s flags
        "bridge/process/work_mark.cc",  # fcntl(): the number of a memfd
        "bridge/workers/allowed_calls.cc",  # the commands of fcntl() that a filter lets through
        "bridge/workers/landlock.cc",  # open() with O_PATH: Landlock's handles of folders
    },
    r"sys/file\.h": {"receivers/files/file_lock.cc"},
    r"sys/stat\.h": {
        "receivers/files/.*",
        "bridge/link/link.cc",  # umask(): who may connect to the socket
        "bridge/process/program_log.cc",  # fchmod(): a file that spdlog opens
    },
}
# events/ describes bytes and touches nothing.
_FORBIDDEN = {"events": r"unistd\.h|fcntl\.h|sys/.*|filesystem|fstream|curl/.*"}
# Words that have one home: a pattern of the source text, and the files that may hold it.
_WORDS = {
    r"\bgetenv\(": {"bridge/process/environment.h"},
    # Not the same on each machine and with each library: nothing of it may reach a disk.
    r"\bstd::hash<": {"bridge/intake/router.h"},  # a table in memory
    r"\b(strftime|localtime_r|gmtime_r)\(": {"events/time_text.cc"},
}
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
        text = file.read_text()
        for pattern, homes in _WORDS.items():
            if re.search(pattern, text) and name not in homes:
                found.append(f"{name}: {pattern} belongs to {', '.join(sorted(homes))}")
        includes = _INCLUDE.findall(text)
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
