"""How busy this machine and this process are, under the names that W&B's pages know. One thread.

Read from /proc and /sys (proc(5)); what this machine does not tell is left out. A process counts with all that it has
started: a training script may have a process of its own, and data loaders more. GPUs are in gpus.py.
"""

import os
import time
from typing import NamedTuple, Optional

_MIB, _GIB = float(1 << 20), float(1 << 30)
_SECTOR = 512  # bytes, whatever the device's own are (Documentation/block/stat.rst of Linux)
_MOST_PROCESSES = 1000  # that are asked; further ones of a process are left out
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class _Processes(NamedTuple):
    seconds: float  # of processors, with those of processes that have ended
    threads: int
    bytes: int  # resident


class Machine:
    """Rates and sums count from here."""

    def __init__(self):
        self._disk = _device_of("/")
        self._at, self._seconds = time.monotonic(), _processes().seconds
        self._sent, self._received = _traffic()
        self._read, self._written = _transferred(self._disk)

    def sample(self) -> dict[str, float]:
        """Name and value; some hundred microseconds.

        cpu                            % of the processors that this process may use, since the last sample
        proc.cpu.threads               of this process
        proc.memory.rssMB, .percent    memory that it has
        proc.memory.availableMB        memory that programs can still get
        memory_percent                 % of the memory in use
        disk./.usagePercent, .usageGB  of the root file system
        disk.NAME.in, .out             MB that its device has read and written since the beginning
        network.sent, network.recv     bytes since the beginning, of all interfaces but the loopback
        """
        return {**self._of_the_process(), **self._of_disks(), **self._of_the_network()}

    def _of_the_process(self) -> dict[str, float]:
        found: dict[str, float] = {}
        now, mine = time.monotonic(), _processes()
        share = mine.seconds - self._seconds
        if now > self._at and share >= 0:  # a process that nobody waits for takes its time with it
            found["cpu"] = 100 * share / (now - self._at) / len(os.sched_getaffinity(0))
        self._at, self._seconds = now, mine.seconds
        if mine.threads:
            found["proc.cpu.threads"] = mine.threads
            found["proc.memory.rssMB"] = mine.bytes / _MIB
        memory = _memory()
        total, available = memory.get("MemTotal", 0), memory.get("MemAvailable")
        if total and available is not None:
            found["proc.memory.percent"] = 100 * mine.bytes / total
            found["proc.memory.availableMB"] = available / _MIB
            found["memory_percent"] = 100 * (1 - available / total)
        return found

    def _of_disks(self) -> dict[str, float]:
        found: dict[str, float] = {}
        try:
            disk = os.statvfs("/")
        except OSError:
            return found
        if disk.f_blocks:
            used = disk.f_blocks - disk.f_bfree
            found["disk./.usagePercent"] = 100 * used / disk.f_blocks
            found["disk./.usageGB"] = used * disk.f_frsize / _GIB
        if self._disk is not None:
            read, written = _transferred(self._disk)
            found[f"disk.{self._disk[0]}.in"] = max(0, read - self._read) / _MIB
            found[f"disk.{self._disk[0]}.out"] = max(0, written - self._written) / _MIB
        return found

    def _of_the_network(self) -> dict[str, float]:
        sent, received = _traffic()
        # An interface that goes takes its counts with it.
        if sent < self._sent or received < self._received:
            return {}
        return {"network.sent": sent - self._sent, "network.recv": received - self._received}


def _processes() -> _Processes:
    """Of this process and all below it."""
    ticks = threads = pages = 0
    waiting, seen = [os.getpid()], 0
    while waiting and seen < _MOST_PROCESSES:
        pid, seen = waiting.pop(), seen + 1
        # "pid (name) state ppid ...": the name may hold anything, and ends at the last parenthesis.
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if len(fields) < 22:
            continue  # it has ended
        ticks += sum(map(int, fields[11:15]))  # utime, stime, and both of those who were waited for
        threads += int(fields[17])
        pages += int(fields[21])
        waiting += _started_by(pid)
    return _Processes(ticks / _TICKS, threads, pages * _PAGE)


def _started_by(pid: int) -> list:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(child) for thread in threads for child in _text(f"/proc/{pid}/task/{thread}/children").split()]


def _memory() -> dict[str, int]:
    """Bytes by name: "MemTotal:  25276510 kB" and so on."""
    found = {}
    for line in _text("/proc/meminfo").splitlines()[:5]:
        words = line.split()
        if len(words) == 3 and words[1].isdigit():
            found[words[0].rstrip(":")] = int(words[1]) * 1024
    return found


def _device_of(path: str) -> Optional[tuple]:
    """Name and statistics' file of the device below a path; None: there is none, as below a container's root."""
    try:
        device = os.stat(path).st_dev
        place = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
        return os.path.basename(os.readlink(place)), f"{place}/stat"
    except OSError:
        return None


def _transferred(device: Optional[tuple]) -> tuple:
    """Bytes read and written: the third and the seventh number are sectors."""
    fields = _text(device[1]).split() if device is not None else []
    return (int(fields[2]) * _SECTOR, int(fields[6]) * _SECTOR) if len(fields) > 6 else (0, 0)


def _traffic() -> tuple:
    """Bytes sent and received. Two lines of headings, then "eth0: bytes packets ... (8 columns received) bytes ..."."""
    sent = received = 0
    for line in _text("/proc/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        columns = rest.split()
        if name.strip() != "lo" and len(columns) > 8:
            received += int(columns[0])
            sent += int(columns[8])
    return sent, received


def _text(path: str) -> str:
    """What a small file of the kernel's says; "" if it can't be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return (file.read(1 << 18) or b"").decode("utf-8", "replace")
    except OSError:
        return ""
