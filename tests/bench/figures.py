"""What is measured, what it is called, and what it is to be: the only list of it."""

from typing import NamedTuple, Optional

OURS, NVFLARES, SDK, SYNC, LIMIT = "flarebridge", "WandBReceiver", "wandb SDK", "wandb sync", "limit"


class Measurement(NamedTuple):
    """One process: `script` with `arguments` and a folder; gives some figures of one subject."""

    script: str
    arguments: tuple[str, ...]
    subject: str = OURS
    each_round: bool = True  # False: once, in the first round


class Figure(NamedTuple):
    """One number. `more`: more is better. `target`: what it is to be at most, or at least.

    Words that begin with "the same" mean the figure before.
    """

    name: str
    words: str
    unit: str
    digits: int = 0
    target: Optional[float] = None
    more: bool = False
    peer: Optional[str] = None  # whose same figure stands beside it
    headline: bool = False  # stands in docs/measured.md, too


def _receivers(kind: str, *whose: str) -> list[Measurement]:
    return [Measurement("receivers.py", (which, kind), which) for which in whose or (OURS, NVFLARES)]


MEASUREMENTS = [
    *_receivers("save"), *_receivers("save_stopped", OURS), *_receivers("save_dead", OURS),
    *_receivers("forward", OURS), *_receivers("start_1"), *_receivers("start_100"), *_receivers("end_20"),
    *_receivers("end_100", OURS), *_receivers("end_full", OURS), *_receivers("memory"),
    *_receivers("shim_memory", OURS), *_receivers("rows"), *_receivers("events", OURS),
    Measurement("native.py", ("rows",)), Measurement("sdk.py", ("rows",), SDK),
    *(Measurement("native.py", (kind,)) for kind in ("events", "memory", "quiet", "starting")),
    Measurement("native.py", ("growth",), each_round=False),
    Measurement("online.py", ("memory",)), Measurement("online.py", ("sync",), each_round=False),
    Measurement("limits.py", ("append",), LIMIT), Measurement("limits.py", ("link",), LIMIT),
    Measurement("parts.py", ()),
]  # fmt: skip

FIGURES = [
    Figure(
        "save_p50_us",
        "cost of a record of 5 values in the logging thread, median",
        "µs",
        1,
        3,
        peer=NVFLARES,
        headline=True,
    ),
    Figure("save_p999_us", "the same, 99.9 % of records", "µs", 0, 50, peer=NVFLARES, headline=True),
    Figure(
        "save_p9999_us",
        "the same, 99.99 % of 1,000,000 (WandBReceiver: 50,000)",
        "µs",
        0,
        1000,
        peer=NVFLARES,
        headline=True,
    ),
    Figure("save_stopped_p50_us", "with a bridge that stands still, median", "µs", 1, 3),
    Figure("save_stopped_p999_us", "the same, 99.9 %", "µs", 0, 50),
    Figure("save_stopped_p9999_us", "the same, 99.99 %", "µs", 0, 1000),
    Figure("save_dead_p50_us", "with a bridge that is dead, median", "µs", 1, 3),
    Figure("save_dead_p999_us", "the same, 99.9 %", "µs", 0, 50),
    Figure("save_dead_p9999_us", "the same, 99.99 %", "µs", 0, 1000),
    Figure("forward_p50_us", "the same in a client's BridgeForwarder, median", "µs", 1, 3),
    Figure("forward_p999_us", "the same, 99.9 %", "µs", 0, 50),
    Figure("forward_p9999_us", "the same, 99.99 %", "µs", 0, 1000),
    Figure("start_1_ms", "START_RUN, 1 site", "ms", 1, 5, peer=NVFLARES, headline=True),
    Figure("start_100_ms", "START_RUN, 100 sites", "ms", 1, 5, peer=NVFLARES, headline=True),
    Figure("start_100_logs_ms", "until the run logs of 100 sites are there", "ms", 0, 1000, peer=NVFLARES),
    Figure("end_20_ms", "END_RUN, 20 sites, right behind 100,000 rows", "ms", 1, 100, peer=NVFLARES, headline=True),
    Figure("end_100_ms", "END_RUN, 100 sites, right behind 100,000 rows", "ms", 1, 100),
    Figure("end_full_ms", "END_RUN with the buffer of 64 MiB full", "ms", 0, 100),
    Figure(
        "memory_mib",
        "memory of one more site (PSS of its processes), 8 sites",
        "MiB",
        1,
        3,
        peer=NVFLARES,
        headline=True,
    ),
    Figure("site_mib", "the same at 100 sites under load", "MiB", 1, 3),
    Figure("online_site_mib", "the same at 100 sites while they are uploaded", "MiB", 1, 6),
    Figure("bridge_mib", "the bridge at 100 sites under load", "MiB", 1, 30),
    Figure("shim_mib", "the Python process's growth, beyond the buffer", "MiB", 1, 20),
    Figure("idle_wakeups_per_s", "wake-ups of all processes with 100 silent sites", "1/s", 1, 0, headline=True),
    Figure("idle_cpu_percent", "their share of a core", "%", 2, 0.1),
    Figure(
        "events_per_s", "events of one value from one Python process, durable", "1/s", 0, 150_000, True, headline=True
    ),
    Figure("half_ack_ms", "acknowledgement of one at 75,000/s, median", "ms", 1, 5, headline=True),
    Figure("quiet_ack_ms", "acknowledgement of one on a quiet system, median", "ms", 1, 2),
    Figure("quiet_readable_ms", "until its row is in the run log, longest", "ms", 0, 1000),
    Figure(
        "rows_per_s",
        "rows of 5 values from 4 sites into run logs, from Python",
        "1/s",
        0,
        100_000,
        True,
        NVFLARES,
        headline=True,
    ),
    Figure("native_events_per_s", "events of one value, durable, native generator", "1/s", 0, 700_000, True),
    Figure("steady_ack_ms", "acknowledgement of one at 200,000/s, native, median", "ms", 1),
    Figure(
        "native_rows_per_s",
        "rows of 5 values from 20 sites into run logs, native",
        "1/s",
        0,
        250_000,
        True,
        SDK,
        headline=True,
    ),
    Figure(
        "cpu_s_per_100k",
        "processor time for 100,000 of these rows, generator included",
        "s",
        2,
        peer=SDK,
        headline=True,
    ),
    Figure("row_bytes", "bytes of such a row in the run log", "B", 0, 495, peer=SDK),
    Figure("sync_rows_per_s", "`flarebridge sync`, rows of 5 values", "1/s", 0, 100_000, True, headline=True),
    Figure("sync_mib", "its memory at most (RSS)", "MiB", 0),
    Figure("sync_gib_mib", "the same with a run log of 1.05 GiB", "MiB", 0),
    Figure("route_per_s", "decode, check, filter and route, one core", "1/s", 0, 2_000_000, True),
    Figure("writer_rows_per_s", "run log writer, rows of 5 values, one core", "1/s", 0, 900_000, True),
    Figure("growth_sites", "cost of an event with 500 sites, as a multiple of 1 site", "", 1),
    Figure("growth_names", "the same with 100,000 names of metrics", "", 1),
    Figure("growth_length", "the same behind 8,000,000 rows", "", 1),
    Figure("version_ms", "`flarebridge --version`", "ms", 1, 5),
    Figure("ready_ms", "a bridge that has answered, from its start", "ms", 1, 50),
    Figure("wheel_mib", "the wheel", "MiB", 1, 3),
    Figure("limit_append_per_s", "limit: events appended to a file and synced, 4,096 at once", "1/s", 0, more=True),
    Figure("limit_link_per_s", "limit: events over ZeroMQ ipc, 4,096 at once", "1/s", 0, more=True),
    Figure("limit_copy_per_s", "limit: events copied in memory", "1/s", 0, more=True),
    Figure("numbers_share", "of the run log writer's time: numbers to text", "%", 0),
    Figure("checksum_share", "the same: checksums", "%", 0),
    Figure("write_share", "the same: the write call", "%", 0),
]

# Uploads, a table of their own.

_RATES = (1, 100, 10_000)  # rows a second

UPLOAD_MEASUREMENTS = [
    *(Measurement("syncs.py", (which, kind), which) for kind in ("long", "short") for which in (OURS, SYNC)),
    *(Measurement("delay.py", (str(rate),)) for rate in _RATES),
    Measurement("delay.py", ("10", "--outage", "20", "--seconds", "60"), each_round=False),
    Measurement("large_file.py", (), each_round=False),
]


def _sync(kind: str, words: str) -> list[Figure]:
    return [
        Figure(f"{kind}_s", f"{words}, wall time", "s", 1, peer=SYNC, headline=True),
        Figure(f"{kind}_cpu_s", "the same, processor time", "s", 2, peer=SYNC, headline=True),
        Figure(f"{kind}_mib", "the same, memory at most (RSS of all processes)", "MiB", 0, peer=SYNC, headline=True),
        Figure(f"{kind}_server_s", "the same, processor time of the server here", "s", 2, peer=SYNC),
    ]


def _rows(rate: int) -> str:
    return f"{rate:,} rows/s" if rate > 1 else "1 row/s"


def _delays(name: str, words: str, headline: bool = False) -> list[Figure]:
    return [
        Figure(f"{name}_p50_s", f"{words}, median", "s", 2, headline=headline),
        Figure(f"{name}_p95_s", "the same, 95 %", "s", 2),
        Figure(f"{name}_max_s", "the same, longest", "s", 2, headline=headline),
    ]


UPLOAD_FIGURES = [
    *_sync("long", "a run of 200,000 rows of 5 values"),
    *_sync("short", "100 runs of 100 rows, with config and summary"),
    *(
        figure
        for rate in _RATES
        for figure in _delays(f"delay_{rate}", f"online, {_rows(rate)}: log call until arrival", True)
    ),
    *_delays("outage_10", "online, 10 rows/s behind an outage in which 200,000 rows have gathered"),
    Figure("file_s", "a file of 2 GiB, to a storage that takes 20 MiB/s", "s", 1, headline=True),
    Figure("file_uploader_mib", "memory of the uploader meanwhile, at most (RSS)", "MiB", 0, headline=True),
    *_delays("beside_file", "rows of the same run meanwhile, 10/s: log call until arrival", True),
    *_delays("behind_file", "rows behind the file's end"),
]


class Table(NamedTuple):
    """A table of a README: what is measured for it, and the lines that it has. `name`: of its marks there."""

    name: str
    measurements: list[Measurement]
    figures: list[Figure]


TABLES = [Table("measured", MEASUREMENTS, FIGURES), Table("uploads", UPLOAD_MEASUREMENTS, UPLOAD_FIGURES)]
