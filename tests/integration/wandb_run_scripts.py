"""The same, of runs: what init is told, the config, the environment, and how runs end."""

import argparse
import datetime
import enum
import json
import math
import os
import warnings
from collections import deque
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from wandb_scripts import script


class _Mode(str, enum.Enum):
    FAST = "fast one"


@contextmanager
def _variables(**given):
    names = {f"WANDB_{name}": value for name, value in given.items()}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@script
def config_of_a_parser(wandb):
    parser = argparse.ArgumentParser()
    parser.add_argument("--beta1", type=float, default=0.9)
    parser.add_argument("--num_epoch", type=int, default=100)
    parser.add_argument("--no-cuda", action="store_true")
    wandb.init(project="torch-pointnet", config=parser.parse_args(["--beta1", "0.5"]))
    wandb.config.update(parser.parse_args(["--num_epoch", "3"]), allow_val_change=True)
    wandb.finish()


@script
def config_of_a_file(wandb):
    Path("settings.yaml").write_text("wandb_version: 1\nlr:\n  desc: rate\n  value: 0.25\nname:\n  value: adam\n")
    wandb.init(config="settings.yaml").finish()


@script
def config_defaults_of_the_folder(wandb):
    Path("config-defaults.yaml").write_text("lr:\n  value: 0.25\nepochs:\n  desc: null\n  value: 5\n")
    run = wandb.init(config={"lr": 0.5})
    assert run.config.lr == 0.5
    assert run.config.epochs == 5
    run.finish()


@script
def config_that_is_nested_and_odd(wandb):
    run = wandb.init(config={"model": {"layers": [1, {"a": 2}], "act": "relu"}, "n": None, "t": (1, 2), "-dash": 1})
    run.config.update({"array": np.arange(3), "f32": np.float32(0.5), "few": np.arange(30), "i": np.int64(4)})
    run.config.update({"when": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), "mode": _Mode.FAST})
    run.config.update({"took": datetime.timedelta(1, 3), "deque": deque([1]), "set": {1}, "c": 1j, "in": [_Mode.FAST]})
    for name, value in (("when", datetime.date(2026, 1, 2)), ("mode", _Mode.FAST), ("took", datetime.timedelta(1))):
        run.summary[name] = value
    run.summary["nested"] = {"nan": math.nan, "mode": _Mode.FAST, "list": [math.nan, 1.0]}
    run.config["path"] = Path("a") / "b"
    run.config.setdefaults({"model": 1, "late": {"x": 1}})
    assert run.config.get("none") is None and run.config.get("none", 3) == 3
    assert sorted(run.config.keys())[0] == "array"
    run.finish()


@script
def config_keys_that_are_chosen(wandb):
    wandb.init(config={"a": 1, "b": 2, "c": 3}, config_include_keys=["a", "c"]).finish()


@script
def config_that_others_may_change(wandb):
    run = wandb.init(config={"lr": 1}, allow_val_change=True)
    run.config.update({"lr": 2}, allow_val_change=True)
    try:
        run.config.lr = 3
    except Exception as e:
        run.log({"refused": type(e).__name__, "says": "lr" in str(e)})
    run.finish()


@script
def called_by_arguments(wandb):
    run = wandb.init(
        project="p",
        entity="e",
        name="n",
        notes="first\nsecond",
        tags=["a", "b"],
        group="g",
        job_type="eval",
        id="chosen",
    )
    assert (run.project, run.entity, run.name, run.id, run.group, run.job_type) == (
        "p",
        "e",
        "n",
        "chosen",
        "g",
        "eval",
    )
    assert tuple(run.tags) == ("a", "b") and run.notes == "first\nsecond"
    run.finish()


@script
def called_by_settings(wandb):
    settings = wandb.Settings(
        project="p", run_name="n", run_tags=("a",), run_group="g", run_job_type="t", run_notes="m"
    )
    wandb.init(settings=settings).finish()


@script
def arguments_go_before_settings(wandb):
    wandb.init(name="argument", tags=["own"], settings=wandb.Settings(run_name="settings", run_notes="kept")).finish()


@script
def arguments_go_before_the_environment(wandb):
    with _variables(NAME="environment", TAGS="x,y", PROJECT="kept", NOTES="also kept"):
        wandb.init(name="argument", tags=["own"]).finish()


@script
def disabled_by_the_environment(wandb):
    with _variables(MODE="disabled"):
        run = wandb.init(config={"a": 1})
        run.log({"x": 1})
        assert run.disabled
        run.finish()


@script
def offline_by_an_argument(wandb):
    with _variables(MODE="online"):
        run = wandb.init(mode="offline")
        run.log({"x": 1})
        assert run.offline
        run.finish()


@script
def folder_by_an_argument(wandb):
    Path("below").mkdir()
    run = wandb.init(dir="below")
    run.log({"x": 1})
    assert "below" in run.dir
    run.finish()


@script
def changed_while_it_runs(wandb):
    run = wandb.init(name="first", tags=["a"])
    run.log({"x": 1})
    run.name = "second"
    run.tags += ("b",)
    run.notes = "told later"
    run.log({"x": 2})
    run.finish()


@script
def a_context_that_ends_well(wandb):
    with wandb.init(project="with") as run:
        run.log({"a": 1})
        run.summary["b"] = 2
    assert wandb.run is None


@script
def a_context_in_which_something_raises(wandb):
    for error in (ValueError("x"), KeyboardInterrupt(), ZeroDivisionError()):
        try:
            with wandb.init(config={"error": type(error).__name__}) as run:
                run.log({"a": 1})
                raise error
        except type(error):
            continue


@script
def many_short_runs(wandb):
    for number in range(8):
        run = wandb.init(config={"number": number}, name=f"run {number}")
        run.log({"value": number})
        run.summary["twice"] = 2 * number
        run.finish()


@script
def runs_side_by_side(wandb):
    runs = [wandb.init(reinit="create_new", config={"number": number}) for number in range(3)]
    for step in range(3):
        for number, run in enumerate(runs):
            run.log({"value": number * step})
    for run in runs:
        run.finish()


@script
def reinit_that_finishes_the_previous(wandb):
    first = wandb.init(config={"number": 1})
    first.log({"a": 1})
    second = wandb.init(reinit="finish_previous", config={"number": 2})
    assert second is not first and wandb.run is second
    second.log({"a": 2})
    wandb.finish()


@script
def reinit_that_returns_the_previous(wandb):
    first = wandb.init(config={"number": 1})
    assert wandb.init(reinit="return_previous", config={"late": 1}) is first
    first.log({"a": 1})
    wandb.finish()


@script
def finished_twice(wandb):
    run = wandb.init()
    run.log({"a": 1})
    run.finish()
    run.finish()
    wandb.finish()


@script
def without_a_row(wandb):
    wandb.init(config={"a": 1}).finish()


@script
def an_exit_code_of_255(wandb):
    run = wandb.init()
    run.log({"a": 1})
    run.finish(exit_code=255)


@script
def alerts_of_every_level(wandb):
    run = wandb.init()
    for level in (wandb.AlertLevel.INFO, wandb.AlertLevel.WARN, wandb.AlertLevel.ERROR, "WARN"):
        run.alert(title="t", text="of this level", level=level)
    run.alert(title="long", text="x" * 1000, wait_duration=5)
    run.finish()


@script
def saved_files(wandb):
    Path("notes.txt").write_text("saved")
    Path("deep/er").mkdir(parents=True)
    Path("deep/er/more.json").write_text(json.dumps({"a": 1}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = wandb.init()
        run.save("notes.txt", policy="now")
        run.save("deep/er/*.json", base_path="deep", policy="now")
    run.log({"a": 1})
    run.finish()


@script
def a_value_before_and_behind_a_step(wandb):
    run = wandb.init()
    run.log({"a": 1})
    run.log({"b": 1}, step=0 + run.step)
    run.log({"b": 2}, step=run.step)
    run.log({"c": 3}, step=run.step + 1)
    assert run.step == 2, run.step
    run.finish()


@script
def setup_and_teardown(wandb):
    wandb.setup()
    run = wandb.init(project="torn-down")
    run.log({"a": 1})
    wandb.teardown()


@script
def config_dicts_that_are_updated(wandb):
    run = wandb.init(config={"m": {"a": 1, "deep": {"x": 1}}, "l": [1]})
    run.config.update({"l": [2, 3], "new": {"y": None}}, allow_val_change=True)
    run.config.flag = True
    run.config["dotted.key"] = 1
    run.finish()


@script
def one_tag_and_empty_words(wandb):
    wandb.init(tags=("single",), notes="", name="", group="").finish()


@script
def names_with_spaces(wandb):
    wandb.init(tags=["b", "a"], name="  spaces  ", job_type="t").finish()


@script
def settings_as_a_dict(wandb):
    wandb.init(settings={"run_name": "n", "run_tags": ["a"], "project": "p"}).finish()


@script
def lists_in_the_environment(wandb):
    with _variables(TAGS="a,b,c", NOTES="two\nlines", JOB_TYPE="eval", DIR=os.getcwd()):
        run = wandb.init()
        run.log({"a": 1})
        run.finish()


@script
def a_generator_in_a_notebooks_cell(wandb):
    run = wandb.init(config=dict(rows=3))
    for number, loss in enumerate(1 / (n + 1) for n in range(run.config.rows)):
        wandb.log(dict(loss=loss, **{f"part/{number}": number}))
    wandb.run.summary["rows"] = run.config.rows
    wandb.finish()
