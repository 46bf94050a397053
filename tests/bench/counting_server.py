"""W&B's server for measurements: answers like the strict one, but only counts lines and throws files away.

It is not to be what is measured: lines are counted in the bytes of a request, without parsing them, and the processor
time that it takes is told (`processor_seconds`).
"""

import re
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import unquote

from strict_run import CONSOLE, EVENTS, HISTORY, SUMMARY, Run
from strict_server import FILE_STREAM, Answer, Handler, Request, StrictServer

_OFFSET = re.compile(rb'"offset":(\d+)')
_AT_ONCE = 1 << 20  # bytes of a file that are taken at once


class Arrival(NamedTuple):
    """Rows of a run that came in one request: `count` from number `first` on, at that time.monotonic()."""

    run: str
    first: int
    count: int
    at: float


class Stored(NamedTuple):
    """A file on its way into the storage: its bytes, and when it began and ended by time.monotonic()."""

    name: str
    size: int
    begun: float
    ended: float


class CountingServer(StrictServer):
    def __init__(self) -> None:
        super().__init__(handler=_Handler)
        self.arrivals: list[Arrival] = []
        self.stored: list[Stored] = []
        self.processor_seconds = 0.0  # of all requests until now, which takes in their bytes from the system
        self.ready = threading.Event()  # no request is answered before it is set
        self.ready.set()

    def answer(self, request: Request) -> Answer:
        stream = FILE_STREAM.fullmatch(request.path)
        if not stream:
            return super().answer(request)
        run = self.runs[tuple(unquote(part) for part in stream.groups())]
        for name, first, count in _parts(request.body):
            held = run.streams.setdefault(name, _Count())
            if name != SUMMARY and first != held.count:
                self.violations.append(f"run {run.id}: {name}: line {first} came behind {held.count} lines")
            held.count = first + count
            if name == HISTORY:
                self.arrivals.append(Arrival(run.id, first, count, time.monotonic()))
        run.complete = run.complete or b'"complete":true' in request.body
        return Answer()

    def worked(self, seconds: float) -> None:
        """A handler's thread has had the processor for so long."""
        with self._changed:
            self.processor_seconds += seconds

    def rows(self) -> int:
        return sum(arrival.count for arrival in self.arrivals)


def _parts(body: bytes) -> list[tuple[str, int, int]]:
    """The streams in a request's body: name, number of the first line, lines.

    Within a line each quote has a backslash before it, so that the bytes looked for can't be a part of one.
    """
    found = sorted((at, name) for name in (HISTORY, EVENTS, SUMMARY, CONSOLE) if (at := body.find(_key(name))) >= 0)
    ends = [at for at, _name in found[1:]] + [len(body)]
    return [(name, _first(body[at:end]), _lines(name, body[at:end])) for (at, name), end in zip(found, ends)]


def _key(name: str) -> bytes:
    return f'"{name}":{{'.encode()


def _first(part: bytes) -> int:
    offset = _OFFSET.search(part[:100]) or _OFFSET.search(part[part.rindex(b'"offset":') :])
    return int(offset.group(1))


def _lines(name: str, part: bytes) -> int:
    if name == CONSOLE:  # plain text
        return 0 if b'"content":[]' in part else part.count(b'","') + 1
    return part.count(b'}"')  # a JSON object each


class _Count(dict):
    """Stands for a stream's lines, of which only the number is known."""

    count = 0

    def __len__(self) -> int:
        return self.count


def _with_line_count(run: Run) -> dict:
    bucket = _bucket(run)
    bucket["historyLineCount"] = len(run.streams.get(HISTORY, {}))
    return bucket


_bucket, Run.bucket = Run.bucket, _with_line_count


class _Handler(Handler):
    owner: CountingServer
    # The head and the body of an answer are two writes: with Nagle's algorithm the second one waits for the client's
    # acknowledgement of the first, 40 ms where that is delayed.
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        begun = time.thread_time()
        try:
            BaseHTTPRequestHandler.handle_one_request(self)
        finally:
            self.owner.worked(time.thread_time() - begun)

    def respond(self, request: Request) -> None:
        self.owner.ready.wait()
        super().respond(request)

    def do_PUT(self) -> None:
        """A file is taken as fast as `storage_speed` lets it be, of whatever size."""
        self.owner.begin(self.path)
        self.over = False
        try:
            size, begun = int(self.headers["Content-Length"]), time.monotonic()
            taken = 0
            while taken < size:
                part = self.rfile.read(min(_AT_ONCE, size - taken))
                if not part:
                    raise ConnectionError(f"{self.path}: broken off after {taken} of {size} bytes")
                taken += len(part)
                self.owner.leaving.wait(begun + taken / self.owner.storage_speed - time.monotonic())
            self.owner.stored.append(Stored(self.owner.file_at(self.path), size, begun, time.monotonic()))
            self.respond(Request(self.command, self.path, self.headers, b""))
        finally:
            self.end()
