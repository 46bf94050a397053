"""What is to be seen of a job that does not end: its processes, the errors in its log, each place's last lines."""

import os
import re
import time
from pathlib import Path

from bridge_driver import all_processes_with, parent_of

_ERROR = re.compile(r"error|Traceback|Exception|reset by peer", re.IGNORECASE)
_ERRORS = 60  # lines that tell of errors, the last ones
_PLACES = 20  # log.txt files
_LAST = 15  # lines of each
_WIDTH = 300  # characters of a line
_TAIL = 1 << 20  # bytes that are read of a file's end
_OUTPUT = 3000  # characters of the job's output


def described(log: Path) -> str:
    """Of a job that runs in the folder of its log."""
    lines = _lines(log)
    parts = {
        "its processes: pid, parent, state, where it waits in the kernel, seconds, command": _tree(log.parent),
        f"the last lines of {log.name} that tell of errors": [line for line in lines if _ERROR.search(line)][-_ERRORS:],
    }
    for place in sorted(log.parent.rglob("log.txt"))[:_PLACES]:
        parts[f"the end of {place.relative_to(log.parent)}"] = _lines(place)[-_LAST:]
    told = [f"--- {what}\n" + "\n".join(line[:_WIDTH] for line in lines) for what, lines in parts.items()]
    return "\n".join([*told, f"--- the end of {log.name}", "\n".join(lines)[-_OUTPUT:]])


def _lines(file: Path) -> list[str]:
    """The last ones of a file that may be large or gone."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - _TAIL))
            return opened.read(_TAIL).decode(errors="replace").splitlines()
    except OSError as e:
        return [str(e)]


def _tree(folder: Path) -> list[str]:
    """A line for each process of the folder, below its parent and a step to the right."""
    commands = all_processes_with(str(folder))
    parents = {pid: parent_of(pid) for pid in commands}

    def below(parent: int, depth: int) -> list[str]:
        lines = []
        for pid in sorted(pid for pid in commands if parents[pid] == parent):
            lines += ["  " * depth + _process(pid, parent, commands[pid]), *below(pid, depth + 1)]
        return lines

    roots = sorted({parent for parent in parents.values() if parent not in commands})
    return [line for root in roots for line in below(root, 0)]


def _process(pid: int, parent: int, command: str) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        waits = Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return f"{pid} {parent} gone"
    alive = time.clock_gettime(time.CLOCK_BOOTTIME) - int(stat[19]) / os.sysconf("SC_CLK_TCK")
    return f"{pid} {parent} {stat[0]} {waits} {alive:.0f} {' '.join(command.split())}"
