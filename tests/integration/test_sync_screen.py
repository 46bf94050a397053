"""What a person sees of `flarebridge sync`: what the server has confirmed, each wait, each result, and what helps."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import run_log_writer as writer
from faulty_server import FaultyServer
from strict_server import FILE_STREAM, Request, StrictServer
from uploads import BINARY, DEADLINE, environment, is_marked, make_run, start_sync, sync, wait_for_marks
from wandb.proto import wandb_internal_pb2 as pb

_AGAIN = "run the same command again to go on"


class _Terminal:
    """`flarebridge sync` in a terminal of so many columns. `shown`: all that it wrote until now."""

    def __init__(self, columns: int, folder: Path, environ: dict[str, str], *options: str):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            [BINARY, "sync", *options, str(folder)], env=environ, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.shown = ""

    def wait_for(self, pattern: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not re.search(pattern, self.shown):
            assert self._read(deadline), f"{pattern!r} is not in {self.shown[-1000:]!r}"

    def end(self) -> int:
        """Reads all and gives the status."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline):
            pass
        return self.process.wait(DEADLINE)

    def _read(self, deadline: float) -> bool:
        if not select.select([self._ours], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        try:
            self.shown += os.read(self._ours, 65536).decode()
        except OSError:  # nobody has the other end any more
            return False
        return True

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def lines(self) -> list[str]:
        """What stays: lines that were not erased."""
        return [line.split("\033[K")[-1].strip("\r") for line in self.shown.split("\n")]

    def drawn(self) -> list[str]:
        return re.findall(r"\r\033\[K([^\r\n\033]+)(?=\r\033)", self.shown)


@contextmanager
def _terminal(columns: int, folder: Path, environ: dict[str, str], *options: str) -> Iterator[_Terminal]:
    terminal = _Terminal(columns, folder, environ, *options)
    try:
        yield terminal
    finally:
        terminal.close()


def test_the_bar_shows_what_the_server_has_confirmed(tmp_path):
    run = make_run(tmp_path, 1, rows=60, width=300_000)  # some requests
    let_go = threading.Event()

    def hold_lines(request: Request) -> None:
        if FILE_STREAM.fullmatch(request.path):
            let_go.wait(DEADLINE)

    with FaultyServer(hold_lines) as server:
        environ = environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60")
        with _terminal(100, tmp_path, environ) as terminal:
            server.wait_for(lambda held: held.runs)
            terminal.wait_for(r"\[\.{20}\] 0 of 1 run, 0 of 60 rows, 0 B of 36 MB")
            assert "#" not in terminal.shown
            let_go.set()
            assert terminal.end() == 0
            run.assert_on(server)
            assert max(len(line) for line in terminal.drawn()) < 100
            rows = [int(found) for found in re.findall(r"(\d+) of 60 rows", terminal.shown)]
            assert rows == sorted(rows)
            assert re.fullmatch(r"1 run, 60 rows, \d+ s", terminal.lines()[-2])


def test_a_wait_is_told_in_full_on_a_narrow_terminal(tmp_path):
    make_run(tmp_path, 1, rows=5)
    environ = environment(tmp_path, WANDB_BASE_URL="http://127.0.0.1:1", WANDB_API_KEY="k" * 40)
    with _terminal(40, tmp_path, environ, "--retry-for", "2") as terminal:
        assert terminal.end() == 1
        waits = [line for line in terminal.lines() if " waits: " in line]
        assert len(waits) == 1
        assert "asking what the server has of the run: Failed to connect to 127.0.0.1 port 1" in waits[0]
        assert waits[0].endswith("; tried again for 2 s at most")
        assert any("0 of 1 run" in line and "1 waits" in line for line in terminal.drawn())
        assert _AGAIN in terminal.shown


def test_each_run_has_a_line_with_its_name_and_address_and_all_have_one(tmp_path):
    records = [writer.header(), writer.run_record("läuf", project="prö jekt", entity="me", display_name="Läuf 1")]
    writer.write_run(tmp_path, "läuf", [*records, writer.exit_record(0)])
    make_run(tmp_path, 1, rows=1)
    make_run(tmp_path, 2, rows=1999)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        named = [line for line in lines if line.startswith("Läuf 1, ")]
        assert named and named[0].endswith(f"{server.url}/me/pr%C3%B6%20jekt/runs/l%C3%A4uf")
        assert any(": 1 row, counted by the server, " in line for line in lines)
        assert re.fullmatch(r"3 runs, 2,000 rows, \d+ s", lines[-1])


def test_what_a_repetition_does_not_help_is_not_advised(tmp_path):
    make_run(tmp_path, 1, rows=5)
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server, WANDB_API_KEY="k" * 40))
        assert done.returncode == 1
        assert f"{server.url} does not accept the API key from WANDB_API_KEY" in done.stderr
        assert "1 run is not wholly on the server; what is named above has to be mended first" in done.stderr
        assert _AGAIN not in done.stderr


def test_one_of_a_kind_is_not_many(tmp_path):
    folders = [pb.Record(tbrecord=pb.TBRecord(log_dir="made", save=True)) for _ in range(2)]
    for run_id, count in (("one", 1), ("two", 2)):
        records = [writer.header(), writer.run_record(run_id, project="made", entity="tester"), *folders[:count]]
        writer.write_run(tmp_path, run_id, [*records, writer.exit_record(0)])
    with StrictServer() as server:
        done = sync(tmp_path, environment(tmp_path, server))
        assert re.search(r"not uploaded: 1 TensorBoard folder\n", done.stderr)
        assert re.search(r"not uploaded: 2 TensorBoard folders\n", done.stderr)


def test_a_watch_takes_a_run_up_again_behind_an_outage_longer_than_it_tries(tmp_path):
    run = make_run(tmp_path, 1, rows=50)
    down = [True]
    with FaultyServer(lambda _request: "503" if down[0] else None) as server:
        process = start_sync(tmp_path, environment(tmp_path, server), "--watch", "--retry-for", "0")
        try:
            server.wait_for(lambda held: held.faults)
            deadline = time.monotonic() + DEADLINE
            while "it is taken up again" not in (line := process.stderr.readline()):
                assert time.monotonic() < deadline and line
            down[0] = False
            wait_for_marks([run])
            run.assert_on(server)
        finally:
            process.terminate()
            out, _err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0
        assert f"{run.log.parent.name}: taken again, " in out
        assert not server.violations


def test_an_interrupted_watch_says_what_it_has_brought_there(tmp_path):
    run = make_run(tmp_path, 1, rows=20, exit_code=None)
    with StrictServer() as server, _terminal(100, tmp_path, environment(tmp_path, server), "--watch") as terminal:
        terminal.wait_for(r"watching: 1 run under way, 0 done, 20 rows")
        terminal.process.send_signal(2)
        assert terminal.end() == 0
        assert re.search(r"stopped: 0 runs, 20 rows, \d+ s\r?\n", terminal.shown)
        assert _AGAIN in terminal.shown
        assert not is_marked(run.log)


def test_a_watch_takes_a_run_up_again_that_goes_on_behind_its_end(tmp_path):
    watched = tmp_path / "watched"
    first, longer = make_run(watched, 1, rows=10), make_run(tmp_path / "made", 1, rows=20)
    with StrictServer() as server:
        process = start_sync(watched, environment(tmp_path, server), "--watch")
        try:
            wait_for_marks([first])
            # Its writer has cut the end off and gone on, as it does with what is not marked.
            first.log.write_bytes(longer.log.read_bytes())
            Path(f"{first.log}.synced").unlink()
            wait_for_marks([first])
            longer.assert_on(server)
        finally:
            process.terminate()
            out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        assert f"{first.log.parent.name}: taken again, " in out
