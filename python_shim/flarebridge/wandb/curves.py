"""The points of a classifier's curves, as scikit-learn counts them. Pure; needs numpy, as whoever has probabilities."""

from collections.abc import Iterator
from typing import Any

import numpy as np

_DIGITS = 3  # that W&B's client keeps


def roc(y_true: Any, y_probas: Any, labels: Any, classes_to_plot: Any) -> list:
    """Rows of class, false positive rate, true positive rate."""
    rows = []
    for label, is_class, scores in _classes(y_true, y_probas, labels, classes_to_plot):
        false, true = _counts(is_class, scores)
        if len(false) > 2:  # points on a straight line between others tell nothing
            bends = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
            kept = np.concatenate(([True], bends, [True]))
            false, true = false[kept], true[kept]
        false, true = np.concatenate(([0], false)), np.concatenate(([0], true))
        rows += _rows(label, _share(false), _share(true))
    return rows


def precision_recall(y_true: Any, y_probas: Any, labels: Any, classes_to_plot: Any, points: int) -> list:
    """Rows of class, precision, recall: of recalls from 1 to 0, in equal steps."""
    wanted = np.linspace(0, 1, points)[::-1]
    rows = []
    for label, is_class, scores in _classes(y_true, y_probas, labels, classes_to_plot):
        false, true = _counts(is_class, scores)
        precision = np.concatenate(((true / (true + false))[::-1], [1.0]))
        recall = np.concatenate(((true / true[-1] if true[-1] else np.ones(len(true)))[::-1], [0.0]))
        best = np.maximum.accumulate(precision)[::-1]
        rows += _rows(label, best[np.searchsorted(recall[::-1], wanted, side="left")], wanted)
    return rows


def _classes(y_true: Any, y_probas: Any, labels: Any, classes_to_plot: Any) -> Iterator[tuple]:
    """Each class's label, where it is the true one, and its probabilities."""
    actual, probabilities = np.asarray(y_true), np.asarray(y_probas)
    classes = np.unique(actual)
    wanted = classes if classes_to_plot is None else classes_to_plot
    for number in np.where(np.isin(classes, wanted))[0]:
        one = classes[number]
        is_number = isinstance(classes[0], np.integer)
        label = labels[one] if labels is not None and is_number else one.item()
        yield label, actual == one, probabilities[..., number]


def _counts(is_class: Any, scores: Any) -> tuple:
    """False and true positives from each threshold on, the highest first."""
    order = np.argsort(scores, kind="mergesort")[::-1]
    is_class, scores = is_class[order], scores[order]
    ends = np.concatenate((np.where(np.diff(scores))[0], [len(is_class) - 1]))
    true = np.cumsum(is_class, dtype=float)[ends]
    return 1 + ends - true, true


def _share(counts: Any) -> Any:
    return counts / counts[-1] if counts[-1] > 0 else np.full(len(counts), np.nan)


def _rows(label: Any, *columns: Any) -> list:
    return [[label, *point] for point in zip(*(np.round(column, _DIGITS).tolist() for column in columns))]
