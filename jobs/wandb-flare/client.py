"""What each site does: a training script that was written for W&B's client, with another import and NVFlare's rounds.

Its run is the site's: the job has begun it, and says what it is called. A step is an epoch of the site.
"""

import argparse

import flarebridge.wandb as wandb
import nvflare.client as flare
import torch
from shapes import KINDS, PointNetwork, make
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--beta1", type=float, default=0.9, help="of Adam")
    parser.add_argument("--beta2", type=float, default=0.999, help="of Adam")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2, help="in each round")
    parser.add_argument("--clouds", type=int, default=160, help="that a site trains with")
    parser.add_argument("--points", type=int, default=128, help="of a cloud")
    return parser.parse_args()


def train_one_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: DataLoader, step: int
) -> None:  # fmt: skip
    network.train()
    total = 0.0
    for clouds, kinds in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(clouds), kinds)
        loss.backward()
        optimizer.step()
        total += loss.item()
    wandb.log({"Train/Loss": total / len(batches)}, step=step)


def test(network: nn.Module, clouds: torch.Tensor, kinds: torch.Tensor, step: int) -> float:
    """The accuracy; one cloud is logged with what the network takes it for."""
    network.eval()
    with torch.no_grad():
        logits = network(clouds)
    accuracy = (logits.argmax(dim=1) == kinds).float().mean().item()
    found = KINDS[int(logits[0].argmax())]
    wandb.log(
        {
            "Test/Loss": nn.functional.cross_entropy(logits, kinds).item(),
            "Test/Accuracy": accuracy,
            "Test/Result": wandb.Image(_view(clouds[0]), caption=f"{KINDS[int(kinds[0])]}, taken for {found}"),
            "Test/Cloud": wandb.Object3D(clouds[0].numpy()),
        },
        step=step,
    )
    return accuracy


def _view(cloud: torch.Tensor, side: int = 64):
    """A picture of a cloud from the front, near points bright."""
    across, depth, up = cloud.unbind(dim=1)
    columns, rows = (((axis.clamp(-1.2, 1.2) / 2.4 + 0.5) * (side - 1)).long() for axis in (across, -up))
    picture = torch.zeros(side, side)
    picture[rows, columns] = 0.7 - 0.25 * depth.clamp(-1.2, 1.2)
    return picture.numpy()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)  # several sites share a machine here
    flare.init()
    site = flare.get_site_name()
    seed = 2 * sum(map(ord, site))
    torch.manual_seed(seed)
    batches = DataLoader(
        TensorDataset(*make(arguments.clouds, arguments.points, seed)), batch_size=arguments.batch_size, shuffle=True
    )
    held_back = make(arguments.clouds // 4, arguments.points, seed + 1)

    wandb.init(config=arguments)
    config = wandb.config
    wandb.define_metric("Test/Accuracy", summary="max")
    network = PointNetwork()
    wandb.watch(network, log_freq=10, log_graph=True)
    while flare.is_running():
        received = flare.receive()
        if received is None:
            break
        network.load_state_dict({key: torch.as_tensor(value) for key, value in received.params.items()})
        optimizer = torch.optim.Adam(network.parameters(), lr=config.lr, betas=(config.beta1, config.beta2))
        for epoch in range(config.epochs):
            step = received.current_round * config.epochs + epoch
            train_one_epoch(network, optimizer, batches, step)
            accuracy = test(network, *held_back, step)
        print(f"wandb-flare: {site} round {received.current_round + 1}: accuracy {accuracy:.1%}", flush=True)
        meta = {"NUM_STEPS_CURRENT_ROUND": config.epochs * len(batches)}
        flare.send(flare.FLModel(params=network.state_dict(), metrics={"accuracy": accuracy}, meta=meta))
    wandb.finish()


if __name__ == "__main__":
    main()
