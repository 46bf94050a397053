"""Several processes that log into one run with flarebridge.wandb: W&B's mode "shared"."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bridge_driver import processes_with, wait_for
from own_script import DEADLINE, console_of, log_below, play, start
from run_log import config, exit_code, find_runs, inspect_with_wandb, rows, run, summary
from strict_server import StrictServer
from uploads import environment, sync

_ROWS = 2000

# Waits in the middle, so that something can happen there, and says so.
_WRITER = f"""
number = int(os.environ["NUMBER"])
run = wandb.init(
    id="together", project="mine", config={{f"c{{number}}": number}}, tags=["t"],
    settings=wandb.Settings(mode="shared", x_primary=number == 0, x_label=f"rank{{number}}"),
)
print("of", number)
for step in range({_ROWS}):
    wandb.log({{"loss": number + step / 10, f"own{{number}}": step}})
    if step == {_ROWS // 2}:
        assert run._sink._link.wait_acknowledged(60)
        print("half", flush=True)
        sys.stdin.readline()
wandb.summary[f"s{{number}}"] = number
"""


def _start(folder: Path, number: int, code: str = _WRITER, **more: str) -> subprocess.Popen:
    return start(folder, code, NUMBER=str(number), WANDB_SILENT="true", **more)


def _until_half(process: subprocess.Popen) -> None:
    for line in process.stdout:
        if line == "half\n":
            return
    raise AssertionError(process.communicate())


def _go_on(*processes: subprocess.Popen) -> None:
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err


def _gone(folder: Path) -> Path:
    wait_for(lambda: not processes_with(str(folder)), "the end of the bridge")
    return log_below(folder)


def _logged(number: int, count: int = _ROWS) -> list[dict[str, Any]]:
    own, label = f"own{number}", f"rank{number}"
    return [
        {"loss": number + step / 10, own: step, "flarebridge/step": step, "flarebridge/writer": label}
        for step in range(count)
    ]


def _of(log: Path, number: int) -> list[dict[str, Any]]:
    """A writer's rows, without what a log adds to each."""
    return [
        {key: value for key, value in row.items() if not key.startswith("_")}
        for row in rows(log)
        if row["flarebridge/writer"] == f"rank{number}"
    ]


def test_four_processes_log_into_one_run_and_one_that_is_killed_has_lost_nothing(tmp_path):
    writers = [_start(tmp_path, number) for number in range(4)]
    for writer in writers:
        _until_half(writer)
    writers[2].kill()
    writers[2].communicate()
    _go_on(*(writers[number] for number in (1, 3, 0)))
    log = _gone(tmp_path)

    found = rows(log)
    assert [row["_step"] for row in found] == list(range(3 * _ROWS + _ROWS // 2 + 1))
    for number in (0, 1, 3):
        assert _of(log, number) == _logged(number)
    assert _of(log, 2) == _logged(2, _ROWS // 2 + 1)
    assert config(log) == {f"c{number}": number for number in range(4)}
    last = summary(log)
    assert {key: last[key] for key in last if key.startswith(("s", "own"))} == {
        **{f"own{number}": _ROWS - 1 for number in (0, 1, 3)}, "own2": _ROWS // 2,
        **{f"s{number}": number for number in (0, 1, 3)},
    }  # fmt: skip
    assert sorted(line.strip() for line in console_of(log) if "of" in line) == [
        f"[rank{number}] of {number}" for number in range(4)
    ]
    assert exit_code(log) == 0
    assert run(log).tags == ["t"]
    assert inspect_with_wandb(log).records  # W&B's own reader takes it

    with StrictServer() as server:
        synced = sync(log.parent, environment(tmp_path, server))
        assert synced.returncode == 0, synced.stderr
        held = server.run("together")
        assert [(row["_step"], row["loss"]) for row in held.rows] == [(row["_step"], row["loss"]) for row in found]
        assert held.state == "finished"


@pytest.mark.parametrize("killed", [False, True])
def test_how_the_run_ended_is_the_primarys_word_whoever_is_last(tmp_path, killed):
    primary, other = _start(tmp_path, 0, _WRITER + "sys.exit(3)"), _start(tmp_path, 1)
    for writer in (primary, other):
        _until_half(writer)
    primary.communicate("\n", timeout=DEADLINE)
    assert primary.returncode == 3
    if killed:
        other.kill()
        other.communicate()
    else:
        _go_on(other)
    log = _gone(tmp_path)
    assert exit_code(log) == 3
    assert _of(log, 0) == _logged(0)
    assert _of(log, 1) == _logged(1, _ROWS // 2 + 1 if killed else _ROWS)


def test_the_run_of_a_killed_primary_goes_on_and_has_failed(tmp_path):
    primary, other = _start(tmp_path, 0), _start(tmp_path, 1)
    for writer in (primary, other):
        _until_half(writer)
    primary.kill()
    primary.communicate()
    _go_on(other)
    log = _gone(tmp_path)
    assert (exit_code(log), _of(log, 1)) == (1, _logged(1))


def test_when_all_are_killed_their_run_has_failed_with_all_that_they_logged(tmp_path):
    writers = [_start(tmp_path, number) for number in range(2)]
    for writer in writers:
        _until_half(writer)
    for writer in writers:
        writer.kill()
        writer.communicate()
    log = _gone(tmp_path)
    assert exit_code(log) == 1
    for number in range(2):
        assert _of(log, number) == _logged(number, _ROWS // 2 + 1)


def test_a_bridge_that_is_killed_is_replaced_by_one_of_the_writers_and_nothing_is_lost(tmp_path):
    writers = [_start(tmp_path, number) for number in range(3)]
    for writer in writers:
        _until_half(writer)
    bridges = [pid for pid, command in processes_with(str(tmp_path)).items() if " serve " in command]
    assert len(bridges) == 1
    os.kill(bridges[0], signal.SIGKILL)
    _go_on(*writers)
    log = _gone(tmp_path)
    for number in range(3):
        assert _of(log, number) == _logged(number)
    assert exit_code(log) == 0


def test_the_process_that_started_the_bridge_may_end_first_and_others_come_later(tmp_path):
    first = _start(tmp_path, 1)
    _until_half(first)
    second = _start(tmp_path, 2)
    _until_half(second)
    _go_on(first)
    third = _start(tmp_path, 0)
    _until_half(third)
    _go_on(second)
    _go_on(third)
    log = _gone(tmp_path)
    for number in range(3):
        assert _of(log, number) == _logged(number)
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("fbs-*/link"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_a_process_log_into_its_run(tmp_path, method):
    (tmp_path / "work.py").write_text(
        "import flarebridge.wandb as wandb\n"
        "def work(number):\n"
        "    settings = wandb.Settings(mode='shared', x_primary=False, x_label=f'child{number}')\n"
        "    with wandb.init(id='family', settings=settings) as run:\n"
        "        for step in range(100):\n"
        "            run.log({'x': step})\n"
    )
    play(
        tmp_path,
        f"""
        import multiprocessing, work
        if __name__ == "__main__":
            wandb.init(id="family", settings=wandb.Settings(mode="shared", x_label="parent"))
            wandb.log({{"x": 0}})
            context = multiprocessing.get_context("{method}")
            children = [context.Process(target=work.work, args=(number,)) for number in range(3)]
            [child.start() for child in children]
            [child.join() for child in children]
            assert [child.exitcode for child in children] == [0, 0, 0]
            wandb.log({{"x": 1}})
        """,
        PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
    )
    found = rows(log_below(tmp_path))
    for name, count in (("parent", 2), ("child0", 100), ("child1", 100), ("child2", 100)):
        assert [row["x"] for row in found if row["flarebridge/writer"] == name] == list(range(count))
    assert exit_code(log_below(tmp_path)) == 0


def test_a_second_process_that_does_not_share_a_run_is_refused_and_does_no_harm(tmp_path):
    alone = "run = wandb.init(id='mine')\nwandb.log({'x': 1})\nprint('half', flush=True)\nsys.stdin.readline()\n"
    refused = (
        "try:\n    wandb.init(id='mine', settings={0})\n"
        "except wandb.UsageError as e:\n    print(e)\nelse:\n    sys.exit(1)\n"
    )
    first = _start(tmp_path, 0, alone + "wandb.log({'x': 2})")
    _until_half(first)
    for settings, words in ((None, "does not ask to share it"), ("{'mode': 'shared'}", "that does not share it")):
        other = _start(tmp_path, 1, refused.format(settings))
        out, err = other.communicate(timeout=DEADLINE)
        assert other.returncode == 0, err
        assert words in out and "mode='shared'" in out
    _go_on(first)
    assert [row["x"] for row in rows(_gone(tmp_path))] == [1, 2]
    again = _start(tmp_path, 1, alone)  # one after the other is no harm
    _until_half(again)
    _go_on(again)
    assert [row["x"] for row in rows(_gone(tmp_path))] == [1, 2, 1]


def test_with_a_key_a_run_that_the_environment_says_is_shared_is_uploaded(tmp_path):
    code = """
    run = wandb.init(id="together", project="mine", entity="tester")
    for step in range(50):
        wandb.log({"x": step})
    """
    with StrictServer() as server:
        said = {"WANDB_MODE": "shared", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.key}
        writers = [
            _start(tmp_path, number, code, RANK=str(number), WANDB_X_PRIMARY=str(number == 0), **said)
            for number in range(2)
        ]
        for writer in writers:
            _out, err = writer.communicate(timeout=DEADLINE)
            assert writer.returncode == 0, err
        log = _gone(tmp_path)
        held = server.run("together")
        assert held.state == "finished"
        for number in range(2):
            for found in (held.rows, rows(log)):
                assert [row["x"] for row in found if row["flarebridge/writer"] == f"rank{number}"] == list(range(50))


def test_ranks_that_do_not_ask_for_a_run_in_common_have_runs_of_their_own(tmp_path):
    code = "wandb.init(name=os.environ['RANK'])\nwandb.log({'x': 1})\n"
    ranks = [_start(tmp_path, number, code, RANK=str(number), WORLD_SIZE="2") for number in range(2)]
    for rank in ranks:
        rank.communicate(timeout=DEADLINE)
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridges")
    assert sorted(run(log).display_name for log in find_runs(tmp_path)) == ["0", "1"]
