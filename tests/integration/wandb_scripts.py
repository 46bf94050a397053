"""Small training scripts, each a function of the module that it logs with: W&B's client, or flarebridge.wandb."""

import argparse
import datetime
import enum
import importlib.util
import math
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable

import numpy as np

SCRIPTS: dict[str, Callable[[Any], None]] = {}


def script(play: Callable[[Any], None]) -> Callable[[Any], None]:
    SCRIPTS[play.__name__] = play
    return play


def differs(play: Callable[[Any], None]) -> Callable[[Any], None]:
    """A script whose runs are not to be the same."""
    play.differs = True
    return script(play)


def names_of_scripts(differing: bool) -> list[str]:
    return [name for name, play in SCRIPTS.items() if getattr(play, "differs", False) == differing]


def needs(*packages: str) -> Callable:
    """A script that is left out where a package is missing."""

    def mark(play: Callable[[Any], None]) -> Callable[[Any], None]:
        play.missing = [name for name in packages if importlib.util.find_spec(name) is None]
        return play

    return mark


def missing(name: str) -> list[str]:
    """The packages that a script needs and that are not there."""
    return getattr(SCRIPTS[name], "missing", [])


@script
def summaries(wandb):
    run = wandb.init()
    wandb.log({"loss": 2.0, "n": {"x": 1}})
    wandb.log({"loss": 1.0})
    wandb.summary["best"] = 0.5
    wandb.run.summary.update({"d": {"e": 1}, "name": "x"})
    run.summary["gone"] = 1
    del run.summary["gone"]
    run.summary["large"] = np.arange(100.0)
    run.finish()


@script
def summary_takes_over(wandb):
    wandb.init()
    wandb.log({"acc": 1})
    wandb.summary["acc"] = 5
    wandb.log({"other": 1})
    wandb.finish()


@script
def definitions(wandb):
    wandb.init()
    wandb.define_metric("epoch", hidden=True)
    wandb.define_metric("val/*", step_metric="epoch")
    wandb.define_metric("loss", summary="min,max")
    wandb.define_metric("acc", summary="mean", step_metric="epoch", step_sync=False)
    wandb.define_metric("first", summary="first")
    wandb.define_metric("unseen", summary="none")
    for epoch in range(3):
        wandb.log({"epoch": epoch, "loss": 3.0 - epoch, "acc": epoch * 2.0, "first": epoch, "unseen": epoch})
    wandb.log({"val/loss": 0.5, "epoch": 3})
    wandb.finish()


@script
def what_the_run_is_called(wandb):
    run = wandb.init(name="before", notes="a\nb", group="g", job_type="train", tags=("x", "y"), id="own-id-1")
    assert run.id == "own-id-1"
    run.name = "after"
    run.notes = "c"
    run.tags = (*run.tags, "z")
    wandb.log({"a": 1})
    wandb.finish()


@script
def training_loop(wandb):
    wandb.init(project="demo", name="mnist-demo", tags=["demo"], config={"lr": 1e-4, "epoch": 3, "batch_size": 64})
    step = 0
    for epoch in range(wandb.config.epoch):
        for batch in range(4):
            wandb.log({"loss": 1.0 / (1 + step), "epoch": epoch, "iter": batch})
            step += 1
    wandb.summary["acc"] = 0.75
    wandb.finish()


@script
def two_parts_of_a_step(wandb):
    wandb.init(project="torch-pointnet")
    for epoch in range(4):
        wandb.log({"Train/Loss": 0.5 / (epoch + 1)}, step=epoch)
        wandb.log({"Test/Loss": 0.6 / (epoch + 1), "Test/Accuracy": epoch / 4}, step=epoch)
    wandb.finish()


@script
def steps_and_commits(wandb):
    run = wandb.init()
    wandb.log({"a": 1}, commit=False)
    wandb.log({"b": 2}, commit=False)
    wandb.log({"c": 3})
    wandb.log({"a": 4}, step=10)
    wandb.log({"b": 5})  # joins row 10 and completes it
    wandb.log({"a": 6})
    wandb.log({"a": 7}, step=20, commit=True)
    wandb.log({"a": 8}, step=30, commit=False)
    wandb.log({"a": 9}, step=30)  # takes the place of 8
    wandb.log({"d": run.step})
    wandb.finish()


@script
def nested_dicts(wandb):
    with wandb.init() as run:
        run.log({"train": {"loss": 0.1, "deep": {"er": [1, 2]}}, "flat": 1})
        run.log({"train": {"loss": 0.2, "empty": {}}, "dotted.key": 2, "with/slash": 3})
        run.log({"a b": 1, "ünïcode": 2, "?*": 3})
        run.log(OrderedDict(first=1, second=OrderedDict(third=3)))


class _Colour(enum.Enum):
    RED = 1


@script
def values_of_every_kind(wandb):
    wandb.init()
    wandb.log({"int": 1, "float": 1.5, "bool": True, "text": "x", "none": None, "big": 2**40, "tiny": 1e-300})
    wandb.log({"nan": math.nan, "inf": math.inf, "minus": -math.inf, "negative": -0.0})
    wandb.log({"f32": np.float32(0.5), "i64": np.int64(7), "b": np.bool_(True), "zero_d": np.array(3.0)})
    wandb.log({"one": np.array([4.0]), "few": np.arange(5), "square": np.eye(2)})
    wandb.log({"list": [1, 2.5, "x", None], "tuple": (1, 2), "set": {1}, "nested": [[1], [2]]})
    wandb.log({"bytes": b"abc", "date": datetime.datetime(2026, 1, 2, 3, 4, 5), "day": datetime.date(2026, 1, 2)})
    wandb.log({"enum": _Colour.RED})
    wandb.finish()


@script
def histograms(wandb):
    wandb.init()
    values = np.sin(np.arange(1000))
    wandb.log({"own": wandb.Histogram(np_histogram=np.histogram(values, bins=10))})
    wandb.log({"sequence": wandb.Histogram([1, 2, 2, 3]), "bins": wandb.Histogram(values, num_bins=5)})
    wandb.log({"array": values, "f32": values.astype(np.float32), "ints": np.arange(100)})
    wandb.log({"nested": {"h": wandb.Histogram(values.tolist())}})
    wandb.finish()


@script
def config_in_many_ways(wandb):
    arguments = argparse.Namespace(beta1=0.9, layers=[64, 32], name="adam", nothing=None)
    wandb.init(config=arguments, project="config")
    wandb.config.beta2 = 0.999
    wandb.config["nested"] = {"a": {"b": 1}}
    wandb.config.update({"lr": np.float32(0.5), "shape": (1, 2), "beta1": 0.9})
    wandb.config.update({"beta1": 0.8}, allow_val_change=True)
    try:
        wandb.config.update({"beta1": 0.7})
    except Exception as e:
        wandb.config.refused = type(e).__name__
    wandb.config.setdefaults({"lr": 1, "late": 2})
    wandb.config.update({"nan": math.nan, "date": datetime.date(2026, 1, 2)})
    wandb.finish()


@script
def chosen_config(wandb):
    wandb.init(config={"a": 1, "b": 2, "c": 3}, config_exclude_keys=["b"]).finish()


@script
def runs_one_after_the_other(wandb):
    for number in range(3):
        run = wandb.init(reinit=True, name=f"run {number}", config={"number": number})
        run.log({"value": number})
    assert wandb.run is run
    wandb.finish()
    assert wandb.run is None


@script
def init_twice_is_one_run(wandb):
    first = wandb.init(name="first")
    assert wandb.init(name="second") is first
    wandb.log({"a": 1})
    wandb.finish()


@script
def one_that_fails(wandb):
    try:
        with wandb.init() as run:
            run.log({"a": 1})
            raise ValueError("the training failed")
    except ValueError:
        pass


@script
def an_exit_code(wandb):
    wandb.init()
    wandb.log({"a": 1})
    wandb.finish(exit_code=3)


@script
def disabled(wandb):
    wandb.init(mode="disabled", config={"a": 1})
    wandb.log({"x": 1})
    wandb.summary["y"] = 2
    assert wandb.config.a == 1
    wandb.finish()


@script
def by_the_environment(wandb):
    given = {
        "PROJECT": "p", "ENTITY": "e", "NAME": "n", "NOTES": "some notes", "TAGS": "a,b", "RUN_GROUP": "g",
        "JOB_TYPE": "eval", "RUN_ID": "fromenv",
    }  # fmt: skip
    os.environ.update({f"WANDB_{name}": value for name, value in given.items()})
    try:
        wandb.init()
        wandb.log({"a": 1})
        wandb.finish()
    finally:
        for name in given:
            del os.environ[f"WANDB_{name}"]


@script
def before_init(wandb):
    for use in (
        lambda: wandb.config.lr,
        lambda: wandb.config["lr"],
        lambda: wandb.summary["x"],
        lambda: wandb.log({"a": 1}),
        lambda: wandb.define_metric("a"),
    ):
        try:
            use()
        except wandb.Error as e:
            assert "You must call wandb.init() before" in str(e)
        else:
            raise AssertionError("nothing was said")
    assert wandb.run is None
    wandb.init().finish()


@script
def reading_back(wandb):
    run = wandb.init(config={"a": {"b": 1}}, project="reads")
    wandb.log({"loss": 0.5, "n": {"x": 3}})
    assert run.step == 1
    assert run.project == "reads"
    assert run.config["a"]["b"] == 1 and "a" in run.config and dict(run.config)["a"] == {"b": 1}
    assert run.summary["loss"] == 0.5 and run.summary["n"]["x"] == 3 and run.summary.get("no", 7) == 7
    assert Path(run.dir).is_dir() and Path(run.dir).name == "files"
    wandb.finish()


@script
def alerts(wandb):
    wandb.init()
    wandb.alert(title="low", text="accuracy is low", level=wandb.AlertLevel.WARN, wait_duration=300)
    wandb.alert("again", "text", level="ERROR", wait_duration=datetime.timedelta(minutes=2))
    wandb.run.alert(title="plain", text="text")
    wandb.finish()


@script
def watched_model(wandb):
    torch = torch_with_a_seed()
    wandb.init()
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1))
    wandb.watch(model, log="all", log_freq=2)
    for number in range(6):
        model.zero_grad()
        loss = model(torch.arange(8.0).reshape(2, 4) * number).sum()
        loss.backward()
        wandb.log({"loss": loss.item()})
    wandb.unwatch(model)
    model(torch.ones(2, 4)).sum().backward()
    wandb.log({"loss": 0.0})
    wandb.finish()


def torch_with_a_seed():
    """The same numbers each time."""
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(1)
    return torch
