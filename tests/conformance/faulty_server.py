"""The strict server, in trouble: it refuses, delays, loses and garbles as a network and a busy server do."""

import random
import socket
import struct
import threading
from collections.abc import Callable
from typing import Optional

from strict_server import Answer, Handler, Request, StrictServer

# What a client has to get over without help, with and without the request having been applied.
PASSING = (
    "408", "425", "429", "500", "502", "503", "504", "reset before", "reset after", "hang before", "hang after",
    "drip", "garbage", "short", "lost after", "page",
)  # fmt: skip
# What no repetition mends.
FINAL = ("400", "401", "403", "404", "410", "413", "422", "501")


class FaultyServer(StrictServer):
    """Asks `fault` about each request, under no lock; it gives one of PASSING or FINAL, or None: all is well."""

    def __init__(self, fault: Callable[[Request], Optional[str]], port: int = 0):
        super().__init__(port, FaultyHandler)
        self.fault = fault
        self.faults: list[str] = []  # those that happened, in order
        self.leaving = threading.Event()

    def __exit__(self, *exc: object) -> None:
        self.leaving.set()
        super().__exit__(*exc)


def at_random(seed: int, share: float, kinds: tuple[str, ...] = PASSING) -> Callable[[Request], Optional[str]]:
    """Faults for a share of all requests. The same seed draws the same faults in the order of the requests."""
    draw = random.Random(seed)
    lock = threading.Lock()

    def fault(_request: Request) -> Optional[str]:
        with lock:
            return draw.choice(kinds) if draw.random() < share else None

    return fault


class FaultyHandler(Handler):
    owner: FaultyServer

    def respond(self, request: Request) -> None:
        fault = self.owner.fault(request)
        if fault is None:
            super().respond(request)
            return
        self.owner.faults.append(fault)
        if fault.isdigit():
            headers = {"Retry-After": "0.02"} if fault in ("429", "503") else {}
            self.send(Answer(int(fault), {"error": "made for a test"}, headers))
        elif fault.startswith("hang"):
            self._hang(request, applied=fault == "hang after")
        elif fault == "reset before":
            self._reset()
        elif fault == "page":
            # A network that wants a login first answers in the server's place.
            self.end()
            self._send_page()
        else:
            answer = self.owner.handle(request)
            self.end()
            if answer.status != 200:
                self.send(answer)
            elif fault == "reset after":
                self._reset()
            elif fault == "lost after":
                self.send(Answer(500, {"error": "made for a test, after it was applied"}))
            else:
                self._garble(fault)

    def _hang(self, request: Request, applied: bool) -> None:
        if applied:
            self.owner.handle(request)
        # The client gives up after its own time and begins anew.
        self.end()
        self.owner.leaving.wait(20)
        self.close_connection = True

    def _send_page(self) -> None:
        content = b"<!DOCTYPE html><html><body>Log in to this network</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        self.end()
        # With no time to linger, close() resets the connection.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _garble(self, fault: str) -> None:
        content = b"<html>not what was asked for</html>" if fault == "garbage" else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + (10 if fault == "short" else 0)))
        self.end_headers()
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if fault == "drip":
                self.owner.leaving.wait(0.02)
        self.close_connection = True

    def finish(self) -> None:
        if self.connection.fileno() >= 0:
            super().finish()
