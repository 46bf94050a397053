"""What each site does: train on its own data, evaluate the global model, log along the way.

NVFlare runs it once per site; job.py starts it. Steps count all training batches of the site since
the job's beginning, and one per round for the global model's evaluation, so that they only rise.
"""

import argparse
import json
from pathlib import Path
from typing import Callable, Optional
from urllib.parse import unquote

import data
import nvflare.client as flare
import torch
from model import Net
from torch import nn

Log = Callable[[dict, int], None]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", choices=["digits", "cifar10"])
    parser.add_argument("--folder", type=unquote, default=None, help="with %%20 for a space, as job.py writes it")
    parser.add_argument("--n_clients", type=int, default=2)
    parser.add_argument("--local_epochs", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log_every", type=int, default=5)
    parser.add_argument("--writer", default="bridge", choices=["tensorboard", "wandb", "bridge"])
    parser.add_argument("--values", type=unquote, default=None, help="as --folder")
    return parser.parse_args()


def make_log(writer_name: str, site: str, values: Optional[str]) -> Log:
    """A function that logs {key: number} at a step by the chosen writer.

    With a folder in `values`, each number goes to `<folder>/<site>.jsonl` first.
    """
    if writer_name == "tensorboard":
        from nvflare.client.tracking import SummaryWriter

        writer = SummaryWriter()
    elif writer_name == "wandb":
        from nvflare.client.tracking import WandBWriter

        writer = WandBWriter()
    else:
        from flarebridge import BridgeWriter

        writer = BridgeWriter()
    path = None
    if values:
        Path(values).mkdir(parents=True, exist_ok=True)
        path = Path(values) / f"{site}.jsonl"

    def log(metrics: dict, step: int) -> None:
        if path is not None:
            with path.open("a") as file:
                for key, value in metrics.items():
                    file.write(json.dumps({"site": site, "step": step, "key": key, "value": value}) + "\n")
        if writer_name == "tensorboard":
            for key, value in metrics.items():
                writer.add_scalar(key, value, global_step=step)
        else:
            writer.log(metrics, step)

    return log


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose class the model names, 0 to 1."""
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def train_round(
    model: nn.Module,
    site_data: data.SiteData,
    arguments: argparse.Namespace,
    step: int,
    log: Log,
    shuffle: torch.Generator,
) -> tuple[int, float]:
    """Trains for the local epochs. Gives the last step and the validation accuracy."""
    optimizer = torch.optim.SGD(model.parameters(), lr=arguments.lr, momentum=0.9)
    steps = -(-len(site_data.train_images) // arguments.batch_size) * arguments.local_epochs
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    loss_of = nn.CrossEntropyLoss()
    validation = 0.0
    for _ in range(arguments.local_epochs):
        model.train()
        for batch in torch.randperm(len(site_data.train_images), generator=shuffle).split(arguments.batch_size):
            optimizer.zero_grad()
            loss = loss_of(model(site_data.train_images[batch]), site_data.train_labels[batch])
            loss.backward()
            learning_rate = schedule.get_last_lr()[0]
            optimizer.step()
            schedule.step()
            step += 1
            if step % arguments.log_every == 0:
                log({"train_loss": loss.item(), "learning_rate": learning_rate}, step)
        validation = accuracy(model, site_data.validation_images, site_data.validation_labels)
        log({"validation_accuracy": validation}, step)
    return step, validation


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)  # several sites share a machine here
    flare.init()
    site = flare.get_site_name()
    site_data = data.load(arguments.data, arguments.folder, site, arguments.n_clients, arguments.seed)
    log = make_log(arguments.writer, site, arguments.values)
    model = Net(channels=data.channels_of(arguments.data))
    shuffle = torch.Generator().manual_seed(arguments.seed)
    batches_per_epoch = -(-len(site_data.train_images) // arguments.batch_size)
    while flare.is_running():
        received = flare.receive()
        if received is None:
            break
        model.load_state_dict({key: torch.as_tensor(value) for key, value in received.params.items()})
        # One step of its own for the global model, then the round's batches.
        step = received.current_round * (batches_per_epoch * arguments.local_epochs + 1)
        global_accuracy = accuracy(model, site_data.validation_images, site_data.validation_labels)
        log({"global_accuracy": global_accuracy}, step)
        step, validation = train_round(model, site_data, arguments, step, log, shuffle)
        print(
            f"hello-pt: {site} round {received.current_round + 1}/{received.total_rounds}: "
            f"global model {global_accuracy:.1%}, after local training {validation:.1%}",
            flush=True,
        )
        flare.send(
            flare.FLModel(
                params=model.state_dict(),
                metrics={"accuracy": global_accuracy},
                meta={"NUM_STEPS_CURRENT_ROUND": batches_per_epoch * arguments.local_epochs},
            )
        )


if __name__ == "__main__":
    main()
