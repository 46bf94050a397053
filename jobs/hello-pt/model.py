"""The model of hello-pt: a CNN small enough to train on a laptop's processor in seconds."""

import torch
from torch import nn


class Net(nn.Module):
    """Two convolutions and a linear layer, for square images of any size.

    Args:
        channels: 1 for grey images (digits), 3 for colour (CIFAR-10).
        classes: number of classes.
        seed: of the first weights, wherever the model is made; the caller's random numbers go on as they were.
    """

    def __init__(self, channels: int = 1, classes: int = 10, seed: int = 0):
        super().__init__()
        # NVFlare stores a model as its class and constructor arguments, read from these attributes. The server makes
        # it anew of them, so that the seed has to be one.
        self.channels = channels
        self.classes = classes
        self.seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.features = nn.Sequential(
                nn.Conv2d(channels, 16, kernel_size=3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 32, kernel_size=3, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(4),
            )
            self.classifier = nn.Linear(32 * 4 * 4, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        return self.classifier(self.features(images).flatten(1))
