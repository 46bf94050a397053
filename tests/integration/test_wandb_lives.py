"""Lives of a script that logs with flarebridge.wandb: what is in its run however it ends, forks, or goes on later."""

import os
import signal

import pytest
from bridge_driver import processes_with, wait_for
from own_script import DEADLINE, console_of, log_below, play, start
from run_log import config, exit_code, find_runs, rows, run


def test_a_script_that_says_no_goodbye_is_finished_with_its_own_status(tmp_path):
    for number, (end, status, code) in enumerate(
        (("", 0, 0), ("raise KeyError('x')", 1, 1), ("sys.exit(3)", 3, 3), ("sys.exit('words')", 1, 1))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        play(folder, f"wandb.init()\nwandb.log({{'a': 1}})\nwandb.log({{'a': 2}}, commit=False)\n{end}", status)
        log = log_below(folder)
        assert exit_code(log) == code
        assert [row["a"] for row in rows(log)] == [1, 2]


def test_of_a_killed_script_all_that_was_acknowledged_is_there_and_its_run_has_failed(tmp_path):
    process = start(
        tmp_path,
        """
        run = wandb.init(id="killed")
        for step in range(1000):
            wandb.log({"a": step})
        assert run._sink._link.wait_acknowledged(60)
        print("logged", flush=True)
        time.sleep(600)
        """,
    )
    assert process.stdout.readline() == "logged\n"
    process.kill()
    process.communicate()
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
    log = log_below(tmp_path)
    assert [row["a"] for row in rows(log)] == list(range(1000))
    assert exit_code(log) == 1


def test_a_bridge_that_is_killed_loses_nothing(tmp_path):
    process = start(
        tmp_path,
        """
        wandb.init(id="bridge-dies")
        for step in range(2000):
            wandb.log({"a": step})
            if step == 1000:
                print("half", flush=True)
                sys.stdin.readline()
        """,
    )
    assert process.stdout.readline() == "half\n"
    bridges = wait_for(
        lambda: [pid for pid, command in processes_with(str(tmp_path)).items() if " serve " in command], "the bridge"
    )
    for pid in bridges:
        os.kill(pid, signal.SIGKILL)
    process.communicate("\n", timeout=DEADLINE)
    assert process.returncode == 0
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
    assert [row["a"] for row in rows(log_below(tmp_path))] == list(range(2000))


def test_a_forked_child_neither_hangs_nor_logs_and_may_have_a_run_of_its_own(tmp_path):
    out, err = play(
        tmp_path,
        """
        run = wandb.init(id="parent")
        wandb.log({"a": 1})
        for own in (False, True):
            pid = os.fork()
            if pid == 0:
                wandb.log({"a": "child"})
                wandb.summary["a"] = "child"
                print("of the child")
                if own:
                    mine = wandb.init(id="child")
                    mine.log({"b": 1})
                    mine.finish()
                sys.exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        wandb.log({"a": 2})
        """,
    )
    logs = {run(log).run_id: log for log in find_runs(tmp_path)}
    assert sorted(logs) == ["child", "parent"]
    assert [row["a"] for row in rows(logs["parent"])] == [1, 2]
    assert [row["b"] for row in rows(logs["child"])] == [1]
    assert exit_code(logs["parent"]) == exit_code(logs["child"]) == 0
    assert "a forked child logs nothing into its parent's run" in err


def test_processes_that_start_together_have_runs_of_their_own(tmp_path):
    code = """
    wandb.init(name=os.environ["NUMBER"])
    for step in range(200):
        wandb.log({"a": step})
    """
    processes = [start(tmp_path, code, NUMBER=str(number)) for number in range(3)]
    for process in processes:
        process.communicate(timeout=DEADLINE)
        assert process.returncode == 0
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridges")
    logs = find_runs(tmp_path)
    assert sorted(run(log).display_name for log in logs) == ["0", "1", "2"]
    assert all(len(rows(log)) == 200 for log in logs)


def test_threads_log_into_one_run_and_no_value_is_lost(tmp_path):
    play(
        tmp_path,
        """
        import threading
        wandb.init()
        def work(name):
            for number in range(300):
                wandb.log({name: number})
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        """,
    )
    found = rows(log_below(tmp_path))
    assert [row["_step"] for row in found] == list(range(1200))
    for name in "abcd":
        assert [row[name] for row in found if name in row] == list(range(300))


def test_what_is_printed_is_the_runs_console_and_is_printed_all_the_same(tmp_path):
    out, err = play(
        tmp_path,
        """
        import logging
        logging.basicConfig(stream=sys.stderr, format="%(message)s")
        wandb.init()
        print("one\\ntwo")
        print("a ", end=""); print("line")
        logging.warning("by a logger")
        for percent in (1, 50, 100):
            sys.stdout.write(f"\\r{percent} %")
        print()
        print("no end", end="")
        wandb.finish()
        print("behind")
        """,
    )
    assert out == "one\ntwo\na line\n\n1 %\n50 %\n100 %\nno endbehind\n"  # read here with \r as \n
    lines = [line.rstrip("\n") for line in console_of(log_below(tmp_path))]
    assert [line for line in lines if not line.startswith("flarebridge")] == [
        "one", "two", "a line", "by a logger", "100 %", "no end",
    ]  # fmt: skip


def test_what_is_logged_behind_the_end_is_left_out_and_told_in_the_words_of_wandbs_client(tmp_path):
    _out, err = play(
        tmp_path,
        """
        run = wandb.init(id="over")
        run.log({"a": 1})
        run.finish()
        open("late.txt", "w").close()
        for _ in range(2):
            run.log({"a": 2})
            run.summary["a"] = 2
            run.config["b"] = 2
            run.define_metric("a")
            run.name = "late"
            assert run.save("late.txt") == []
        try:
            wandb.log({"a": 3})
        except wandb.Error as e:
            print(e, file=sys.stderr)
        """,
    )
    assert [row["a"] for row in rows(log_below(tmp_path))] == [1]
    for call in ("log", "summary", "config", "define_metric", "run", "save"):
        words = f"Run (over) is finished. The call to `{call}` will be ignored. Please make sure that you are using an"
        assert err.count(words) == 1, call
    assert "You must call wandb.init() before wandb.log()" in err


def test_a_console_that_is_off_is_left_alone(tmp_path):
    play(
        tmp_path,
        "before = sys.stdout.write\nwandb.init()\nassert sys.stdout.write == before\nprint('x')",
        WANDB_CONSOLE="off",
    )
    assert console_of(log_below(tmp_path)) == []


@pytest.mark.parametrize(
    "arguments", ["id='../x'", "id=''", "project='a/b'", "mode='no'", "resume='no'", "config=3", "fork_from='x'"]
)
def test_what_can_not_be_a_run_is_said_by_init(tmp_path, arguments):
    out, _err = play(
        tmp_path, f"try:\n    wandb.init({arguments})\nexcept wandb.Error as e:\n    print(e)", WANDB_SILENT="1"
    )
    assert out or arguments == "id=''"


def test_arguments_that_change_nothing_are_named_once(tmp_path):
    _out, err = play(
        tmp_path,
        """
        wandb.init(save_code=True, sync_tensorboard=True, settings=wandb.Settings(start_method="fork", _x_y=1)).finish()
        wandb.init(save_code=True, sync_tensorboard=True).finish()
        """,
    )
    assert err.count("save_code, sync_tensorboard") == 1
    assert err.count("settings that change nothing here: _x_y") == 1


def test_a_name_that_is_not_there_says_what_is(tmp_path):
    out, _err = play(
        tmp_path,
        """
        for name in ("Api", "Table", "Artifact", "sweep", "plot"):
            try:
                getattr(wandb, name)
            except AttributeError as e:
                assert "There are" in str(e) and name in str(e), e
        assert not hasattr(wandb, "Api")
        """,
    )


def test_a_run_that_is_resumed_goes_on_in_its_log_behind_its_last_row(tmp_path):
    play(tmp_path, "wandb.init(id='again', config={'a': 1})\n[wandb.log({'x': step}) for step in range(5)]")
    out, _err = play(
        tmp_path,
        """
        run = wandb.init(id="again", resume="must", config={"b": 2})
        print(run.resumed, run.step, run.starting_step, run.config.a, run.config.b)
        wandb.log({"x": 5})
        """,
    )
    assert out == "True 5 5 1 2\n"
    log = log_below(tmp_path)
    assert [(row["_step"], row["x"]) for row in rows(log)] == [(step, step) for step in range(6)]
    assert config(log) == {"a": 1, "b": 2}
    out, err = play(
        tmp_path,
        """
        for how, run_id in (("never", "again"), ("must", "other")):
            try:
                wandb.init(id=run_id, resume=how)
            except wandb.UsageError as e:
                print(how)
        """,
    )
    assert out == "never\nmust\n"


def test_without_the_program_the_training_goes_on_and_one_line_says_why(tmp_path):
    _out, err = play(
        tmp_path,
        "wandb.init()\n[wandb.log({'a': 1}) for _ in range(100)]\nwandb.finish()\n",
        FLAREBRIDGE_BINARY="/nowhere/flarebridge",
    )
    assert err.count("which is not an executable file") == 1
    assert "of its events are lost" in err
    assert find_runs(tmp_path) == []


def test_a_folder_that_can_not_be_written_has_a_temporary_one_in_its_place(tmp_path):
    (tmp_path / "wandb").write_text("a file")
    _out, err = play(tmp_path, "run = wandb.init()\nwandb.log({'a': 1})\nwandb.finish()", TMPDIR=str(tmp_path))
    assert "this one goes to" in err
    assert [row["a"] for row in rows(log_below(tmp_path))] == [1]


def test_what_is_watched_is_in_the_row_of_its_step(tmp_path):
    play(
        tmp_path,
        """
        import torch
        wandb.init()
        layer = torch.nn.Linear(3, 1, bias=False)
        wandb.watch(layer, log_freq=1)
        for epoch in range(3):
            layer.zero_grad()
            layer(torch.full((1, 3), float(epoch + 1))).sum().backward()
            wandb.log({"epoch": epoch}, step=epoch)
        layer.weight.grad = None
        (layer(torch.tensor([[1.0, float("nan"), 2.0]])) * 1).sum().backward()
        wandb.log({"epoch": 3}, step=3)
        """,
    )
    found = [
        (row["epoch"], row["gradients/weight.bins"], row["gradients/weight.values"])
        for row in rows(log_below(tmp_path))
    ]
    assert [(epoch, bins) for epoch, bins, _ in found[:3]] == [(0, [1.0, 1.0]), (1, [2.0, 2.0]), (2, [3.0, 3.0])]
    assert found[0][2] == [3]
    assert (found[3][1][0], found[3][1][-1], sum(found[3][2])) == (1.0, 2.0, 2)


def test_a_saved_file_is_in_the_runs_folder_as_it_was_at_the_call(tmp_path):
    play(
        tmp_path,
        """
        os.makedirs("sub/deep")
        for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt"):
            open(name, "w").write(name)
        open("no text", "wb").write(bytes(range(256)))
        open("large", "wb").truncate(2 << 20)
        wandb.init()
        assert wandb.save("a.txt") == ["a.txt"]
        assert wandb.save("sub/*.txt", policy="now") == ["sub/b.txt"]
        assert wandb.save(os.path.abspath("sub/deep/c.txt")) == ["deep/c.txt"]
        assert wandb.save("sub/deep/c.txt", base_path="sub/deep") == ["c.txt"]
        assert wandb.save("no text") == ["no text"] and wandb.save("large") == ["large"]
        assert wandb.save("none*") == wandb.save("sub") == []
        open("a.txt", "w").write("changed")
        wandb.finish()
        """,
    )
    files = log_below(tmp_path).parent / "files"
    found = {str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert found == {
        "a.txt": b"a.txt",
        "sub/b.txt": b"sub/b.txt",
        "deep/c.txt": b"sub/deep/c.txt",
        "c.txt": b"sub/deep/c.txt",
        "no text": bytes(range(256)),
        "large": bytes(2 << 20),
    }
