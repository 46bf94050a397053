"""The same, of rows: their values, keys and steps, their definitions and summaries, and what is watched."""

import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import math
import pathlib
import uuid
from collections import Counter, defaultdict, deque, namedtuple
from types import SimpleNamespace

import numpy as np
from wandb_scripts import script, torch_with_a_seed


@script
def losses_of_a_point_cloud_net(wandb):
    wandb.init(project="torch-pointnet")
    for epoch in range(5):
        wandb.log({"Train/Loss": 1 / (epoch + 1)}, step=epoch)
        if epoch % 2:
            wandb.log({"Test/Loss": 2 / (epoch + 1), "Test/Accuracy": epoch / 5}, step=epoch)
    wandb.finish()


@script
def classifier_of_digits(wandb):
    torch = torch_with_a_seed()
    wandb.init(project="demo", config={"lr": 0.1, "epoch": 2})
    model = torch.nn.Linear(4, 2)
    optimiser = torch.optim.SGD(model.parameters(), lr=wandb.config.lr)
    inputs, labels = torch.arange(32.0).reshape(8, 4) / 32, torch.arange(8) % 2
    for epoch in range(wandb.config["epoch"]):
        for number in range(4):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimiser.step()
            wandb.log({"loss": loss.item(), "epoch": epoch, "iter": number})
    wandb.summary["acc"] = (model(inputs).argmax(1) == labels).float().mean().item()
    wandb.finish()


@script
def axes_of_their_own_by_globs(wandb):
    wandb.init()
    wandb.define_metric("custom_step")
    wandb.define_metric("val/*", step_metric="custom_step", summary="max")
    wandb.define_metric("oth*", step_metric="global")
    wandb.define_metric("layers/0/*", summary="last")
    for number in range(3):
        row = {"custom_step": number**2, "val/a": number, "val/b": -number, "other": number}
        wandb.log({**row, "layers/0/norm": number, "global": number * 10})
    wandb.finish()


@script
def definitions_of_nested_metrics(wandb):
    wandb.init()
    wandb.define_metric("train.loss", summary="min")
    wandb.define_metric("val.*", summary="max")
    for number in (2.0, 1.0, 3.0):
        wandb.log({"train": {"loss": number}, "val": {"acc": number, "f1": -number}})
    wandb.finish()


@script
def definitions_that_are_changed(wandb):
    wandb.init()
    wandb.define_metric("loss", summary="min")
    wandb.log({"loss": 2.0})
    wandb.define_metric("loss", summary="max")
    wandb.log({"loss": 1.0})
    wandb.define_metric("late", summary="mean", overwrite=True)
    wandb.define_metric("late", hidden=True)
    wandb.log({"late": 3.0})
    wandb.define_metric("gone", hidden=True)
    wandb.finish()


@script
def every_form_of_a_summary(wandb):
    wandb.init()
    for form in ("min", "max", "mean", "last", "first", "none", "copy", "min,max,mean"):
        wandb.define_metric(form.replace(",", " "), summary=form)
    for number in (3.0, 1.0, 2.0):
        wandb.log({form: number for form in ("min", "max", "mean", "last", "first", "none", "copy", "min max mean")})
    wandb.finish()


@script
def metrics_of_two_axes(wandb):
    run = wandb.init()
    axis = run.define_metric("epoch")
    run.define_metric("loss", step_metric=axis, summary="min,last", step_sync=True)
    run.define_metric("*", summary="max")
    for number in range(3):
        run.log({"epoch": number, "loss": 1.0 / (number + 1), "other": number})
    run.finish()


@script
def summary_as_object_and_dict(wandb):
    run = wandb.init()
    run.log({"a": {"b": 1, "c": {"d": 2}}, "plain": 1})
    run.summary.best = 0.9
    run.summary["a"]["b"] = 5
    run.summary["new"] = {"x": {"y": 1}}
    run.summary["new"]["x"]["z"] = 2
    run.summary.update({"list": [1, 2], "text": "x", "none": None, "when": datetime.date(2026, 1, 2)})
    run.summary["f32"] = np.float32(0.25)
    del run.summary["plain"]
    assert run.summary["best"] == 0.9 and run.summary.get("plain") is None and run.summary.get("missing") is None
    assert sorted(key for key in list(run.summary.keys()) if not key.startswith("_"))[:2] == ["a", "best"]
    run.finish()


@script
def summary_of_arrays(wandb):
    run = wandb.init()
    run.summary["few"] = np.arange(3)
    run.summary["many"] = np.arange(1000) % 7
    run.summary["histogram"] = wandb.Histogram(np_histogram=([1, 2], [0.0, 1.0, 2.0]))
    run.finish()


@script
def rows_that_grow_over_calls(wandb):
    run = wandb.init()
    for epoch in range(3):
        run.log({"a": epoch}, commit=False)
        run.log({"b": {"c": epoch}}, commit=False)
        run.log({"b": {"d": epoch}}, commit=False)
        run.log({}, commit=True)
    run.log({"left": "open"}, commit=False)
    run.finish()


@script
def steps_that_leap(wandb):
    run = wandb.init()
    for step in (0, 1, 5, 100, 10**6, 2**40):
        run.log({"at": step}, step=step)
    assert run.step == 2**40
    run.log({"behind": 1})
    run.log({"behind": 2})
    run.finish()


@script
def steps_of_other_kinds(wandb):
    wandb.init()
    wandb.log({"numpy": 1}, step=np.int64(3))
    wandb.log({"true": 1}, step=np.int32(5), commit=True)
    wandb.log({"then": wandb.run.step})
    wandb.finish()


@script
def what_is_not_finite(wandb):
    wandb.init()
    for value in (math.nan, math.inf, -math.inf):
        wandb.log({"float": value, "f32": np.float32(value), "nested": {"x": value}, "list": [1.0, value]})
    wandb.summary["nan"] = math.nan
    wandb.summary["inf"] = math.inf
    wandb.finish()


@script
def large_and_small_numbers(wandb):
    wandb.init()
    wandb.log({"i53": 2**53 + 1, "i63": 2**63 - 1, "least": -(2**63), "tiny": 5e-324, "huge": 1.7976931348623157e308})
    wandb.log({"u64": np.uint64(2**62), "i8": np.int8(-128), "f16": np.float16(0.1), "third": 1 / 3})
    wandb.log({"int": 3, "float": 3.0, "exponent": 1e22, "bool": False, "i100": 2**100})
    wandb.finish()


@script
def scalars_of_numpy(wandb):
    wandb.init()
    kinds = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float16, np.float32, np.float64)
    wandb.log({kind.__name__: kind(7) for kind in kinds})
    wandb.log({"bool": np.bool_(False), "text": np.str_("x"), "zero_d": np.array(1.5), "one": np.array([[2]])})
    wandb.log({"mean": np.arange(10).mean(), "sum": np.arange(10).sum(), "nested": {"f32": np.float32(0.1)}})
    wandb.finish()


@script
def arrays_of_numpy(wandb):
    wandb.init()
    wandb.log({"bools": np.array([True, False]), "square": np.arange(4).reshape(2, 2), "limit": np.arange(32)})
    wandb.log({"beyond": np.arange(33), "f16": np.arange(64, dtype=np.float16), "u8": np.arange(200, dtype=np.uint8)})
    wandb.log({"strided": np.arange(400.0)[::3], "fortran": np.asfortranarray(np.arange(48.0).reshape(6, 8))})
    wandb.log({"same": np.full(100, 2.5), "in a list": [np.float32(1), np.int64(2)]})
    wandb.finish()


@script
def tensors_of_torch(wandb):
    torch = torch_with_a_seed()
    wandb.init()
    wandb.log({"zero_d": torch.tensor(0.5), "one": torch.tensor([3]), "few": torch.arange(4), "b": torch.tensor(True)})
    wandb.log({"gradient": torch.tensor(1.5, requires_grad=True) * 2, "f64": torch.tensor(1 / 3, dtype=torch.float64)})
    wandb.log({"many": torch.arange(100.0), "half": torch.arange(50).half(), "square": torch.eye(2)})
    wandb.log({"nested": {"loss": torch.tensor(0.25)}, "list": [torch.tensor(1.0), torch.tensor(2)]})
    wandb.summary["tensor"] = torch.tensor(7.0)
    wandb.finish()


@script
def keys_of_every_kind(wandb):
    wandb.init()
    wandb.log({"a.b": 1, "a/b": 2, "a b": 3, "a-b": 4, "_own": 5, "ünïcode ✓": 6, "emoji 🎉": 7, "quote\"'": 8})
    wandb.log({"x" * 200: 1, "line\nbreak": 2, "tab\t": 3, "back\\slash": 4, "[0]": 5, "{}": 6, "*": 7})
    wandb.log({"UPPER": 1, "upper": 2, "0": 3, "true": 4, "null": 5})
    wandb.finish()


@script
def keys_of_nested_dicts(wandb):
    wandb.init()
    wandb.log({"a": {"b.c": 1, "d/e": {"f g": 2}}, "numbers": {"1": {"2": 3}}})
    wandb.log({"a": {"b.c": 4}, "empty": {}, "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}}})
    wandb.finish()


@script
def texts_and_bytes(wandb):
    wandb.init()
    wandb.log({"text": "ünï ✓\n\t\"'\\", "empty": "", "long": "x" * 5000, "bytes": b"raw", "zero": "a\0b"})
    wandb.log({"path": str(pathlib.PurePosixPath("a/b")), "list": ["a", "b"], "numbers as text": "1e5"})
    wandb.finish()


class _Level(enum.IntEnum):
    LOW = 1


class _Mode(str, enum.Enum):
    FAST = "fast"


class _Pairs(enum.Enum):
    ONE = (1, 2)


@dataclasses.dataclass
class _Point:
    x: int
    y: float


_Pair = namedtuple("_Pair", "left right")


@script
def objects_of_the_standard_library(wandb):
    wandb.init()
    wandb.log({"when": datetime.datetime(2026, 1, 2, 3, 4, 5, 6), "day": datetime.date(2026, 1, 2)})
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    wandb.log({"utc": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), "time": datetime.time(1, 2, 3)})
    wandb.log({"east": datetime.datetime(2026, 1, 2, 3, tzinfo=east)})
    for took in ((0, 0), (0, 61), (0, 3600 * 5), (400, 3600 * 3 + 1), (0, 0.005), (2, 0), (0, -1), (-3, 0.5)):
        wandb.log({"took": datetime.timedelta(*took)})
    wandb.log({"decimal": decimal.Decimal("1.50"), "fraction": fractions.Fraction(1, 2), "uuid": uuid.UUID(int=5)})
    wandb.log({"path": pathlib.Path("a/b"), "address": ipaddress.ip_address("127.0.0.1"), "deque": deque([1, 2])})
    wandb.log({"mode": _Mode.FAST, "pairs": _Pairs.ONE, "counter": Counter("aab"), "empty": datetime.timedelta()})
    wandb.log({"int enum": _Level.LOW, "pair": _Pair(1, 2), "point": _Point(1, 2.5)})
    wandb.log({"default": defaultdict(int, a=1), "set": {5}, "frozen": frozenset([6])})
    wandb.finish()


@script
def lists_in_rows(wandb):
    wandb.init()
    wandb.log({"empty": [], "mixed": [1, "a", None, 2.5, True], "nested": [[1, [2, [3]]]], "dicts": [{"a": 1}]})
    wandb.log({"tuple": (1, (2, 3)), "long": list(range(500)), "arrays": [np.arange(3), np.arange(2)]})
    wandb.log({"range": list(range(3)), "none": [None]})
    wandb.finish()


@script
def histograms_of_every_source(wandb):
    values = np.random.default_rng(3).normal(size=5000)
    wandb.init()
    wandb.log({"f32": wandb.Histogram(values.astype(np.float32)), "f64": wandb.Histogram(values, num_bins=512)})
    wandb.log({"ints": wandb.Histogram(np.arange(100) % 13), "u8": wandb.Histogram(np.arange(256, dtype=np.uint8))})
    wandb.log({"one value": wandb.Histogram([7.0] * 9), "two": wandb.Histogram([0, 1]), "bools": wandb.Histogram([1])})
    wandb.log(
        {"square": wandb.Histogram(values.reshape(50, 100)), "counts": wandb.Histogram(np_histogram=([1], [0, 2]))}
    )
    wandb.log({"negative": wandb.Histogram(-np.arange(10.0)), "small": wandb.Histogram(values * 1e-30)})
    wandb.log({"large": wandb.Histogram(values * 1e30), "tight": wandb.Histogram(1e6 + values.astype(np.float32))})
    wandb.finish()


@script
def histograms_in_one_row_with_numbers(wandb):
    wandb.init()
    for step in range(3):
        wandb.log({"weights": wandb.Histogram([step, step + 1, step + 3]), "loss": step}, step=step * 2)
    wandb.finish()


@script
def gradients_only(wandb):
    torch = torch_with_a_seed()
    wandb.init()
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    model[0].weight.requires_grad_(False)
    wandb.watch(model, log_freq=1)
    for number in range(3):
        model.zero_grad()
        model(torch.arange(6.0).reshape(2, 3) + number).sum().backward()
        wandb.log({"number": number})
    wandb.finish()


@script
def parameters_of_two_models(wandb):
    torch = torch_with_a_seed()
    wandb.init()
    models = torch.nn.Linear(3, 2), torch.nn.Conv2d(1, 2, 3)
    wandb.watch(models, log="parameters", log_freq=1)
    for number in range(2):
        models[0](torch.ones(1, 3))
        models[1](torch.ones(1, 1, 4, 4))
        wandb.log({"number": number})
    wandb.finish()


@script
def namespaces_and_functions(wandb):
    wandb.init(config={"space": vars(SimpleNamespace(a=1)), "lr": 1e-3})
    wandb.log({"function": len, "class": _Point, "module function": np.mean})
    wandb.finish()


@script
def numbers_of_other_kinds(wandb):
    wandb.init()
    wandb.log(
        {"decimal": float(decimal.Decimal("1.5")), "fraction": float(fractions.Fraction(1, 4)), "complex": 1 + 2j}
    )
    wandb.log({"c64": np.complex64(1 - 1j), "minus i": -1j, "array": np.array([1j, 2])})
    wandb.finish()
