"""watch(): histograms of a torch model's gradients and parameters, in the row that is logged next, and its graph.

W&B's client puts them into the row that is open, which with log(..., step=n) is the one before. Hooks never raise, and
torch is the script's.
"""

import sys
import weakref
from typing import Any, Callable, Optional

from .errors import UsageError
from .graphs import Graph, draw

_BINS = 64
_BLOCK = 1 << 15  # numbers
_LEAST_SPAN, _MOST_SPAN = 1e-30, 1e30  # within which no float32 overflows or loses digits on the way
_WHAT = ("gradients", "parameters", "all", None)

Odd = Callable[[str, str], None]


class Watching:
    """Of one run."""

    def __init__(self, odd: Odd, drawn: Callable[[str, Graph], None]):
        """`drawn` gets the key and the graph of a model that has run once."""
        self._odd, self._drawn = odd, drawn
        self._with_graph: Any = weakref.WeakSet()  # models
        self._handles: list = []  # the model, and what takes its hook away
        self._models = 0
        self.pending: dict = {}  # what the next row has

    def watch(
        self, models: Any, log: Optional[str], log_freq: int, idx: Optional[int] = None, log_graph: bool = False
    ) -> list:
        """Gives the graphs. Raises UsageError, ValueError and TypeError for what can't be watched.

        `idx`: the number of the first model, which its names have; None: they are counted.
        """
        graphs = []
        if log not in _WHAT:
            raise UsageError(f"watch() has log = {log!r}; it must be gradients, parameters, all or None")
        for number, model in enumerate(models if isinstance(models, (list, tuple)) else [models], idx or 0):
            number = self._models if idx is None else number
            if not hasattr(model, "named_parameters") or not hasattr(model, "register_forward_hook"):
                raise TypeError(f"watch() takes models of torch's, not {type(model).__name__}")
            prefix = f"graph_{number}" if number else ""
            self._models += 1
            if log in ("gradients", "all"):
                self._watch_gradients(model, prefix, log_freq)
            if log in ("parameters", "all"):
                self._watch_parameters(model, prefix, log_freq)
            if log_graph:
                graphs.append(self._watch_graph(model, f"graph_{number}"))
        return graphs

    def unwatch(self, models: Any = None) -> None:
        """None: all of them."""
        chosen = models if models is None or isinstance(models, (list, tuple)) else [models]
        kept = []
        for model, handle in self._handles:
            if chosen is None or any(model is one for one in chosen):
                handle.remove()
            else:
                kept.append((model, handle))
        self._handles = kept

    def _watch_gradients(self, model: Any, prefix: str, every: int) -> None:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                take = _each(every, lambda grad, name=name: self._note(f"gradients/{prefix}{name}", grad))
                self._handles.append((model, parameter.register_hook(take)))

    def _watch_parameters(self, model: Any, prefix: str, every: int) -> None:
        def note(watched: Any) -> None:
            for name, parameter in watched.named_parameters():
                self._note(f"parameters/{prefix}{name}", parameter)

        take = _each(every, note)
        self._handles.append((model, model.register_forward_hook(lambda watched, _given, _found: take(watched))))

    def _watch_graph(self, model: Any, key: str) -> Graph:
        if model in self._with_graph:
            raise ValueError("watch(log_graph=True) was called for this model before; its graph is drawn once")
        self._with_graph.add(model)
        graph, handles = draw(
            model, lambda drawn: self._drawn(key, drawn), lambda e: self._odd(key, f"{type(e).__name__}: {e}")
        )
        self._handles += [(model, handle) for handle in handles]
        return graph

    def _note(self, key: str, tensor: Any) -> None:
        try:
            found = histogram_of(tensor)
        except Exception as e:
            self._odd(key, f"{type(e).__name__}: {e}")
            return
        if found is not None:
            self.pending[key] = found


def _each(every: int, call: Callable[[Any], None]) -> Callable[[Any], None]:
    """Calls it every so many times."""
    count = 0

    def take(given: Any) -> None:
        nonlocal count
        count += 1
        if count >= every:
            count = 0
            call(given)

    return take


def histogram_of(tensor: Any) -> Optional[dict]:
    """64 bins from the least to the most of a tensor's finite numbers, as of W&B's client; None: it has none."""
    torch = sys.modules["torch"]
    flat, zeros = tensor.detach(), 0
    if flat.is_sparse:
        flat = flat.coalesce().values()
        zeros = tensor.numel() - flat.numel()
    flat = flat.reshape(-1)
    if flat.dtype not in (torch.float32, torch.float64):
        flat = flat.float()
    if not flat.numel() and not zeros:
        return None
    low, high = _range(torch, flat)
    if not (_is_finite(low) and _is_finite(high)):
        flat = flat[torch.isfinite(flat)]
        if not flat.numel() and not zeros:
            return None
        low, high = _range(torch, flat)
    if zeros:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return {"_type": "histogram", "values": [flat.numel() + zeros], "bins": [low, high]}
    counts = _counts(torch, flat, low, high)
    if zeros:
        counts[min(int(-low / (high - low) * _BINS), _BINS - 1)] += zeros
    return {"_type": "histogram", "values": counts, "bins": torch.linspace(low, high, _BINS + 1).tolist()}


def _counts(torch: Any, flat: Any, low: float, high: float) -> list:
    """torch.histc's, to the last count; of numbers in main memory in a third of its time.

    They go through a processor's cache in blocks. As there are 64 bins, a power of two, the places are rounded alike in
    whatever order they are worked out.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or flat.device.type != "cpu" or not _LEAST_SPAN < high - low < _MOST_SPAN:
        return [int(count) for count in torch.histc(flat, bins=_BINS, min=low, max=high).tolist()]
    array = flat.numpy()
    kind = array.dtype.type
    counts, room = numpy.zeros(_BINS + 1, numpy.intp), numpy.empty(_BLOCK, kind)
    for begin in range(0, array.size, _BLOCK):
        part = array[begin : begin + _BLOCK]
        places = numpy.subtract(part, kind(low), out=room[: part.size])
        places /= kind(high) - kind(low)
        places *= kind(_BINS)
        counts += numpy.bincount(places.astype(numpy.intp), minlength=_BINS + 1)
    counts[_BINS - 1] += counts[_BINS]  # the last bin holds the highest number, too
    return counts[:_BINS].tolist()


def _range(torch: Any, flat: Any) -> tuple:
    if not flat.numel():
        return 0.0, 0.0
    low, high = torch.stack(torch.aminmax(flat)).tolist()
    return low, high


def _is_finite(value: float) -> bool:
    return value - value == 0
