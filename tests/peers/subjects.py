"""The systems that the kill test kills: how to start, feed and read each."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Optional

sys.path[:0] = [str(Path(__file__).parents[i] / p) for i, p in ((1, ""), (1, "conformance"), (2, "python_shim"))]

from bridge_driver import Driver  # noqa: E402
from wandb_tools import logs_below, rows  # noqa: E402

_AT_ONCE = 500  # messages of a stream that are asked for together


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _connect(port: int) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        assert time.monotonic() < deadline, "the server does not come up"
        time.sleep(0.02)  # between two tries


class Flarebridge:
    """Its own shim sends again by itself."""

    name = "flarebridge"

    def __init__(self, folder: Path):
        self._folder = folder
        self._driver = Driver(folder, {"wandb": {}}, state=folder / "state")
        self._driver.start_run("site-1")
        self._before = 2  # events before the first record

    def send(self, number: int) -> None:
        assert self._driver.data("site-1", "METRIC", "n", number, number)

    def acknowledged(self) -> int:
        """How many of the records, from the first one on, are acknowledged by now."""
        return max(0, self._driver.link.acknowledged - self._before)

    def kill(self) -> None:
        os.kill(self._driver.pid(), signal.SIGKILL)

    def abandon(self) -> None:
        self._driver.link.close(0.1)
        self._driver.wait_gone()

    def finish(self) -> list[int]:
        """Ends everything. Gives the records that are there."""
        self._driver.end()
        (log,) = logs_below(self._folder).values()
        return [row["n"] for row in rows(log)]


class _Server(ABC):
    """A process that is started again after its death, and a connection on which all is sent again that is not
    acknowledged."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = _free_port()
        self.sent = 0
        self.acks: set[int] = set()
        self._first_missing = 0
        self._process: Optional[subprocess.Popen] = None
        self._start()

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def greet(self) -> None: ...

    @abstractmethod
    def transmit(self, number: int) -> bytes: ...

    @abstractmethod
    def receive(self, data: bytes) -> None: ...

    def _start(self) -> None:
        self._process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = _connect(self.port)
        self.greet()
        self.socket.settimeout(0)

    def send(self, number: int) -> None:
        self.sent = number + 1
        self._write(self.transmit(number))
        self._read()

    def _write(self, data: bytes) -> None:
        self.socket.settimeout(30)
        with suppress(OSError):
            self.socket.sendall(data)
        self.socket.settimeout(0)

    def _read(self) -> None:
        with suppress(OSError):
            while data := self.socket.recv(1 << 16):
                self.receive(data)

    def acknowledged(self) -> int:
        self._read()
        while self._first_missing in self.acks:
            self._first_missing += 1
        return self._first_missing

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)
        self._read()
        self.socket.close()
        self._start()
        for number in range(self.acknowledged(), self.sent):
            if number not in self.acks:
                self._write(self.transmit(number))

    def wait_acknowledged(self) -> None:
        deadline = time.monotonic() + 60
        while self.acknowledged() < self.sent:
            assert time.monotonic() < deadline, f"{self.acknowledged()} of {self.sent} acknowledged"
            time.sleep(0.01)  # between two looks

    def abandon(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self.socket.close()


class JetStream(_Server):
    name = "NATS JetStream"

    def command(self) -> list[str]:
        return ["nats-server", "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder / "js")]

    def greet(self) -> None:
        self._text = b""
        self._read_line()  # INFO
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB a.> 1\r\n')
        stream = {"name": "S", "subjects": ["s.x"], "storage": "file", "num_replicas": 1}
        answer = self._ask("$JS.API.STREAM.CREATE.S", stream)
        assert "error" not in answer or answer["error"]["err_code"] == 10058, answer  # it is there already

    def _read_line(self) -> bytes:
        while b"\r\n" not in self._text:
            self._text += self.socket.recv(1 << 16)
        line, self._text = self._text.split(b"\r\n", 1)
        return line

    def _next_message(self) -> tuple[str, bytes]:
        """Subject and content."""
        while True:
            line = self._read_line()
            if line == b"PING":
                self.socket.sendall(b"PONG\r\n")
            if not line.startswith((b"MSG", b"HMSG")):
                continue
            words = line.decode().split()
            size = int(words[-1])
            while len(self._text) < size + 2:
                self._text += self.socket.recv(1 << 16)
            content, self._text = self._text[:size], self._text[size + 2 :]
            if words[0] == "HMSG":
                content = content[int(words[-2]) :]
            return words[1], content

    def _ask(self, subject: str, content: dict) -> dict:
        data = json.dumps(content).encode()
        self.socket.sendall(b"PUB %s a.api %d\r\n%s\r\n" % (subject.encode(), len(data), data))
        while True:
            at, answer = self._next_message()
            if at == "a.api":
                return json.loads(answer)

    def transmit(self, number: int) -> bytes:
        header = b"NATS/1.0\r\nNats-Msg-Id: %d\r\n\r\n" % number
        data = b"%d" % number
        return b"HPUB s.x a.%d %d %d\r\n%s%s\r\n" % (number, len(header), len(header) + len(data), header, data)

    def receive(self, data: bytes) -> None:
        self._text += data
        # Only whole messages are taken.
        while b"\r\n" in self._text:
            line, rest = self._text.split(b"\r\n", 1)
            if line.startswith(b"MSG"):
                words = line.decode().split()
                size = int(words[-1])
                if len(rest) < size + 2:
                    return
                content, self._text = json.loads(rest[:size]), rest[size + 2 :]
                if "error" not in content and words[1].startswith("a.") and words[1][2:].isdigit():
                    self.acks.add(int(words[1][2:]))
            else:
                self._text = rest
                if line == b"PING":
                    self._write(b"PONG\r\n")

    def finish(self) -> list[int]:
        self.wait_acknowledged()
        self.socket.settimeout(30)
        state = self._ask("$JS.API.STREAM.INFO.S", {})["state"]
        found = []
        for first in range(state["first_seq"], state["last_seq"] + 1, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, state["last_seq"] + 1))
            asked = [b'{"seq":%d}' % number for number in numbers]
            self.socket.sendall(
                b"".join(b"PUB $JS.API.STREAM.MSG.GET.S a.get %d\r\n%s\r\n" % (len(text), text) for text in asked)
            )
            for _ in numbers:
                message = json.loads(self._next_message()[1]).get("message")
                if message is not None:
                    found.append(int(base64.b64decode(message["data"])))
        self.stop()
        return found


class Rsyslog(_Server):
    name = "rsyslog, RELP, queue in memory"
    queue = ""

    def command(self) -> list[str]:
        (self.folder / "work").mkdir(exist_ok=True)
        config = self.folder / "rsyslog.conf"
        config.write_text(f"""global(workDirectory="{self.folder}/work")
module(load="imrelp")
main_queue({self.queue})
input(type="imrelp" port="{self.port}" address="127.0.0.1")
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{self.folder}/out" template="raw")
""")
        return ["rsyslogd", "-n", "-f", str(config), "-i", str(self.folder / "pid"), "-C"]

    def greet(self) -> None:
        with suppress(OSError):
            (self.folder / "pid").unlink()
        self._text, self._transaction, self._numbers = b"", 1, {}
        offer = b"relp_version=0\nrelp_software=kill_test\ncommands=syslog"
        self.socket.sendall(b"1 open %d %s\n" % (len(offer), offer))
        answer = b""
        while b"200 OK" not in answer:
            answer += self.socket.recv(4096)

    def transmit(self, number: int) -> bytes:
        self._transaction += 1
        self._numbers[self._transaction] = number
        data = b"<14>%d" % number
        return b"%d syslog %d %s\n" % (self._transaction, len(data), data)

    def receive(self, data: bytes) -> None:
        self._text += data
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            words = line.split(b" ")
            if len(words) > 3 and words[1] == b"rsp" and words[3] == b"200":
                number = self._numbers.pop(int(words[0]), None)
                if number is not None:
                    self.acks.add(number)

    def finish(self) -> list[int]:
        self.wait_acknowledged()
        self.stop()
        found = []
        for line in (self.folder / "out").read_bytes().splitlines():
            with suppress(ValueError):
                found.append(int(line.removeprefix(b"<14>")))
        return found


class RsyslogDisk(Rsyslog):
    name = "rsyslog, RELP, synced disk queue"
    queue = (
        'queue.type="Disk" queue.filename="main" queue.syncqueuefiles="on" queue.checkpointinterval="1" '
        'queue.saveonshutdown="on"'
    )


SUBJECTS = [Flarebridge, JetStream, RsyslogDisk, Rsyslog]


def available(subject: type) -> bool:
    """Its program is installed."""
    if subject is Flarebridge:
        return True
    return shutil.which("nats-server" if subject is JetStream else "rsyslogd") is not None
