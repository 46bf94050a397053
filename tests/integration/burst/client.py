"""Logs records one right behind the other, and writes each into a file of its own first."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import nvflare.client as flare


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--values", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--writer", required=True)
    parser.add_argument("--pause", type=float, default=0.0)
    arguments = parser.parse_args()
    flare.init()
    site = flare.get_site_name()
    folder = Path(arguments.values)
    folder.mkdir(parents=True, exist_ok=True)
    by_hand = {"kinds": log_every_kind, "odd": log_odd_values, "facade": log_as_with_wandb}.get(arguments.writer)
    send = None if by_hand else make_sender(arguments.writer)
    while flare.is_running():
        received = flare.receive()
        if received is None:
            break
        if by_hand:
            by_hand(arguments.pause)
            flare.send(flare.FLModel(params={"numpy_key": np.zeros(1, np.float32)}, metrics={"loss": 0.0}))
            continue
        first = received.current_round * arguments.count
        costs = []
        with (folder / f"{site}.jsonl").open("a", buffering=1) as values:
            for step in range(first, first + arguments.count):
                value = (step * 7919 % 1000003) / 1000003
                values.write(json.dumps([step, "m", value]) + "\n")
                began = time.perf_counter()
                send("m", value, step)
                costs.append(time.perf_counter() - began)
                if arguments.pause:
                    time.sleep(arguments.pause)
        with (folder / f"{site}.costs").open("a") as file:
            file.write("".join(f"{cost:.9f}\n" for cost in costs))
        flare.send(flare.FLModel(params={"numpy_key": np.zeros(1, np.float32)}, metrics={"loss": 0.0}))
    sys.stdout.flush()


def log_as_with_wandb(_pause: float) -> None:
    """A script that was written for W&B's client, with another import."""
    import flarebridge.wandb as wandb

    wandb.init(project="mine", config={"lr": 0.1, "layers": [2, 3]}, tags=["facade"], notes="some notes")
    wandb.define_metric("loss", summary="min")
    wandb.define_metric("val/*", step_metric="epoch")
    for epoch in range(3):
        for batch in range(2):
            wandb.log({"loss": 1.0 / (1 + 2 * epoch + batch), "epoch": epoch})
        pixels = np.full((4, 6, 3), epoch, np.uint8)
        wandb.log({"val/loss": np.float32(0.5), "sample": wandb.Image(pixels, caption="c")}, commit=False)
        wandb.log({"weights": wandb.Histogram([1, 2, 2, 3], num_bins=3), "nested": {"deep": epoch}})
    wandb.config.late = {"a": 1}
    wandb.summary["best"] = 0.25
    wandb.log({"page": wandb.Html("<p>stays</p>")})
    if os.environ.get("BURST_LARGE"):
        pixels = np.frombuffer(np.random.default_rng(7).bytes(3 << 20), np.uint8).reshape(1024, 1024, 3)
        wandb.log({"large": wandb.Image(pixels), "after": 1})
        Path("weights.bin").write_bytes(bytes(reversed(range(256))) * 20000)
        wandb.save("weights.bin")
    wandb.finish()


def log_every_kind(pause: float) -> None:
    """Values of every kind, by every writer; slowly, so that NVFlare's own channel brings them, too."""
    from flarebridge import BridgeWriter
    from nvflare.client.tracking import MLflowWriter, SummaryWriter, WandBWriter

    tensorboard, wandb, mlflow, bridge = SummaryWriter(), WandBWriter(), MLflowWriter(), BridgeWriter()
    calls = [
        lambda: wandb.log({"a": 1, "b": 0.1}, 0),
        lambda: wandb.log({"a": True, "b": float("nan")}, 1),
        lambda: wandb.log({"b": float("-inf")}, 1),
        lambda: mlflow.log_metric("c", 2**53 + 1, 2),
        lambda: mlflow.log_metrics({"d": -1e-300, "e": 0}, 3),
        lambda: wandb.log({"train/loss": 0.25}, 10),
        lambda: tensorboard.add_scalar("tb", 0.5, global_step=11),
        lambda: tensorboard.add_scalars("tbs", {"x": 1.5, "y": 2}, global_step=12),
        lambda: bridge.log({"np": np.float32(0.5), "np_int": np.int64(7)}, step=np.int64(13)),
        lambda: (
            bridge.log({"nested": {"deep": {"deeper": 1}}, "list": [1, 2.5]}, 14)
            if nested_is_allowed()
            else bridge.log({"only": 1}, 14)
        ),
        lambda: bridge.log({"elsewhere": 1}, 15, receivers=["other"]),
        lambda: bridge.add_image("img", np.full((4, 6, 3), 0.5), 16),
        lambda: bridge.add_text("words", "in the history", 17),
        lambda: mlflow.log_param("lr", 0.1),
        lambda: mlflow.log_params({"batch": 32, "opt": {"name": "sgd"}}),
        lambda: mlflow.set_tag("phase", "one"),
        lambda: mlflow.set_tags({"empty": "", "n": 5}),
        lambda: mlflow.log_text("a file of text\n", "notes/a.txt"),
        lambda: bridge.log_line("a line of the console"),
        lambda: bridge.log({"last": 1}),
    ]
    for call in calls:
        call()
        time.sleep(pause)


class Odd:
    """What no tracking system knows."""

    def __str__(self) -> str:
        return "an odd object"


def log_odd_values(_pause: float) -> None:
    """What a script may hand to BridgeWriter besides numbers; steps rise, so that each call has a row of its own."""
    from flarebridge import BridgeWriter

    bridge, deep = BridgeWriter(), 1
    for _ in range(20):
        deep = {"deeper": deep}
    metrics = [
        {"note": "text", "loss": 1.0},
        {"none": None, "beside_none": 1},
        {"list": [1, 2.5, "x", None]},
        {"nested": {"deep": {"deeper": 1}, "text": "in it"}},
        {"array": np.arange(3), "matrix": np.ones((2, 2))},
        {"np32": np.float32(0.5), "np_int": np.int64(7), "np_bool": np.bool_(True), "one": np.array([3.0])},
        {"nan": float("nan"), "inf": float("-inf")},
        {"beyond_64_bits": 1 << 70, "flag": True},
        {"bytes": b"raw", "tuple": (1, 2), "set": {3}},
        {5: 1, ("a", 1): 2},
        {},
        {"object": Odd(), "beside_object": 1},
        {"long": "x" * (2 << 20), "beside_long": 1},
        {"deep": deep, "beside_deep": 1},
        5,
        "text",
        None,
    ]
    for step, value in enumerate(metrics):
        bridge.log(value, step)
    bridge.log_metric("text_metric", "words", 20)
    bridge.log_metric("none_metric", None, 21)
    bridge.log_metric("array_metric", np.arange(2), 22)
    bridge.log_metric(7, 1.0, 23)
    bridge.add_scalar("np_scalar", np.float64(2.5), 24, walltime=1.5)
    bridge.add_scalars("group", {"x": 1, "y": "text"}, 25)
    bridge.add_text("number_text", 5, 26)
    bridge.add_image("img", np.zeros((2, 3), np.uint8), 27)
    for step in (-1, 1.5, "two", 1 << 64):
        bridge.log({"bad_step": 1}, step)
    bridge.log({"np_step": 1}, np.int64(28))
    bridge.log({"addressed": 1}, 29, receivers=("wandb",))
    bridge.log({"elsewhere": 1}, 30, receivers="other")
    bridge.log_param("list_param", [1, {"a": None}])
    bridge.log_params({"nested_param": {"x": np.int64(3)}, "text_param": "t"})
    bridge.set_tag("none_tag", None)
    bridge.set_tags({"number": 4, "list": [1]})
    bridge.log_text("a file of text\n", "notes/odd.txt")
    bridge.log_line(5)
    bridge.log({"last": 1}, 31)


def nested_is_allowed() -> bool:
    # From 2.9 on NVFlare refuses dicts and lists as metrics where they are logged.
    import nvflare

    return int(nvflare.__version__.split(".")[1]) < 9


def make_sender(writer: str):
    """A function (key, value, step) that logs by the writer."""
    if writer in ("bridge", "bridge_elsewhere"):
        from flarebridge import BridgeWriter

        if writer == "bridge_elsewhere":  # as in another container than the site's components
            os.environ["FLAREBRIDGE_TRAINER_LINK"] = "ipc:///nowhere/to/be/seen/trainer"

        bridge = BridgeWriter()
        return lambda key, value, step: bridge.log({key: value}, step)
    from nvflare.client.tracking import MLflowWriter, SummaryWriter, WandBWriter

    tensorboard, wandb, mlflow = SummaryWriter(), WandBWriter(), MLflowWriter()
    senders = {
        "tensorboard": lambda key, value, step: tensorboard.add_scalar(key, value, global_step=step),
        "wandb": lambda key, value, step: wandb.log({key: value}, step),
        "mlflow": lambda key, value, step: mlflow.log_metric(key, value, step),
    }
    if writer != "mixed":
        return senders[writer]
    in_turn = list(senders.values())
    return lambda key, value, step: in_turn[step % 3](key, value, step)


if __name__ == "__main__":
    main()
