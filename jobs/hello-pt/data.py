"""The data of hello-pt: scikit-learn's digits, or CIFAR-10's binary files, split between the sites."""

import re
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np
import torch

_CIFAR_RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes of 32 x 32 bytes
_VALIDATION_SHARE = 0.2


class SiteData(NamedTuple):
    """Images (n, channels, height, width) in 0..1 and labels (n,) for training and for validation."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    validation_images: torch.Tensor
    validation_labels: torch.Tensor


def load(data: str, folder: Optional[str], site: str, n_sites: int, seed: int) -> SiteData:
    """One site's share: no two sites have an image in common, and the same arguments give the same share.

    Args:
        data: "digits" (ships with scikit-learn) or "cifar10".
        folder: where CIFAR-10's data_batch_*.bin are.
        site: NVFlare's name of the site; its number at the end ("site-2") picks the share.
        n_sites: how many shares there are.
        seed: of the shuffle.

    Raises:
        ValueError: files that are missing or not CIFAR-10's, a site without a share.
    """
    images, labels = _load_cifar10(Path(folder or "")) if data == "cifar10" else _load_digits()
    number = re.search(r"(\d+)$", site)
    share = (int(number.group(1)) - 1) % n_sites if number else 0
    order = np.random.default_rng(seed).permutation(len(images))[share::n_sites]
    if len(order) < 10:
        raise ValueError(f"{len(images)} images are too few for {n_sites} sites")
    cut = int(len(order) * (1 - _VALIDATION_SHARE))
    train, validation = order[:cut], order[cut:]
    return SiteData(
        torch.from_numpy(images[train]),
        torch.from_numpy(labels[train]),
        torch.from_numpy(images[validation]),
        torch.from_numpy(labels[validation]),
    )


def channels_of(data: str) -> int:
    """Channels of the images: 1 or 3."""
    return 3 if data == "cifar10" else 1


def _load_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    # 8 x 8 pixels of 0 to 16.
    return (digits.images[:, None, :, :] / 16).astype(np.float32), digits.target.astype(np.int64)


def _load_cifar10(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    files = sorted(folder.glob("data_batch_*.bin")) or sorted(folder.glob("cifar-10-batches-bin/data_batch_*.bin"))
    if not files:
        raise ValueError(
            f"no data_batch_*.bin in {folder} or in its cifar-10-batches-bin: unpack CIFAR-10's binary version "
            "there (cifar-10-binary.tar.gz, https://www.cs.toronto.edu/~kriz/cifar.html)"
        )
    records = []
    for file in files:
        content = np.fromfile(file, dtype=np.uint8)
        if len(content) == 0 or len(content) % _CIFAR_RECORD:
            raise ValueError(f"{file} is not a file of CIFAR-10's binary version: {len(content)} bytes")
        records.append(content.reshape(-1, _CIFAR_RECORD))
    all_records = np.concatenate(records)
    images = all_records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
    return images, all_records[:, 0].astype(np.int64)
