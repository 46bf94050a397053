"""Tables of data frames and arrays, and charts that need what W&B's client needs pandas and scikit-learn for."""

import datetime

import msgpack
import numpy as np
import pytest
from flarebridge.wandb import curves, plot
from flarebridge.wandb.errors import Error
from flarebridge.wandb.media import media_of
from flarebridge.wandb.table import Table


class _Column:
    def __init__(self, values):
        self.values = values


class DataFrame(dict):
    """As pandas' one, as far as a table asks."""

    __module__ = "pandas.core.frame"

    @property
    def columns(self):
        return self.keys()


def _frame() -> DataFrame:
    moments = np.array(["2026-01-02T03:04:05.123456789", "NaT"], "datetime64[ns]")
    columns = {"n": np.array([1, 2]), "x": np.array([0.5, np.nan]), "t": np.array(["a", None], object), "d": moments}
    return DataFrame({name: _Column(values) for name, values in columns.items()})


def _rows(table: Table) -> list:
    unpacker = msgpack.Unpacker()
    unpacker.feed(table.as_value()["data"])
    return list(unpacker)


@pytest.mark.parametrize("make", [lambda: Table(dataframe=_frame()), lambda: Table(data=_frame(), columns=["ignored"])])
def test_a_data_frame_is_a_table(make):
    table = make()
    assert table.columns == ["n", "x", "t", "d"]
    time = {"_cell": "time", "text": "2026-01-02T03:04:05.123456", "ms": 1767323045123}
    assert repr(_rows(table)) == repr([[1, 0.5, "a", time], [2, float("nan"), None, None]])
    none = ["none"]
    assert table.as_value()["types"] == [
        ["union", none, ["number"]], ["union", none, ["number"]], ["union", none, ["string"]],
        ["union", none, ["timestamp"]],
    ]  # fmt: skip


@pytest.mark.parametrize("home", ["pandas.core.frame", "pandas"])  # of pandas 2 and 3
def test_a_data_frame_is_logged_as_it_is(home, monkeypatch):
    monkeypatch.setattr(DataFrame, "__module__", home)
    value = media_of(_frame(), lambda key, why: pytest.fail(why), "key")
    assert (value["_type"], value["nrows"]) == ("table-file", 2)


def test_an_array_of_more_dimensions_is_lists_in_its_type_too():
    table = Table(columns=["a"], data=[[np.zeros((2, 1))], [None]])
    assert _rows(table) == [[[[0.0], [0.0]]], [None]]
    assert table.as_value()["types"] == [["union", ["none"], ["list", ["list", ["number"], 1], 2]]]


@pytest.mark.parametrize(
    ("mode", "told"), [("IMMUTABLE", "IMMUTABLE"), ("MUTABLE", "MUTABLE"), ("INCREMENTAL", "MUTABLE")]
)
def test_each_version_of_a_table_is_whole(mode, told):
    table = Table(columns=["a"], data=[[1]], log_mode=mode)
    assert (_rows(table), table.as_value()["log_mode"]) == ([[1]], told)
    table.add_data(2)
    assert (_rows(table), table.as_value()["log_mode"]) == ([[1], [2]], told)


def test_a_table_of_many_rows_is_as_one_of_few():
    for count in (0, 15, 16, 65535, 65536):
        assert _rows(Table(columns=["a"], data=[[1]] * count)) == [[1]] * count


def test_a_table_that_was_changed_by_hand_is_what_it_was_made():
    table = Table(columns=["a"], data=[[1]])
    table.data.append([{1: datetime.date(2026, 1, 2)}])
    (one, other) = _rows(table)
    assert (one, other[0]["1"]["text"]) == ([1], "2026-01-02")


def test_a_cell_that_can_not_be_told_is_told_of():
    class Odd:
        shape, dtype = property(lambda self: 1 // 0), "?"

    told = []
    table = Table(columns=["a"], data=[[Odd()]])
    table.data.append(3)
    assert media_of(table, lambda key, why: told.append((key, why)), "key") == {}
    assert told[0][0] == "key" and "it is not logged" in told[0][1]


def test_only_a_table_is_charted():
    for make in (lambda: plot.line([1], "x", "y"), lambda: plot.visualize("id", None)):
        with pytest.raises(Error):
            make()
    assert plot.roc_curve([1, 0]) is None
    assert plot.pr_curve(y_probas=[[1, 0]]) is None
    for ys, keys in (([[1], [2]], ["only one"]), ([[1]], [])):
        with pytest.raises(ValueError, match="Number of keys"):
            plot.line_series([1], ys, keys)
    with pytest.raises(ValueError, match="not both"):
        plot.confusion_matrix(probs=[[1.0]], preds=[0], y_true=[0])


def _classified(classes: int, rows: int, digits: int) -> tuple:
    rng = np.random.default_rng(classes)
    scores = np.round(rng.random((rows, classes)), digits)  # many are equal
    return rng.integers(0, classes, rows), scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("classes", "rows", "digits"), [(2, 40, 1), (3, 200, 2), (5, 300, 9), (2, 3, 2)])
def test_curves_are_those_of_scikit_learn(classes, rows, digits):
    metrics = pytest.importorskip("sklearn.metrics")
    actual, scores = _classified(classes, rows, digits)
    labels = [f"class {number}" for number in range(classes)]
    roc, recalls = [], []
    for number in np.unique(actual):
        false, true, _ = metrics.roc_curve(actual, scores[:, number], pos_label=number)
        roc += [[labels[number], *point] for point in zip(np.round(false, 3), np.round(true, 3))]
        precision, recall, _ = metrics.precision_recall_curve(actual, scores[:, number], pos_label=number)
        best = np.maximum.accumulate(precision)[::-1]
        wanted = np.linspace(0, 1, 21)[::-1]
        points = zip(np.round(best[np.searchsorted(recall[::-1], wanted)], 3), np.round(wanted, 3))
        recalls += [[labels[number], *point] for point in points]
    assert curves.roc(actual, scores, labels, None) == roc
    assert curves.precision_recall(actual, scores, labels, None, 21) == recalls


def test_of_classes_those_that_are_asked_for_are_drawn():
    actual, scores = _classified(3, 50, 2)
    assert {row[0] for row in curves.roc(actual, scores, None, [0, 2])} == {0, 2}
    names = np.array(["a", "b", "c"])[actual]
    assert {row[0] for row in curves.precision_recall(names, scores, None, ["b"], 5)} == {"b"}


def test_of_a_curve_of_many_points_as_many_are_drawn_as_a_table_shows():
    rng = np.random.default_rng(1)
    actual, scores = rng.integers(0, 2, 60000), rng.random((60000, 2))
    chart = plot.roc_curve(actual, scores)
    assert len(chart.table.data) == Table.MAX_ROWS
    assert {row[0] for row in chart.table.data} == {0, 1}
