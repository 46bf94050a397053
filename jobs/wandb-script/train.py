"""Trains a small network with convolutions and attention on handwritten digits, and logs it as with W&B's client.

The one line that tells it from a script of W&B's: `import flarebridge.wandb as wandb`. No account, no server and no
package wandb is needed; with a key of W&B's the run is uploaded while it grows. At the end it says where a page of its
curves is.
"""

import argparse
import sys
from pathlib import Path

import flarebridge.wandb as wandb
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from report_of import folder_for, write_report  # noqa: E402

_SIDE = 8  # pixels of an image
_SHOWN = 8  # images that are logged with what the network takes them for


class DigitsNet(nn.Module):
    """Two convolutions; attention between their channels; two linear layers."""

    def __init__(self, channels: int = 16):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, channels // 2, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(channels // 2, channels, kernel_size=3, padding=1), nn.ReLU(),
        )  # fmt: skip
        cells = (_SIDE // 2) ** 2
        self.attention = nn.MultiheadAttention(embed_dim=cells, num_heads=2, batch_first=True)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(channels * cells, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, 10) of images (n, 1, 8, 8)."""
        maps = self.convolutions(images).flatten(start_dim=2)
        attended, _ = self.attention(maps, maps, maps)
        return self.head(maps + attended)


def load(batch_size: int) -> tuple[DataLoader, TensorDataset]:
    """Four fifths of scikit-learn's digits to train with, the rest to test."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(labels))
    cut = len(labels) * 4 // 5
    train, test = (TensorDataset(images[part], labels[part]) for part in (order[:cut], order[cut:]))
    return DataLoader(train, batch_size=batch_size, shuffle=True), test


def train(network: nn.Module, batches: DataLoader) -> None:
    """Every batch is a row."""
    optimizer = torch.optim.Adam(
        network.parameters(), lr=wandb.config.lr, weight_decay=wandb.config.weight_decay
    )  # fmt: skip
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(wandb.config.epochs):
        network.train()
        for number, (images, labels) in enumerate(batches):
            optimizer.zero_grad()
            loss = loss_of(network(images), labels)
            loss.backward()
            optimizer.step()
            wandb.log({"loss": loss.item(), "epoch": epoch, "iteration": number})
        print(f"epoch {epoch + 1} of {wandb.config.epochs}: loss {loss.item():.3f}", flush=True)


def test(network: nn.Module, data: TensorDataset) -> float:
    """The share of images that the network names; some of them are logged with what it says."""
    network.eval()
    images, labels = data.tensors
    with torch.no_grad():
        named = network(images).argmax(dim=1)
    shown = [
        wandb.Image(image.squeeze(0).numpy(), caption=f"{label}, taken for {name}")
        for image, label, name in zip(images[:_SHOWN], labels[:_SHOWN].tolist(), named.tolist())
    ]
    wandb.log({"samples": shown, "mistaken_for": wandb.Histogram(named[named != labels].tolist() or [0], num_bins=10)})
    table = wandb.Table(columns=["digit", "held back", "right"])
    for digit in range(10):
        is_digit = labels == digit
        table.add_data(str(digit), int(is_digit.sum()), int((named[is_digit] == digit).sum()))
    wandb.log({"digits": table, "right": wandb.plot.bar(table, "digit", "right", title="Named right")})
    return (named == labels).float().mean().item()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--weight_decay", type=float, default=1e-5)
    parser.add_argument("--folder", help="where the run goes; default: a new one below build/wandb-script")
    arguments = parser.parse_args()
    folder = folder_for("wandb-script", arguments.folder)
    torch.manual_seed(0)

    config = {name: value for name, value in vars(arguments).items() if name != "folder"}
    wandb.init(project="demo", name="digits", tags=["demo"], config=config, dir=str(folder))
    wandb.define_metric("loss", summary="min")
    network = DigitsNet()
    batches, held_back = load(wandb.config.batch_size)
    train(network, batches)
    wandb.summary["accuracy"] = test(network, held_back)
    wandb.finish()
    return write_report(folder)


if __name__ == "__main__":
    sys.exit(main())
