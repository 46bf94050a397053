"""Logs records one right behind the other, and writes each into a file of its own first."""

import argparse
import json
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
    send = make_sender(arguments.writer)
    while flare.is_running():
        received = flare.receive()
        if received is None:
            break
        first = received.current_round * arguments.count
        costs = []
        with (folder / f"{site}.jsonl").open("a") as values:
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
        flare.send(flare.FLModel(params={"numpy_key": np.zeros(1, np.float32)}))
    sys.stdout.flush()


def make_sender(writer: str):
    """A function (key, value, step) that logs by the writer."""
    if writer == "bridge":
        from flarebridge import BridgeWriter

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
