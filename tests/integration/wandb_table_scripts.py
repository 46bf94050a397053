"""Tables and charts, logged with W&B's client or with flarebridge.wandb, each under the name of its function.

usage: wandb_table_scripts.py sdk|ours FOLDER
"""

import datetime
import os
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np

TABLES: dict[str, Callable[[Any], Any]] = {}
CHARTS: dict[str, Callable[[Any], Any]] = {}
RAISES: dict[str, Callable[[Any], Any]] = {}  # a TypeError, ValueError or AssertionError


def _to(cases: dict) -> Callable:
    def take(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        cases[make.__name__] = make
        return make

    return take


@_to(TABLES)
def plain(wandb):
    rows = [[1, 2.5, "t", True, None], [2, float("nan"), None, False, None], [3, float("inf"), 'é\n"', None, None]]
    return wandb.Table(columns=["a", "b", "c", "d", "e"], data=rows)


@_to(TABLES)
def grown(wandb):
    table = wandb.Table(columns=["x", "y"])
    table.add_data(float("nan"), 1)
    table.add_data(None, 2.0)
    table.add_data(3.0, None)
    table.add_data(float("nan"), float("-inf"))
    return table


@_to(TABLES)
def dates(wandb):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    rows = [
        [datetime.datetime(2026, 1, 2, 3, 4, 5, 678901), datetime.date(2026, 1, 2), np.datetime64("2026-01-02T03:04")],
        [datetime.datetime(2026, 1, 2, tzinfo=zone), None, None],
        [datetime.datetime(1960, 1, 2), datetime.date(1969, 12, 31), np.datetime64("1960-01-02")],
    ]
    return wandb.Table(columns=["d", "e", "f"], data=rows)


@_to(TABLES)
def bytes_in_cells(wandb):
    return wandb.Table(columns=["b"], data=[[b"ab"], [b""]])


@_to(TABLES)
def lists(wandb):
    rows = [[[1, 2], (1, 2), [[1], [2]], []], [[1, 2, 3], (3, 4), [[1], [3, 4]], [1]]]
    return wandb.Table(columns=["l", "t", "n", "x"], data=rows)


@_to(TABLES)
def lists_with_gaps(wandb):
    return wandb.Table(columns=["a"], data=[[[None, 1]], [[2]], [[]]])


@_to(TABLES)
def dicts(wandb):
    rows = [[{"a": 1, "b": "x"}, {"q": {"r": 1}}], [{"a": 2, "b": "y"}, {"q": {"r": 3}}]]
    return wandb.Table(columns=["m", "n"], data=rows)


@_to(TABLES)
def a_dict_with_a_date(wandb):
    return wandb.Table(columns=["a"], data=[[{"x": float("nan"), "d": datetime.date(2026, 1, 2), "_cell": "time"}]])


@_to(TABLES)
def mixed(wandb):
    return wandb.Table(columns=["m"], data=[[1], ["a"], [None], [[1]], [True]], allow_mixed_types=True)


@_to(TABLES)
def numbers_of_numpy(wandb):
    rows = [[np.int64(3), np.float32(0.1), np.bool_(True), np.str_("s"), np.uint8(4), np.float64("nan")]]
    return wandb.Table(columns=["i", "f", "b", "s", "c", "n"], data=rows)


@_to(TABLES)
def arrays_in_cells(wandb):
    return wandb.Table(columns=["a"], data=[[np.arange(3)], [np.arange(3) * 2.0]])


@_to(TABLES)
def an_array(wandb):
    return wandb.Table(columns=["a", "b"], data=np.array([[1, 2], [3, 4]]))


@_to(TABLES)
def sets(wandb):
    return wandb.Table(columns=["a"], data=[[{1}]])


@_to(TABLES)
def empty(wandb):
    return wandb.Table(columns=["a"], data=[])


@_to(TABLES)
def without_a_word(wandb):
    return wandb.Table()


@_to(TABLES)
def columns_that_are_numbers(wandb):
    return wandb.Table(columns=[3, 1], data=[[1, 2]])


@_to(TABLES)
def columns_of_demanded_types(wandb):
    types, optional = [int, str, [int]], [True, False, True]
    return wandb.Table(columns=["a", "b", "c"], data=[[1, "x", [1]]], dtype=types, optional=optional)


@_to(TABLES)
def more_columns(wandb):
    table = wandb.Table(columns=["a"], rows=[[1], [2]])
    table.add_column("b", [3.0, 4.0])
    table.add_column("c", np.array([1, 2]))
    table.add_column("d", ["x", None], optional=True)
    table.add_computed_columns(lambda number, row: {"e": row["a"] * number})
    table.add_data(3, 5.0, 3, None, 1)
    assert table.get_column("a") == [1, 2, 3]
    assert list(table.get_column("b", convert_to="numpy")) == [3.0, 4.0, 5.0]
    assert [(int(number), row[0]) for number, row in table.iterrows()] == [(0, 1), (1, 2), (2, 3)]
    return table


@_to(TABLES)
def ten_thousand_rows_and_one(wandb):
    return wandb.Table(columns=["n", "half"], data=[[number, number / 2] for number in range(10001)])


@_to(TABLES)
def more_rows_than_an_event_has_room_for(wandb):
    rows = [[number / 3, number / 7, f"row {number}"] for number in range(50_000)]
    return wandb.Table(columns=["a", "b", "c"], data=rows)


@_to(TABLES)
def a_cell_that_is_large_by_itself(wandb):
    return wandb.Table(columns=["page"], data=[[wandb.Html("<p>" + "x" * 400_000, inject=False)]])


@_to(TABLES)
def a_table_that_may_change(wandb):
    return wandb.Table(columns=["a"], data=[[1]], log_mode="MUTABLE")


@_to(TABLES)
def pages_in_cells(wandb):
    rows = [[wandb.Html("<p>x</p>", inject=False), 1], [None, 2], [wandb.Html("<p>y</p>", inject=False), 3]]
    return wandb.Table(columns=["page", "n"], data=rows)


@_to(TABLES)
def twice_the_same_page(wandb):
    return wandb.Table(columns=["page"], data=[[wandb.Html("x", inject=False)], [wandb.Html("x", inject=False)]])


@_to(RAISES)
def a_text_among_numbers(wandb):
    wandb.Table(columns=["m"], data=[[1], ["a"]])


@_to(RAISES)
def a_bool_among_numbers(wandb):
    wandb.Table(columns=["m"], data=[[1], [True]])


@_to(RAISES)
def a_dict_with_another_key(wandb):
    wandb.Table(columns=["m"], data=[[{"a": 1}], [{"a": 2, "b": 3}]])


@_to(RAISES)
def arrays_of_several_lengths(wandb):
    wandb.Table(columns=["a"], data=[[np.zeros(2)], [np.zeros(3)]])


@_to(RAISES)
def a_gap_where_none_may_be(wandb):
    wandb.Table(columns=["a"], data=[[1], [None]], optional=False)


@_to(RAISES)
def nan_where_no_gap_may_be(wandb):
    wandb.Table(columns=["a"], data=[[1.0], [2.0], [float("nan")]], optional=False)


@_to(RAISES)
def a_row_of_another_length(wandb):
    wandb.Table(columns=["a"], data=[[1, 2]])


@_to(RAISES)
def a_column_of_another_length(wandb):
    wandb.Table(columns=["a"], data=[[1]]).add_column("b", [1, 2])


@_to(RAISES)
def columns_that_are_no_names(wandb):
    wandb.Table(columns=[1.5], data=[[1]])


@_to(RAISES)
def an_unknown_way_of_logging(wandb):
    wandb.Table(log_mode="SOMETIMES")


def _points(wandb):
    return wandb.Table(columns=["x", "y", "z"], data=[[1, 2.0, "a"], [2, 4.0, "b"]])


@_to(CHARTS)
def line(wandb):
    return wandb.plot.line(_points(wandb), "x", "y", stroke="z", title="T")


@_to(CHARTS)
def scatter(wandb):
    return wandb.plot.scatter(_points(wandb), "x", "y")


@_to(CHARTS)
def bar_in_a_section_of_its_own(wandb):
    return wandb.plot.bar(_points(wandb), "z", "y", title="B", split_table=True)


@_to(CHARTS)
def histogram(wandb):
    return wandb.plot.histogram(_points(wandb), value="y", title="H")


@_to(CHARTS)
def line_series(wandb):
    return wandb.plot.line_series([1, 2], [[3, 4], [5, 6.5]], keys=["q", "w"])


@_to(CHARTS)
def line_series_of_several_lengths(wandb):
    return wandb.plot.line_series(xs=[[1, 2], [1, 2, 3]], ys=[[3, 4], [5, 6, 7]], title="t", xname="e")


@_to(CHARTS)
def confusion_matrix(wandb):
    return wandb.plot.confusion_matrix(y_true=[0, 1, 2, 1], preds=[0, 2, 2, 1])


@_to(CHARTS)
def confusion_matrix_of_probabilities(wandb):
    probs = [[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]
    return wandb.plot.confusion_matrix(probs=probs, y_true=[1, 0, 1], class_names=["n", "p"], title="M")


@_to(CHARTS)
def a_chart_of_ones_own(wandb):
    fields, strings = {"x": "x", "value": "y"}, {"title": "own", "more": "é"}
    return wandb.plot_table("me/own/v3", _points(wandb), fields, strings, split_table=True)


@_to(CHARTS)
def visualized(wandb):
    return wandb.visualize("me/own/v4", _points(wandb))


@_to(CHARTS)
def nested(wandb):
    return {"chart": wandb.plot.line(_points(wandb), "x", "y"), "loss": 1}


def play(wandb: Any) -> None:
    wandb.init(project="tables", id="played")
    for name, make in {**TABLES, **CHARTS}.items():
        wandb.log({name: make(wandb)})
    wandb.log({"in/side": wandb.Table(columns=["a"], data=[[1]]), "sp ace.é": wandb.Table(columns=["a"], data=[[2]])})
    wandb.log({"around": {"table": wandb.Table(columns=["a"], data=[[3]])}})
    wandb.run.summary["best"] = wandb.Table(columns=["a"], data=[[4]])
    for name, make in RAISES.items():
        try:
            make(wandb)
        except (AssertionError, TypeError, ValueError) as e:
            wandb.log({f"raised {name}": type(e).__name__})
    wandb.finish()


if __name__ == "__main__":
    if sys.argv[1] == "sdk":
        import wandb as played
    else:
        import flarebridge.wandb as played
    os.chdir(Path(sys.argv[2]))
    play(played)
