"""flarebridge.wandb in the place of W&B's client: callbacks of other libraries leave the same runs by both."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bridge_driver import processes_with, wait_for
from compared_runs import said as said_by
from own_script import environment_of, log_below, play
from run_log import exit_code, find_runs, rows, run, summary

_SCRIPTS = Path(__file__).with_name("callback_scripts.py")
# What no two trainings have in common.
_TIMES = ("runtime", "per_second")


def _train(folder: Path, who: str, name: str) -> list[Path]:
    """Gives the logs, by the names of the runs."""
    folder = folder / who
    folder.mkdir()
    environment = environment_of(folder, WANDB_SILENT="true", OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    done = subprocess.run(
        [sys.executable, str(_SCRIPTS), who, name], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wait_for(lambda: not processes_with(str(folder)), "the end of the bridges")
    return sorted(find_runs(folder), key=lambda log: run(log).run_id)


def _timeless(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not key.endswith(_TIMES)}


def _said(log: Path) -> dict[str, Any]:
    said = said_by(log)
    return {**said, "rows": [_timeless(row) for row in said["rows"]], "summary": _timeless(said["summary"])}


def _needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}")


@pytest.mark.parametrize(
    ("name", "module", "count"),
    [("lightning", "pytorch_lightning", 12), ("transformers", "transformers", 7), ("accelerate", "accelerate", 5)],
)
def test_a_callback_leaves_the_same_run_as_with_wandbs_client(tmp_path, name, module, count):
    _needs(module)
    (theirs,), (ours,) = (_train(tmp_path, who, name) for who in ("sdk", "ours"))
    assert _said(ours) == _said(theirs)
    assert len(rows(ours)) >= count


def test_keras_logs_by_epoch_and_by_batch_with_any_backend(tmp_path):
    _needs("keras")
    by_batch, by_epoch = _train(tmp_path, "ours", "keras")
    told = summary(by_epoch)["told"]
    assert [(row["epoch/epoch"], row["epoch/loss"], row["epoch/learning_rate"]) for row in rows(by_epoch)] == [
        (epoch, loss, 0.25) for epoch, loss in enumerate(told)
    ]
    batches = [row for row in rows(by_batch) if "batch/batch_step" in row]
    assert [(row["batch/batch_step"], row["batch/learning_rate"]) for row in batches] == [
        (step, 0.25) for step in range(0, 12, 2)
    ]
    assert all(row["batch/loss"] >= 0 for row in batches)
    assert [row["epoch/epoch"] for row in rows(by_batch) if row not in batches] == [0, 1, 2]
    assert exit_code(by_batch) == 0


def test_what_callbacks_look_at_is_there_and_what_is_not_there_says_so(tmp_path):
    out, _err = play(
        tmp_path,
        """
        wandb.install(); wandb.install()
        import importlib.metadata, importlib.util
        import wandb as found
        assert found is wandb and importlib.util.find_spec("wandb") is not None
        assert importlib.metadata.version("wandb") == found.__version__
        assert found.__version__.startswith("0.31.0+flarebridge.")
        from wandb.sdk.lib import RunDisabled
        from wandb.sdk.lib.config_util import ConfigError
        from wandb.wandb_run import Run
        assert Run is wandb.Run and issubclass(RunDisabled, Run) and ConfigError is not None
        import wandb.sdk.lib.runid
        import types
        ours = types.ModuleType("flarebridge.wandb.curves")
        wandb.curves = ours
        wandb.__all__.append("curves")
        import wandb.curves
        assert sys.modules["wandb.curves"] is ours
        assert len(wandb.util.generate_id()) == len(wandb.sdk.lib.runid.generate_id()) == 8
        for code in ("import wandb.nothing", "from wandb.sdk.lib import nothing", "from wandb import nothing",
                     "found.sdk.nothing", "found.nothing", "import wandb.starting"):
            try:
                exec(code)
            except (ImportError, AttributeError) as e:
                assert "flarebridge" in str(e), e
            else:
                raise AssertionError(code)
        """,
    )


def test_beside_wandbs_own_client_it_is_refused(tmp_path):
    out, _err = play(
        tmp_path,
        """
        import importlib
        sys.modules.pop("wandb", None)
        theirs = importlib.import_module("wandb")
        import flarebridge.wandb
        try:
            flarebridge.wandb.install()
        except flarebridge.wandb.UsageError as e:
            print(e)
        assert sys.modules["wandb"] is theirs
        """,
    )
    assert "imported already" in out and "before anything imports wandb" in out


_SCRIPT = """
import atexit, multiprocessing, os, subprocess, sys
import wandb

def child():
    import wandb
    assert wandb.__name__ == "flarebridge.wandb", wandb
    with wandb.init(id="child") as run:
        run.log({"x": 2})

if __name__ == "__main__":
    assert wandb.__name__ == "flarebridge.wandb" and sys.modules["__main__"].child is child
    assert sys.path[0] == os.path.dirname(os.path.abspath(__file__))
    print(sys.argv[1:], __name__)
    wandb.init(id="parent")
    wandb.log({"x": 1})
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    code = "import wandb; wandb.init(id='started'); wandb.log({'x': 3})"
    subprocess.run([sys.executable, "-c", code], check=True)
    atexit.register(lambda: print("bye", child.__name__))
    sys.exit(5)
"""


@pytest.mark.parametrize("how", ["sub/script.py", "-m"])
def test_a_script_and_what_it_starts_run_with_it_and_nobody_touches_their_code(tmp_path, how):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "script.py").write_text(_SCRIPT)
    (tmp_path / "sub" / "__init__.py").touch()
    named = ["-m", "sub.script"] if how == "-m" else [how]
    script = _SCRIPT if how != "-m" else _SCRIPT.replace("os.path.dirname(os.path.abspath(__file__))", "os.getcwd()")
    (tmp_path / "sub" / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-m", "flarebridge.wandb", *named, "a", "-b"], cwd=tmp_path, env=environment_of(tmp_path),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert done.stdout == "['a', '-b'] __main__\nbye child\n"
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridges")
    found = {run(log).run_id: ([row["x"] for row in rows(log)], exit_code(log)) for log in find_runs(tmp_path)}
    assert found == {"parent": ([1], 5), "child": ([2], 0), "started": ([3], 0)}


def test_a_script_that_raises_or_is_not_there_ends_as_python_has_it(tmp_path):
    (tmp_path / "raises.py").write_text("import wandb\nwandb.init()\nraise KeyError('x')\n")
    for arguments, status, words in (
        (["raises.py"], 1, "KeyError: 'x'"), (["none.py"], 2, "none.py can't be read"), ([], 64, "usage: "),
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "flarebridge.wandb", *arguments], cwd=tmp_path, env=environment_of(tmp_path),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    wait_for(lambda: not processes_with(str(tmp_path)), "the end of the bridge")
    assert exit_code(log_below(tmp_path)) == 1
