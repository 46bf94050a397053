"""Whatever a script hands to flarebridge.wandb, its training goes on, and what is not in the run as it was is told."""

import textwrap

from own_script import log_below, play
from run_log import config, exit_code, rows

_ODD = """
import math, threading, datetime, io
import numpy as np

class Refuses:
    def __str__(self): raise RuntimeError("no text")
    __repr__ = __str__

class Lies:
    shape, dtype = (2,), "float"
    def __getattr__(self, name): raise ValueError(name)

cycle = {}
cycle["me"] = cycle
deep = []
for _ in range(50):
    deep = [deep]
odd = [
    object(), Refuses(), Lies(), cycle, deep, range(3), {1: 2}, {(1, 2): 3}, {None: None}, lambda: 1, type, math,
    1 + 2j, 10**400, -10**30, float("nan"), np.array([np.nan] * 100), np.array(["a", "b"]), np.array([object()]),
    np.zeros((0, 3)), np.full(1000, np.inf), np.datetime64("2026-01-01"), "x" * (2 << 20), b"\\xff\\xfe", "\\ud800",
    [0] * 100000, iter([1]), threading.Lock(), io.BytesIO(b"x"), slice(1, 2), {"a": {"": 1}},
    ..., NotImplemented, memoryview(b"abc"),
]
"""


def test_no_value_ends_a_training_and_what_became_a_text_is_told_and_counted(tmp_path):
    out, err = play(
        tmp_path,
        f"{_ODD}\n"
        + textwrap.dedent(
            """
            wandb.init()
            for number, value in enumerate(odd):
                for _ in range(2):
                    wandb.log({"odd": value, f"odd {number}": value, "number": number})
                wandb.log({"d": {"e": value}}, commit=False)
            for row in (None, 1, "text", [1], {1: 2, None: 3}, Refuses()):
                wandb.log(row)
            for step in (-1, 1.5, "x", None, float("nan"), 10**30, Refuses(), np.int64(10**6)):
                wandb.log({"step": str(type(step))}, step=step)
            wandb.config.update({"odd": object(), "nan": math.nan}, allow_val_change=True)
            wandb.summary["odd"] = Lies()
            wandb.finish()
            print(len(odd))
            """
        ),
    )
    log = log_below(tmp_path)
    assert exit_code(log) == 0
    found = rows(log)
    assert sum("number" in row for row in found) == 2 * int(out)
    assert "odd 0: object became a text" in err
    assert "values are not in the run as they were" in err


def test_arrays_of_jax_are_taken_by_what_they_can_do(tmp_path):
    _out, err = play(
        tmp_path,
        """
        import numpy as np

        class ArrayImpl:
            def __init__(self, value):
                self.held = np.asarray(value)
                self.dtype, self.shape = self.held.dtype, self.held.shape
            def __array__(self, dtype=None, copy=None):
                return np.asarray(self.held, dtype)
            def item(self):
                return self.held.item()

        ArrayImpl.__module__ = "jaxlib._jax"
        wandb.init(config={"array": ArrayImpl([1, 2])})
        wandb.log({"zero_d": ArrayImpl(1.5), "one": ArrayImpl([2]), "few": ArrayImpl([1, 2]), "d": {"x": ArrayImpl(3)}})
        wandb.log({"many": ArrayImpl(np.arange(100.0))})
        wandb.finish()
        """,
        WANDB_CONSOLE="off",
    )
    log = log_below(tmp_path)
    first, second = rows(log)
    assert (first["zero_d"], first["one"], first["few"], first["d.x"]) == (1.5, 2, [1, 2], 3)
    assert sum(second["many.values"]) == 100
    assert config(log) == {"array": [1, 2]}
    assert "became a text" not in err


_MEDIA = [
    "wandb.Image('missing.png')",
    "wandb.Image(None)",
    "wandb.Image(3)",
    "wandb.Image(np.zeros(5))",
    "wandb.Image(b'no image')",
    "wandb.Image(np.zeros((0, 4)))",
    "wandb.Image(np.zeros((2, 2, 7)))",
    "wandb.Image(np.zeros((2, 2)), masks={'m': 3})",
    "wandb.Image(np.zeros((2, 2)), boxes={'b': 3})",
    "wandb.Image(Fails())",
    "wandb.Html(3)",
    "wandb.Html(closed)",
    "wandb.Audio('no.wav')",
    "wandb.Audio([1, 2])",
    "wandb.Video(np.zeros((2, 3, 4, 5)))",
    "wandb.Video('x.avi')",
    "wandb.Object3D(np.zeros((2, 9)))",
    "wandb.Object3D({})",
    "wandb.Molecule('x')",
    "wandb.Plotly(3)",
    "[wandb.Image(None)]",
    "[wandb.Image(np.zeros((2, 2))), wandb.Image('no')]",
]


def test_no_media_object_ends_a_training_and_what_can_not_be_logged_is_told(tmp_path):
    tries = "\n".join(
        f"wandb.log({{'media {number}': {made}, 'number': {number}}})" for number, made in enumerate(_MEDIA)
    )
    _out, err = play(
        tmp_path,
        "import io\nimport numpy as np\nclosed = io.StringIO('x'); closed.close()\n"
        "class Fails:\n    __module__ = 'matplotlib.figure'\n    def savefig(self, *a, **k): raise RuntimeError('no')\n"
        f"    def get_dpi(self): return 100\n\nwandb.init()\n{tries}\nwandb.finish()\n",
    )
    log = log_below(tmp_path)
    assert [row["number"] for row in rows(log)] == list(range(len(_MEDIA)))
    for number, made in enumerate(_MEDIA):
        assert f"media {number}: " in err, made
