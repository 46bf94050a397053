"""Point clouds of four kinds of shapes, and a network that tells them apart by their points, in any order."""

import math

import torch
from torch import nn

KINDS = ("sphere", "cube", "cylinder", "torus")


def make(count: int, points: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clouds (count, points, 3) on the shapes' surfaces, turned about the upright axis and blurred; their kinds."""
    chance = torch.Generator().manual_seed(seed)
    kinds = torch.randint(len(KINDS), (count,), generator=chance)
    clouds = torch.stack([_MAKERS[kind](points, chance) for kind in kinds.tolist()])
    angle = torch.rand(count, generator=chance) * 2 * math.pi
    cos, sin, none, one = angle.cos(), angle.sin(), torch.zeros(count), torch.ones(count)
    turn = torch.stack([cos, -sin, none, sin, cos, none, none, none, one], dim=1).reshape(count, 3, 3)
    return clouds @ turn + 0.03 * torch.randn(clouds.shape, generator=chance), kinds


def _angles(points: int, chance: torch.Generator) -> torch.Tensor:
    return torch.rand(points, generator=chance) * 2 * math.pi


def _sphere(points: int, chance: torch.Generator) -> torch.Tensor:
    return nn.functional.normalize(torch.randn(points, 3, generator=chance), dim=1)


def _cube(points: int, chance: torch.Generator) -> torch.Tensor:
    cloud = torch.rand(points, 3, generator=chance) * 2 - 1
    side = torch.randint(3, (points, 1), generator=chance)
    return 0.8 * cloud.scatter(1, side, cloud.gather(1, side).sign())


def _cylinder(points: int, chance: torch.Generator) -> torch.Tensor:
    angle, height = _angles(points, chance), torch.rand(points, generator=chance) * 2 - 1
    return torch.stack([0.6 * angle.cos(), 0.6 * angle.sin(), height], dim=1)


def _torus(points: int, chance: torch.Generator) -> torch.Tensor:
    around, across = _angles(points, chance), _angles(points, chance)
    distance = 0.75 + 0.25 * across.cos()
    return torch.stack([distance * around.cos(), distance * around.sin(), 0.25 * across.sin()], dim=1)


_MAKERS = (_sphere, _cube, _cylinder, _torus)


class PointNetwork(nn.Module):
    """The same layers for each point; of all points the largest value of each feature; layers for the kind."""

    def __init__(self, features: int = 64):
        super().__init__()
        # NVFlare makes a model of its class and the arguments that it finds as attributes.
        self.features = features
        self.of_points = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, features), nn.ReLU())
        self.of_clouds = nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, len(KINDS)))

    def forward(self, clouds: torch.Tensor) -> torch.Tensor:
        """Logits (n, kinds) of clouds (n, points, 3)."""
        return self.of_clouds(self.of_points(clouds).amax(dim=1))
