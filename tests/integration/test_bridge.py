"""Laws of the real bridge and its workers, driven without NVFlare: many sites, odd names, kills, limits."""

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import zmq
from bridge_driver import Driver, children_of, processes_with, wait_for
from flarebridge.bridge_process import find_binary
from hello_pt import in_log
from wandb_tools import DamagedLog, logs_below, records, rows, run_of, summary

_WANDB = {"wandb": {"project": "tests"}}


def _log_of(folder: Path, site: str) -> Path:
    return logs_below(folder)[f"{site}-job-run"]


def _so_far(folder: Path, name: str) -> list[tuple]:
    """The values of a run that is being written; nothing while it can't be read."""
    try:
        log = logs_below(folder).get(name)
        return in_log(log) if log else []
    except (DamagedLog, IndexError):  # in the middle of its first write
        return []


def _summary_so_far(folder: Path, name: str) -> dict:
    """The summary of a run that is being written; nothing while it can't be read."""
    try:
        log = logs_below(folder).get(name)
        return summary(log) if log else {}
    except (DamagedLog, IndexError):  # in the middle of a write
        return {}


def _exit_code(log: Path) -> int:
    (code,) = [record.exit.exit_code for record in records(log) if record.WhichOneof("record_type") == "exit"]
    return code


def test_twenty_sites_at_once_each_have_their_own_complete_run(tmp_path):
    sites = [f"site-{number}" for number in range(20)]
    with Driver(tmp_path, _WANDB) as driver:
        for site in sites:
            driver.start_run(site)
        for step in range(200):
            for number, site in enumerate(sites):
                driver.data(site, "METRICS", "metrics", {"loss": number + step / 1000}, step=step)
        driver.end()
    for number, site in enumerate(sites):
        assert in_log(_log_of(tmp_path, site)) == [(step, "loss", number + step / 1000) for step in range(200)]


def test_a_silent_site_has_an_empty_finished_run(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        driver.start_run("silent")
        driver.end()
    log = _log_of(tmp_path, "silent")
    assert rows(log) == []
    assert _exit_code(log) == 0


@pytest.mark.parametrize(
    "site", ["site with spaces", "Klinik Köln ☕", "../../../etc/passwd", "/abs", "a\\b", "x" * 255]
)
def test_a_site_that_nobody_announced_and_whatever_its_name_has_a_run_within_the_folder(tmp_path, site):
    outside = tmp_path / "outside"
    inside = outside / "a" / "b" / "c"
    inside.mkdir(parents=True)
    with Driver(inside, _WANDB, state=tmp_path / "state") as driver:
        driver.data(site, "METRIC", "loss", 0.5, step=1)
        driver.end()
    log = _log_of(outside, site)
    assert inside / "wandb" in log.parents
    assert in_log(log) == [(1, "loss", 0.5)]
    assert sorted(path.name for path in outside.rglob("*.wandb")) == [log.name]


def test_the_bridge_is_killed_again_and_again_and_no_acknowledged_event_is_lost(tmp_path):
    sent = []
    killed = None
    with Driver(tmp_path, _WANDB) as driver:
        for kill in range(5):
            for _ in range(400):
                value = len(sent) + 0.25
                driver.data(f"site-{len(sent) % 3}", "METRIC", "loss", value, step=len(sent))
                sent.append(value)
            if kill < 4:
                killed = driver.pid(other_than=killed)
                os.kill(killed, signal.SIGKILL)
        driver.end()
        assert driver.process.starts == 5
    found = [value for site in range(3) for _, _, value in in_log(_log_of(tmp_path, f"site-{site}"))]
    assert sorted(found) == sent


def test_every_worker_is_killed_again_and_again_and_every_run_is_complete(tmp_path):
    count = 0
    killed = set()
    with Driver(tmp_path, _WANDB) as driver:
        for _ in range(5):
            for _ in range(300):
                driver.data(f"site-{count % 4}", "METRIC", "loss", count, step=count)
                count += 1
            for worker in wait_for(lambda: set(children_of(driver.pid())) - killed, "workers that live"):
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
        driver.end()
    assert len(killed) >= 5
    found = [value for site in range(4) for _, _, value in in_log(_log_of(tmp_path, f"site-{site}"))]
    assert sorted(found) == list(range(count))


def test_a_row_can_be_read_within_a_second_of_the_next_step(tmp_path):
    """The law is that it becomes readable while the run goes on; the wait's limit is generous for slow machines."""
    with Driver(tmp_path, _WANDB) as driver:
        driver.data("site-1", "METRIC", "loss", 0.5, step=1)
        driver.data("site-1", "METRIC", "loss", 0.25, step=2)
        wait_for(lambda: _so_far(tmp_path, "site-1-job-run") == [(1, "loss", 0.5)], "the row", 10)
        driver.end()
    assert in_log(_log_of(tmp_path, "site-1")) == [(1, "loss", 0.5), (2, "loss", 0.25)]


def test_records_of_one_step_are_one_row_also_seconds_apart(tmp_path):
    """As with W&B's own client: the loss, then an evaluation. The summary has each value before the row is written."""
    with Driver(tmp_path, _WANDB) as driver:
        driver.data("site-1", "METRIC", "loss", 0.5, step=1)
        wait_for(lambda: _summary_so_far(tmp_path, "site-1-job-run").get("loss") == 0.5, "the loss", 10)
        driver.data("site-1", "METRIC", "accuracy", 0.75, step=1)
        wait_for(lambda: _summary_so_far(tmp_path, "site-1-job-run").get("accuracy") == 0.75, "the accuracy", 10)
        assert _so_far(tmp_path, "site-1-job-run") == []
        driver.end()
    (row,) = rows(_log_of(tmp_path, "site-1"))
    assert (row["_step"], row["loss"], row["accuracy"]) == (1, 0.5, 0.75)


def test_what_has_no_step_moves_none_of_those_that_have_one(tmp_path):
    """The loss by batch, the accuracy of a round without a step: what every federated script logs."""
    with Driver(tmp_path, _WANDB) as driver:
        for round_number in range(3):
            for batch in range(20):
                step = 20 * round_number + batch
                driver.data("site-1", "METRIC", "loss", step, step=step)
            driver.data("site-1", "METRIC", "accuracy", round_number)
            assert driver.link.wait_acknowledged(30)
            wait_for(lambda last=step: len(_so_far(tmp_path, "site-1-job-run")) >= last, "the round's rows")
        driver.end()
    found = rows(_log_of(tmp_path, "site-1"))
    assert [(row["_step"], row["loss"]) for row in found] == [(step, step) for step in range(60)]
    assert [(row["_step"], row["accuracy"]) for row in found if "accuracy" in row] == [(19, 0), (39, 1), (59, 2)]


def test_a_stopped_worker_holds_up_nobody_and_loses_nothing(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        driver.start_run("slow")
        (slow,) = wait_for(lambda: children_of(driver.pid()), "the worker")
        os.kill(slow, signal.SIGSTOP)
        for step in range(3000):
            driver.data("slow", "TEXT", "text", "x" * 300, step=step)
            driver.data("fast", "METRIC", "loss", step, step=step)
        assert driver.link.wait_acknowledged(60)
        wait_for(lambda: len(_so_far(tmp_path, "fast-job-run")) > 2700, "rows")
        os.kill(slow, signal.SIGCONT)
        driver.end()
    assert len(rows(_log_of(tmp_path, "slow"))) == 3000
    assert len(rows(_log_of(tmp_path, "fast"))) == 3000


def test_the_bridge_is_no_descendant_of_the_process_that_started_it(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        parent, session = Path(f"/proc/{driver.pid()}/stat").read_text().rsplit(")", 1)[1].split()[1:4:2]
        assert int(parent) != os.getpid()
        assert int(session) == driver.pid()
        driver.end()


def test_a_process_that_dies_without_ending_its_run_leaves_a_failed_run(tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from pathlib import Path; from bridge_driver import Driver; import os\n"
        f"driver = Driver(Path({str(tmp_path)!r}), {_WANDB!r})\n"
        "driver.data('site-1', 'METRIC', 'loss', 0.5, step=1)\n"
        "assert driver.link.wait_acknowledged(30)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([os.sys.executable, "-c", script], timeout=60, check=False)
    wait_for(lambda: not processes_with(str(tmp_path)), "the bridge's end")
    log = _log_of(tmp_path, "site-1")
    assert in_log(log) == [(1, "loss", 0.5)]
    assert _exit_code(log) == 1


def test_a_session_that_says_goodbye_without_an_end_leaves_a_failed_run(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        driver.data("site-1", "METRIC", "loss", 0.5, step=1)
        assert driver.link.wait_acknowledged(30)
        driver.link.close(10)
        driver.wait_gone()
    assert in_log(_log_of(tmp_path, "site-1")) == [(1, "loss", 0.5)]
    assert _exit_code(_log_of(tmp_path, "site-1")) == 1


def test_a_second_job_in_the_same_folder_goes_on_with_the_same_run(tmp_path):
    for part in range(2):
        with Driver(tmp_path, _WANDB) as driver:
            driver.data("site-1", "METRIC", "loss", part, step=part)
            driver.end(exit_code=1 - part)
    log = _log_of(tmp_path, "site-1")
    assert in_log(log) == [(0, "loss", 0), (1, "loss", 1)]
    assert _exit_code(log) == 0
    assert len(list(tmp_path.rglob("*.wandb"))) == 1


def test_a_folder_that_becomes_writable_gets_everything_that_waited(tmp_path):
    """The run's place is taken by a file at first; when that goes, the events are still there."""
    obstacle = tmp_path / "runs"
    obstacle.write_text("in the way")
    receivers = {"wandb": {"project": "tests", "dir": str(obstacle)}}
    with Driver(tmp_path, receivers) as driver:
        driver.data("site-1", "METRIC", "loss", 0.5, step=1)
        driver.data("site-1", "METRIC", "loss", 0.25, step=2)
        assert driver.link.wait_acknowledged(30)
        wait_for(lambda: any(level == "error" and str(obstacle) in text for level, text in driver.reports), "an error")
        obstacle.unlink()
        wait_for(lambda: _so_far(tmp_path, "site-1-job-run"), "the run")
        driver.end()
    assert in_log(_log_of(tmp_path, "site-1")) == [(1, "loss", 0.5), (2, "loss", 0.25)]


def _let_files_grow(pid: int, allowed: bool) -> None:
    """A disk that is full, as far as this process can tell: no write may go beyond a size of 0."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if allowed else 0, hard))


def test_while_the_journal_cannot_be_written_nothing_is_acknowledged_and_then_everything(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        driver.data("site-1", "METRIC", "loss", 0, step=0)
        assert driver.link.wait_acknowledged(30)
        _let_files_grow(driver.pid(), False)
        for step in range(1, 2000):
            assert driver.data("site-1", "METRIC", "loss", step, step=step)
        wait_for(lambda: any("journal" in text for level, text in driver.reports if level == "error"), "the error")
        assert driver.link.unacknowledged == 1999
        _let_files_grow(driver.pid(), True)
        driver.end()
    assert in_log(_log_of(tmp_path, "site-1")) == [(step, "loss", step) for step in range(2000)]


def test_a_run_log_that_cannot_be_written_goes_on_where_it_was(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        for step in range(2):
            driver.data("site-1", "METRIC", "loss", step, step=step)
        wait_for(lambda: _so_far(tmp_path, "site-1-job-run"), "the first row")
        (worker,) = children_of(driver.pid())
        _let_files_grow(worker, False)
        for step in range(2, 2000):
            driver.data("site-1", "METRIC", "loss", step, step=step)
        wait_for(lambda: any("can't be written" in text for _, text in driver.reports), "the error")
        driver.end()  # the next worker has no such limit
    assert in_log(_log_of(tmp_path, "site-1")) == [(step, "loss", step) for step in range(2000)]


def test_what_a_bridge_left_behind_is_finished_by_a_later_start(tmp_path):
    receivers = {"wandb": {"project": "tests", "dir": "/proc/no-such-place"}}
    driver = Driver(tmp_path, receivers, state=tmp_path / "state")
    driver.data("site-1", "METRIC", "loss", 0.5, step=1)
    assert driver.link.wait_acknowledged(30)
    os.kill(driver.pid(), signal.SIGTERM)
    driver.process.ensure = lambda now: False  # it is not to come back by itself
    driver.wait_gone()
    driver.link.close(0.1)
    assert (tmp_path / "state" / "journal.db").exists()
    # Without a receiver that works it is kept, and the status says so.
    command = [find_binary(), "serve", "--own", "--state", str(tmp_path / "state")]
    left = subprocess.run([*command, "--finish-timeout", "1"], timeout=60, check=False)
    assert left.returncode == 1
    assert (tmp_path / "state" / "journal.db").exists()


def _serve(folder: Path, endpoint: str, *options: str) -> subprocess.Popen:
    command = [find_binary(), "serve", "--state", str(folder / "state"), "--endpoint", endpoint, *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_no_process_of_a_bridge_can_get_more_rights(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        driver.start_run("site-1")
        workers = wait_for(lambda: children_of(driver.pid()), "the worker")
        for pid in [driver.pid(), *workers]:
            assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
        driver.end()


@pytest.mark.parametrize(
    ("endpoint", "options", "words"),
    [
        ("tcp://0.0.0.0:5555", (), "flarebridge keygen NAME"),
        ("tcp://127.0.0.1:5555", (), "flarebridge keygen NAME"),
        ("tcp://0.0.0.0:5555", ("--no-keys",), "only this machine"),
        ("tcp://127.0.0.1:5555", ("--key", "/dev/null"), "belong together"),
        ("tcp://127.0.0.1:5555", ("--key", "/dev/null", "--clients", "/dev"), "holds no CURVE keys"),
        ("udp://127.0.0.1:1", (), "neither ipc:// nor tcp://"),
        ("ipc:///tmp/link", (), "mode 0700"),
        ("ipc:///tmp/" + "x" * 120, (), "107 bytes"),
    ],
)
def test_an_endpoint_that_others_could_reach_is_refused(tmp_path, endpoint, options, words):
    bridge = _serve(tmp_path, endpoint, *options)
    _, error = bridge.communicate(timeout=30)
    assert bridge.returncode == 78
    assert words in error


def test_strangers_and_nonsense_do_not_disturb_a_session(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        driver.pid()
        context = zmq.Context()
        stranger = context.socket(zmq.DEALER)
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.connect(driver.process.endpoint)
        nonsense = (
            [b""],
            [b"\xc1" * 100],
            [b"\x93\x02\x01\x01", b"x"],
            [b"a", b"b", b"c"],
            [b"\x91\x09"],
            [b"x" * 10000],
        )
        for message in nonsense:
            stranger.send_multipart(message)
        answers = []
        wait_for(
            lambda: stranger.poll(0) and not answers.append(stranger.recv()) and len(answers) == len(nonsense),
            "refusals",
        )
        assert all(answer[:2] == b"\x93\x04" for answer in answers)
        context.destroy(linger=0)
        driver.data("site-1", "METRIC", "loss", 0.5, step=1)
        driver.end()
    assert in_log(_log_of(tmp_path, "site-1")) == [(1, "loss", 0.5)]


def test_scalars_of_tensorboard_may_be_named_by_their_tag(tmp_path):
    with Driver(tmp_path, {"wandb": {**_WANDB["wandb"], "prefix_scalars": True}}) as driver:
        driver.data("site-1", "SCALARS", "loss", {"train": 1, "val": 2}, step=1, writer="TORCH_TB")
        driver.data("site-1", "METRICS", "metrics", {"train": 3}, step=1)
        driver.end()
    assert sorted(in_log(_log_of(tmp_path, "site-1"))) == [(1, "loss/train", 1), (1, "loss/val", 2), (1, "train", 3)]


def test_a_run_of_every_kind_of_late_and_stepless_record_has_them_all(tmp_path):
    with Driver(tmp_path, _WANDB) as driver:
        for step in (5, 3, 4, 5):
            driver.data("site-1", "METRIC", f"m{step}", step, step=step)
        assert driver.link.wait_acknowledged(30)
        wait_for(lambda: len(_so_far(tmp_path, "site-1-job-run")) == 2, "two rows")
        driver.data("site-1", "METRIC", "late", 1, step=2)
        driver.data("site-1", "METRIC", "no_step", 2)
        driver.end()
    found = rows(_log_of(tmp_path, "site-1"))
    assert [row["_step"] for row in found] == [3, 4, 4, 5]
    assert (found[2]["late"], found[2]["flarebridge/step"]) == (1, 2)
    assert (found[3]["m5"], found[3]["no_step"]) == (5, 2)
    assert run_of(_log_of(tmp_path, "site-1")).project == "tests"
