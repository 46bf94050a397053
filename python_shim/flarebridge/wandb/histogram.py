"""Histogram: counts and edges, made by numpy where the user has it, or given ready."""

import math
import sys
from typing import Any, Optional

_MOST_BINS = 512  # W&B's (wandb/sdk/data_types/histogram.py at 0.31)
_BLOCK = 1 << 15  # numbers that are counted at once: they stay in a processor's cache
_MOST_DOUBT = 0.05  # of a bin


class Histogram:
    """W&B's: of a sequence or an array, or what numpy.histogram gave.

    NaN and infinite numbers are left out; W&B's client raises for them.
    """

    MAX_LENGTH = _MOST_BINS

    def __init__(self, sequence: Any = None, np_histogram: Optional[tuple] = None, num_bins: int = 64):
        """Raises ValueError for what is no histogram, or has more than 512 bins."""
        if np_histogram is not None:
            if len(np_histogram) != 2:
                raise ValueError("np_histogram must be (counts, edges), as numpy.histogram gives them")
            self.histogram, self.bins = (_listed(part) for part in np_histogram)
        elif sequence is None:
            raise ValueError("Histogram needs a sequence or np_histogram")
        else:
            found = of_values(sequence, num_bins)
            self.histogram, self.bins = found["values"], found["bins"]
        if len(self.histogram) > _MOST_BINS:
            raise ValueError(f"The maximum length of a histogram is {_MOST_BINS}")
        if len(self.histogram) + 1 != len(self.bins):
            raise ValueError("len(bins) must be len(histogram) + 1")

    def as_value(self) -> dict:
        """As it stands in a row."""
        return {"_type": "histogram", "values": self.histogram, "bins": self.bins}


def of_values(values: Any, bins: int) -> dict:
    """The histogram of numbers in a sequence, an array or a tensor."""
    from .values import as_array

    array = as_array(values)
    numpy = sys.modules.get("numpy")
    if array is None and numpy is not None:
        array = numpy.asarray(list(values) if not hasattr(values, "__len__") else values, dtype=float)
    if array is None:
        return _without_numpy([float(value) for value in values], bins)
    return of_array(array, bins) or {"_type": "histogram", "values": [0] * bins, "bins": _edges(0.0, 1.0, bins)}


def of_array(array: Any, bins: int) -> Optional[dict]:
    """The histogram of a numpy array of numbers; None: none of them is finite."""
    numpy = sys.modules["numpy"]
    array, found = array.ravel(), None
    if array.dtype.kind == "f":
        if array.dtype.itemsize < 4:
            array = array.astype(numpy.float32)  # its range may be beyond what a half can hold
        low, high = array.min(), array.max()  # NaN and infinity show here: no pass more for arrays without
        if not (math.isfinite(low) and math.isfinite(high)):
            array = array[numpy.isfinite(array)]
            if not array.size:
                return None
            low, high = array.min(), array.max()
        if array.size > _BLOCK:
            found = _counted(array, low, high, bins)
    elif array.dtype.kind == "b":
        array = array.astype(numpy.uint8)
    counts, edges = found or numpy.histogram(array, bins=bins)
    return {"_type": "histogram", "values": counts.tolist(), "bins": edges.tolist()}


def _counted(array: Any, low: Any, high: Any, bins: int) -> Optional[tuple]:
    """What numpy.histogram gives, to the last count, in half of its time: of floats, low to high.

    numpy compares each number with the edges of its bin. Here only those are compared that lie so near to an edge that
    rounding may have put them into the bin beside it. None: that may be any of them.
    """
    numpy = sys.modules["numpy"]
    kind, span = array.dtype.type, float(high) - float(low)
    limits = numpy.finfo(kind)
    if not 0 < span < float(limits.max) or not float(limits.tiny) < bins / span < float(limits.max):
        return None
    scale = kind(bins / span)
    # In bins: three roundings of a place, and one of an edge.
    doubt = 4 * float(limits.eps) * (bins + max(abs(float(low)), abs(float(high))) * bins / span)
    if doubt > _MOST_DOUBT:
        return None
    edges = numpy.histogram_bin_edges(array[:1], bins, (low, high))
    counts = numpy.zeros(bins + 1, numpy.intp)
    room, more = numpy.empty(_BLOCK, kind), numpy.empty(_BLOCK, kind)
    for begin in range(0, array.size, _BLOCK):
        part = array[begin : begin + _BLOCK]
        places, gaps = room[: part.size], more[: part.size]
        numpy.multiply(numpy.subtract(part, low, out=places), scale, out=places)
        numpy.subtract(places, numpy.rint(places, out=gaps), out=gaps)
        near = numpy.flatnonzero(numpy.absolute(gaps, out=gaps) < kind(doubt))
        numbers = places.astype(numpy.intp)
        if near.size:
            numbers[near] = numpy.minimum(numpy.searchsorted(edges, part[near], "right") - 1, bins - 1)
        counts += numpy.bincount(numbers, minlength=bins + 1)
    return counts[:bins], edges


def _without_numpy(values: list, bins: int) -> dict:
    """numpy's way for equal bins: the last one holds the highest value, too."""
    values = [value for value in values if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / (high - low) * bins), bins - 1)] += 1
    return {"_type": "histogram", "values": counts, "bins": _edges(low, high, bins)}


def _edges(low: float, high: float, bins: int) -> list:
    return [low + (high - low) * number / bins for number in range(bins)] + [high]


def _listed(part: Any) -> list:
    return part.tolist() if hasattr(part, "tolist") else list(part)
