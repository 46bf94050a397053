"""define_metric: what it may say, and the operation that it becomes."""

from typing import Any, NamedTuple, Optional

from .errors import Error

_SUMMARIES = ("min", "max", "mean", "last", "first", "copy", "none", "best")
_GOALS = ("minimize", "maximize")


class Metric(NamedTuple):
    """What define_metric returns."""

    name: str
    step_metric: Optional[str] = None
    step_sync: Optional[bool] = None
    hidden: Optional[bool] = None
    summary: Optional[tuple] = None
    goal: Optional[str] = None
    overwrite: Optional[bool] = None

    def as_value(self) -> dict:
        """The operation, without what it does not say."""
        value = {key: item for key, item in self._asdict().items() if item is not None and key != "name"}
        if self.summary is not None:
            value["summary"] = list(self.summary)
        return {"op": "define_metric", **value}


def definition(
    name: Any, step_metric: Any, step_sync: Any, hidden: Any, summary: Any, goal: Any, overwrite: Any
) -> Metric:
    """Raises Error with what is wrong, as W&B's client does. `goal` and the summary "best" are of older ones."""
    if isinstance(step_metric, Metric):
        step_metric = step_metric.name
    for argument, given, right in (
        ("name", name, str), ("step_metric", step_metric, str), ("step_sync", step_sync, bool),
        ("hidden", hidden, bool), ("goal", goal, str), ("overwrite", overwrite, bool),
    ):  # fmt: skip
        if given is not None and not isinstance(given, right):
            raise Error(f"define_metric() has {argument} = {given!r}, which is no {right.__name__}")
    if not name:
        raise Error("define_metric() requires non-empty name argument")
    if "*" in name[:-1]:
        raise Error(f"define_metric() takes a * only at the end of a name, not {name!r}")
    if goal is not None and goal not in _GOALS:
        raise Error(f"define_metric() has goal = {goal!r}; it must be one of {', '.join(_GOALS)}")
    return Metric(name, step_metric, step_sync, hidden, _summaries(summary), goal, overwrite)


def _summaries(given: Any) -> Optional[tuple]:
    if given is None or given == "":
        return None
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, (list, tuple)) or not all(isinstance(item, str) for item in listed):
        raise Error(f"define_metric() has summary = {given!r}; it must be a text, as 'min,max'")
    found = tuple(item.strip().lower() for item in listed)
    for item in found:
        if item not in _SUMMARIES:
            raise Error(f"define_metric() has summary {item!r}, which is not known; there are {', '.join(_SUMMARIES)}")
    return found
