"""A histogram of many floats is numpy's, to the last count and edge."""

import numpy as np
import pytest
from flarebridge.wandb.histogram import _BLOCK, _counted, of_array
from flarebridge.wandb.watching import histogram_of

_COUNT = 3 * _BLOCK + 5


def _floats(kind: str) -> np.ndarray:
    random = np.random.default_rng(7)
    return {
        "normal": lambda: random.normal(size=_COUNT),
        "on the edges": lambda: random.integers(0, 65, _COUNT).astype(float),
        "by sixty-fourths": lambda: np.round(random.normal(size=_COUNT) * 64) / 64,
        "even": lambda: np.linspace(0, 1, _COUNT),
        "tiny": lambda: random.random(_COUNT) * 1e-30,
        "huge": lambda: random.random(_COUNT) * 1e30,
        "far from zero": lambda: 1000 + random.normal(size=_COUNT),
        "tight": lambda: 1e6 + random.normal(size=_COUNT),
        "one value": lambda: np.full(_COUNT, 2.5),
        "widest": lambda: random.choice([-3e38, 3e38], _COUNT),
        "smallest": lambda: random.choice([0, 1e-44], _COUNT),
    }[kind]()


@pytest.mark.parametrize("bins", [1, 5, 64, 100, 512])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kind",
    [
        "normal", "on the edges", "by sixty-fourths", "even", "tiny", "huge", "far from zero", "tight", "one value",
        "widest", "smallest",
    ],
)  # fmt: skip
def test_counts_and_edges_are_numpys(kind, dtype, bins):
    array = _floats(kind).astype(dtype)
    if kind == "widest" and dtype == np.float32:  # numpy itself can't
        assert _counted(array, array.min(), array.max(), bins) is None
        return
    try:
        counts, edges = np.histogram(array, bins=bins)
    except ValueError as e:
        with pytest.raises(ValueError, match=str(e)[:20]):
            of_array(array, bins)
        return
    found = of_array(array, bins)
    assert (found["values"], found["bins"]) == (counts.tolist(), edges.tolist())


def test_the_short_way_is_taken_where_rounding_leaves_few_in_doubt_and_only_there():
    for kind, taken in (("normal", True), ("on the edges", True), ("far from zero", True), ("tight", False)):
        array = _floats(kind).astype(np.float32)
        assert (_counted(array, array.min(), array.max(), 64) is not None) == taken, kind


def test_what_is_not_finite_is_left_out_of_many_floats():
    array = _floats("normal").astype(np.float32)
    odd = np.concatenate([array, [np.nan, np.inf, -np.inf]]).astype(np.float32)
    assert of_array(odd, 64) == of_array(array, 64)


def test_floats_that_lie_apart_in_memory_are_counted():
    array = _floats("normal")[::2]
    counts, _edges = np.histogram(array, bins=64)
    assert of_array(array, 64)["values"] == counts.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_watched_is_counted_as_torch_counts(dtype):
    torch = pytest.importorskip("torch")
    kinds = ("normal", "on the edges", "by sixty-fourths", "even", "tiny", "huge", "far from zero", "tight")
    for kind in kinds:
        tensor = torch.from_numpy(_floats(kind)).to(getattr(torch, dtype))
        low, high = tensor.min().item(), tensor.max().item()
        found = histogram_of(tensor)
        assert found["values"] == torch.histc(tensor, bins=64, min=low, max=high).long().tolist(), kind
        assert found["bins"] == torch.linspace(low, high, 65).tolist()
