"""wandb.plot: charts, each a table with how W&B's pages are to show it. Pure; any thread.

The definitions are those of W&B's client (wandb/plot/ at 0.31). pandas and scikit-learn are not needed.
"""

from collections.abc import Iterable
from typing import Any, Optional

from .errors import Error
from .media import Chart
from .table import Table
from .terminal import say_once, termerror


class CustomChart(Chart):
    """A table, and a definition of W&B's or of the user's own that draws it."""

    def __init__(self, table: Table, name: str, fields: dict, strings: Optional[dict], split_table: bool):
        self.table, self._name, self._fields, self._strings = table, name, dict(fields), dict(strings or {})
        self._split = bool(split_table)

    def table_key(self, key: str) -> str:
        """See Chart."""
        return f"Custom Chart Tables/{key}_table" if self._split else f"{key}_table"

    def as_value(self, key: str) -> dict:
        """See Chart."""
        table = {"name": "summaryTable", "args": [{"name": "tableKey", "value": self.table_key(key)}], "fields": []}
        of_a_run = [{"name": name, "fields": []} for name in ("id", "name", "_defaultColorIndex")]
        runs = {"name": "runSets", "args": [{"name": "runSets", "value": "${runSets}"}], "fields": [*of_a_run, table]}
        panel = {
            "panelDefId": self._name, "fieldSettings": self._fields, "stringSettings": self._strings,
            "transform": {"name": "tableWithLeafColNames"}, "userQuery": {"queryFields": [runs]},
        }  # fmt: skip
        return {"kind": "visualize", "key": key, "value": {"panel_type": "Vega2", "panel_config": panel}}


class Visualize(Chart):
    """A table, and the id of a definition."""

    def __init__(self, table: Table, name: str):
        self.table, self._name = table, name

    def table_key(self, key: str) -> str:
        """See Chart."""
        return key

    def as_value(self, key: str) -> dict:
        """See Chart."""
        shown = {"id": self._name, "historyFieldSettings": {"x-axis": "_step", "key": key}}
        return {"kind": "viz", "key": key, "value": shown}


def plot_table(
    vega_spec_name: str,
    data_table: Table,
    fields: dict,
    string_fields: Optional[dict] = None,
    split_table: bool = False,
) -> CustomChart:
    """A chart of the user's own definition. Raises Error for what is no Table."""
    if not isinstance(data_table, Table):
        raise Error(f"Expected `data_table` to be `wandb.Table` type, instead got {type(data_table).__name__}")
    return CustomChart(data_table, vega_spec_name, fields, string_fields, split_table)


def visualize(id: str, value: Table) -> Visualize:
    """A table with the id of a definition. Raises Error for what is no Table."""
    if not isinstance(value, Table):
        raise Error(f"Expected `value` to be `wandb.Table` type, instead got {type(value).__name__}")
    return Visualize(value, id)


def line(
    table: Table, x: str, y: str, stroke: Optional[str] = None, title: str = "", split_table: bool = False
) -> CustomChart:
    """A line through the points of two columns."""
    return plot_table("wandb/line/v0", table, {"x": x, "y": y, "stroke": stroke}, {"title": title}, split_table)


def scatter(table: Table, x: str, y: str, title: str = "", split_table: bool = False) -> CustomChart:
    """The points of two columns."""
    return plot_table("wandb/scatter/v0", table, {"x": x, "y": y}, {"title": title}, split_table)


def bar(table: Table, label: str, value: str, title: str = "", split_table: bool = False) -> CustomChart:
    """A bar for each row."""
    return plot_table("wandb/bar/v0", table, {"label": label, "value": value}, {"title": title}, split_table)


def histogram(table: Table, value: str, title: str = "", split_table: bool = False) -> CustomChart:
    """How often a column has which values."""
    return plot_table("wandb/histogram/v0", table, {"value": value}, {"title": title}, split_table)


def line_series(
    xs: Any,
    ys: Any,
    keys: Optional[Iterable] = None,
    title: str = "",
    xname: str = "x",
    split_table: bool = False,
) -> CustomChart:
    """Lines: `xs` of all of them, or of each. Raises ValueError where their numbers differ."""
    if not isinstance(xs[0], Iterable) or isinstance(xs[0], (str, bytes)):
        xs = [xs] * len(ys)
    if len(xs) != len(ys):
        raise ValueError(f"Number of x-series ({len(xs)}) must match y-series ({len(ys)}).")
    names = [f"line_{number}" for number in range(len(ys))] if keys is None else list(keys)
    if len(names) != len(ys):
        raise ValueError(f"Number of keys ({len(names)}) must match y-series ({len(ys)}).")
    rows = [[x, name, y] for name, of_x, of_y in zip(names, xs, ys) for x, y in zip(of_x, of_y)]
    columns = ["step", "lineKey", "lineVal"]
    strings = {"title": title, "xname": xname}
    table = Table(columns=columns, data=rows)
    return plot_table("wandb/lineseries/v0", table, {name: name for name in columns}, strings, split_table)


def confusion_matrix(
    probs: Any = None,
    y_true: Any = None,
    preds: Any = None,
    class_names: Any = None,
    title: str = "Confusion Matrix Curve",
    split_table: bool = False,
) -> CustomChart:
    """How often which class was taken for which. Raises ValueError where the arguments do not fit together."""
    if probs is not None and preds is not None:
        raise ValueError("Only one of `probs` or `preds` should be provided, not both.")
    if probs is not None:
        preds = [max(range(len(row)), key=row.__getitem__) for row in map(list, probs)]
    if len(preds) != len(y_true):
        raise ValueError("The number of predictions and true labels must be equal.")
    preds, actual = list(preds), list(y_true)
    if class_names is None:
        classes = sorted(set(preds) | set(actual))
        class_names = [f"Class_{number + 1}" for number in range(len(classes))]
    else:
        classes = list(range(len(class_names)))
        if len(set(preds)) > len(class_names):
            raise ValueError("The number of unique predicted classes exceeds the number of class names.")
        if len(set(actual)) > len(class_names):
            raise ValueError("The number of unique true labels exceeds the number of class names.")
    place = {value: number for number, value in enumerate(classes)}
    counts = {(row, column): 0.0 for row in range(len(classes)) for column in range(len(classes))}
    for true, predicted in zip(actual, preds):
        counts[place[true], place[predicted]] += 1
    rows = [[class_names[row], class_names[column], count] for (row, column), count in counts.items()]
    columns = ["Actual", "Predicted", "nPredictions"]
    table = Table(columns=columns, data=rows)
    fields = {name: name for name in columns}
    return plot_table("wandb/confusion_matrix/v1", table, fields, {"title": title}, split_table)


def roc_curve(
    y_true: Any,
    y_probas: Any = None,
    labels: Any = None,
    classes_to_plot: Any = None,
    title: str = "ROC Curve",
    split_table: bool = False,
) -> Optional[CustomChart]:
    """True positives over false positives, a curve for each class; None where something is missing."""
    from . import curves

    if _is_missing(y_true=y_true, y_probas=y_probas):
        return None
    rows = curves.roc(y_true, y_probas, labels, classes_to_plot)
    axes = ("False positive rate", "True positive rate")
    return _curves(["class", "fpr", "tpr"], rows, "fpr", "tpr", title, axes, split_table)


def pr_curve(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Any = None,
    classes_to_plot: Any = None,
    interp_size: int = 21,
    title: str = "Precision-Recall Curve",
    split_table: bool = False,
) -> Optional[CustomChart]:
    """Precision over recall, a curve of so many points for each class; None where something is missing."""
    from . import curves

    if _is_missing(y_true=y_true, y_probas=y_probas):
        return None
    rows = curves.precision_recall(y_true, y_probas, labels, classes_to_plot, interp_size)
    axes = ("Recall", "Precision")
    return _curves(["class", "precision", "recall"], rows, "recall", "precision", title, axes, split_table)


def _is_missing(**given: Any) -> bool:
    missing = [name for name, value in given.items() if value is None]
    for name in missing:
        termerror(f"{name} is None. Please try again.")
    return bool(missing)


def _curves(columns: list, rows: list, x: str, y: str, title: str, axes: tuple, split_table: bool) -> CustomChart:
    most = Table.MAX_ROWS
    if len(rows) > most:
        say_once("warning", f"of a curve's {len(rows)} points {most} are drawn, evenly chosen")
        rows = [rows[number * len(rows) // most] for number in range(most)]
    strings = {"title": title, "x-axis-title": axes[0], "y-axis-title": axes[1]}
    fields = {"x": x, "y": y, "class": "class"}
    table = Table(columns=columns, data=rows)
    return plot_table("wandb/area-under-curve/v0", table, fields, strings, split_table)
