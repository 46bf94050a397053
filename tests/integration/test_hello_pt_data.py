"""hello-pt's data: shares without overlap, CIFAR-10's own format, clear errors."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs" / "hello-pt"))
import data  # noqa: E402
import torch  # noqa: E402
from model import Net  # noqa: E402


def _images(share: data.SiteData) -> set[bytes]:
    return {image.numpy().tobytes() for part in (share.train_images, share.validation_images) for image in part}


def test_sites_share_the_digits_without_overlap_and_always_alike():
    shares = [data.load("digits", None, f"site-{number}", 3, seed=1) for number in (1, 2, 3)]
    sizes = [len(share.train_labels) + len(share.validation_labels) for share in shares]
    assert sum(sizes) == 1797
    # Some digits are drawn alike to the last pixel; apart from those no image is on two sites.
    assert len(_images(shares[0]) & _images(shares[1])) < 5
    again = data.load("digits", None, "site-1", 3, seed=1)
    assert np.array_equal(again.train_images, shares[0].train_images)
    assert shares[0].train_images.shape[1:] == (1, 8, 8)
    assert shares[0].train_images.min() >= 0 and shares[0].train_images.max() <= 1


def test_cifar_10s_binary_files_are_read_as_label_and_colour_planes(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records = np.zeros((40, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(40) % 10
    records[:, 1 : 1 + 1024] = 255  # red
    for number in (1, 2):
        records[number - 1 :: 2].tofile(folder / f"data_batch_{number}.bin")
    share = data.load("cifar10", str(tmp_path), "site-1", 2, seed=0)
    assert share.train_images.shape == (16, 3, 32, 32)
    assert share.train_images[:, 0].min() == 1
    assert share.train_images[:, 1:].max() == 0
    assert set(share.train_labels.tolist()) <= set(range(10))


def test_missing_and_wrong_files_are_told_by_name(tmp_path):
    with pytest.raises(ValueError, match="no data_batch"):
        data.load("cifar10", str(tmp_path), "site-1", 2, seed=0)
    (tmp_path / "data_batch_1.bin").write_bytes(b"short")
    with pytest.raises(ValueError, match="data_batch_1.bin is not a file"):
        data.load("cifar10", str(tmp_path), "site-1", 2, seed=0)


def test_the_same_seed_makes_the_same_first_weights_wherever_the_model_is_made():
    def weights(seed: int) -> torch.Tensor:
        model = Net(channels=1, seed=seed)
        assert model.seed == seed  # NVFlare's server makes the model again of this
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    torch.manual_seed(0)
    first, drawn = weights(3), torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(weights(3), first)
    assert not torch.equal(weights(4), first)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), drawn)  # the caller's random numbers go on as they were
