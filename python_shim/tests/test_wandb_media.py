"""What media objects become of whatever a script hands in."""

import io
import json
import sys
import wave

import flarebridge.wandb as wandb
import numpy as np
import pytest
from flarebridge.wandb.image import Image
from flarebridge.wandb.media import NotLogged, Room, media_of
from flarebridge.wandb.pixels import Pixels


def _told(value, most_raw: int = 1 << 20) -> tuple:
    """The map, and why there is none."""
    said = []
    return media_of(value, lambda key, why: said.append(why), "key", Room(most_raw)), said


def _pixels(value) -> np.ndarray:
    found = Image(value).as_value()["pixels"] if not isinstance(value, Image) else value.as_value()["pixels"]
    return np.frombuffer(found["data"], np.uint8).reshape(found["height"], found["width"], found["channels"])


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 2), (4, 6, 3), (4, 6, 4), (1, 4, 6, 3)])
def test_pixels_of_bytes_are_kept_as_they_are(shape):
    given = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert _pixels(given).tobytes() == given.tobytes()


def test_channels_may_come_first_where_nothing_else_makes_sense():
    given = np.arange(3 * 8 * 9, dtype=np.uint8).reshape(3, 8, 9)
    assert np.array_equal(_pixels(given), given.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([[0.0, 0.5, 1.0]], [0, 127, 255]),  # not black, as with W&B's client
        ([[0.0, 128.0, 300.0]], [0, 128, 255]),
        ([[-1.0, 0.0, 1.0]], [0, 0, 255]),
        ([[np.nan, np.inf, 0.5]], [0, 255, 0]),
        (np.array([[0, 256, -3]]), [0, 255, 0]),  # cut, not wrapped
        (np.array([[True, False, True]]), [255, 0, 255]),
    ],
)
def test_other_numbers_are_shown_as_they_are_meant(given, shown):
    assert _pixels(np.array(given)).ravel().tolist() == shown


def test_scaling_can_be_switched_off():
    assert _pixels(Image(np.array([[0.0, 1.0]]), normalize=False)).ravel().tolist() == [0, 1]


def test_an_image_is_what_it_was_when_it_was_made():
    given = np.zeros((2, 2), np.uint8)
    image = Image(given)
    given[:] = 9
    assert _pixels(image).max() == 0


def test_a_tensor_has_its_channels_first():
    torch = pytest.importorskip("torch")
    given = torch.arange(3 * 4 * 5, dtype=torch.uint8).reshape(3, 4, 5).requires_grad_(False)
    assert np.array_equal(_pixels(given), given.numpy().transpose(1, 2, 0))
    assert _pixels(torch.full((2, 3), 0.5, requires_grad=True)).ravel().tolist() == [127] * 6
    assert _pixels(torch.ones(1, 2, 3, dtype=torch.bfloat16)).shape == (2, 3, 1)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "P", "I", "F", "CMYK", "YCbCr"])
def test_an_image_of_pils_keeps_its_pixels(mode):
    pil = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(1)
    given = pil.fromarray(rng.integers(0, 255, (5, 7, 3), np.uint8)).convert(mode)
    channels = {"L": 1, "1": 1, "I": 1, "F": 1, "LA": 2, "RGBA": 4}.get(mode, 3)
    assert _pixels(given).shape == (5, 7, channels)
    if mode in ("L", "LA", "RGB", "RGBA"):
        assert _pixels(given).tobytes() == given.tobytes()
    assert _pixels(Image(given, mode="L")).shape == (5, 7, 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("with_numpy", [True, False])
def test_a_png_of_ours_holds_the_same_pixels(channels, with_numpy, monkeypatch):
    pil = pytest.importorskip("PIL.Image")
    data = np.random.default_rng(channels).integers(0, 255, (9, 11, channels), np.uint8).tobytes()
    if not with_numpy:
        monkeypatch.delitem(sys.modules, "numpy")
    png = Pixels(9, 11, channels, data).as_png()
    assert pil.open(io.BytesIO(png)).tobytes() == data


def test_what_is_too_large_as_pixels_is_logged_as_a_png_if_that_fits():
    value, said = _told(Image(np.zeros((1000, 1000, 3), np.uint8)))
    assert value["data"].startswith(b"\x89PNG") and "pixels" not in value and not said
    value, said = _told(Image(np.random.default_rng(1).integers(0, 255, (1000, 1000, 3), np.uint8)))
    assert value == {} and "larger than 1 MiB" in said[0]


def test_a_figure_is_drawn_as_it_would_be_saved():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(3, 2), dpi=100)
    axes.plot([1, 2, 3])
    expected = io.BytesIO()
    figure.savefig(expected, format="rgba", dpi=100)
    saved = np.frombuffer(expected.getvalue(), np.uint8).reshape(200, 300, 4)
    for given in (figure, axes, pyplot):
        assert _pixels(Image(given)).shape == (200, 300, 3)
        assert np.array_equal(_pixels(Image(given)), saved[:, :, :3])
    assert _told(figure)[0]["pixels"]["width"] == 300  # bare
    clear, _ = pyplot.subplots(figsize=(3, 2), dpi=100, facecolor="none")
    assert _pixels(Image(clear)).shape == (200, 300, 4)
    large, _ = pyplot.subplots(figsize=(12, 9), dpi=100)
    value, said = _told(Image(large))
    assert value["data"].startswith(b"\x89PNG") and not said
    with matplotlib.rc_context({"savefig.bbox": "tight"}):
        assert Image(figure).as_value()["data"].startswith(b"\x89PNG")
    pyplot.close("all")


def test_files_are_taken_as_they_are(tmp_path):
    png = Pixels(1, 1, 1, b"\1").as_png()
    for name, content in (("a.png", png), ("b.jpg", b"\xff\xd8\xff1"), ("c.png", b"\xff\xd8\xff1")):
        (tmp_path / name).write_bytes(content)
        assert Image(tmp_path / name, caption="c").as_value() == {
            "_type": "image-file",
            "data": content,
            "caption": "c",
            **({"ext": ".jpg"} if name.endswith("jpg") else {}),
        }
    assert Image(png).as_value()["data"] == png
    (tmp_path / "d.png").write_bytes(b"GIF89a")
    assert "PNG and JPEG" in _told(Image(str(tmp_path / "d.png")))[1][0]
    assert "needed" in _told(Image(b"GIF89a"))[1][0] or "PIL can read" in _told(Image(b"GIF89a"))[1][0]
    assert "FileNotFoundError" in _told(Image("missing.png"))[1][0]


def test_masks_and_boxes_go_with_their_image():
    value = Image(
        np.zeros((2, 2), np.uint8),
        grouping=3,
        classes=[{"id": 1, "name": "cat"}],
        masks={
            "truth": {"mask_data": np.array([[0, 1], [2, 3]]), "class_labels": {1: "dog"}},
            "other": {"mask_data": np.eye(2)},
        },
        boxes={"b": {"box_data": [{"position": {"minX": np.float32(0.5)}, "class_id": np.int64(1)}]}},
    ).as_value()  # fmt: skip
    assert value["grouping"] == 3
    assert value["masks"] == {
        "truth": {"height": 2, "width": 2, "data": b"\0\1\2\3", "class_labels": {"1": "dog"}},
        "other": {"height": 2, "width": 2, "data": b"\1\0\0\1", "class_labels": {"1": "cat"}},
    }
    assert value["boxes"] == {
        "b": {"box_data": [{"position": {"minX": 0.5}, "class_id": 1}], "class_labels": {"1": "cat"}}
    }


def test_lists_of_one_kind_are_lists_and_have_a_bound():
    one = Image(np.zeros((1, 1), np.uint8))
    value, said = _told([one] * 110)
    assert (value["_type"], len(value["items"])) == ("list", 108) and "108" in said[0]
    assert _told([one, wandb.Html("x")])[0] == {}
    assert _told([one, 1])[0] is None and _told([])[0] is None


@pytest.mark.parametrize(
    ("page", "logged"),
    [
        ("<html><head></head></html>", "<html><head>{base}</head></html>"),
        ("<html>x</html>", "<html><head>{base}</head>x</html>"),
        ("<p>x</p>", "{base}<p>x</p>"),
    ],
)
def test_pages_open_their_links_beside_wandbs_own(page, logged, tmp_path):
    base = '<base target="_blank"><link rel="stylesheet" type="text/css" href="https://app.wandb.ai/normalize.css" />'
    assert wandb.Html(page).as_value()["data"].decode() == logged.format(base=base)
    assert wandb.Html(page, inject=False).as_value()["data"].decode() == page
    (tmp_path / "a.html").write_text(page)
    assert wandb.Html(str(tmp_path / "a.html")).as_value() == wandb.Html(io.StringIO(page)).as_value()


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0.0, 1.0, -1.0, 2.0]), [0, 32767, -32768, 32767]),
        (np.array([1, -2, 40000]), [1, -2, 32767]),
        (np.array([1 << 16, -(1 << 17)], np.int32), [1, -2]),
        ([0.5, -0.25], [16384, -8192]),
    ],
)
def test_samples_become_pcm(samples, expected):
    value = wandb.Audio(samples, sample_rate=8000, caption="c").as_value()
    assert np.frombuffer(value["pcm16"], "<i2").tolist() == expected
    assert (value["rate"], value["channels"], value["caption"]) == (8000, 1, "c")
    assert wandb.Audio(np.zeros((3, 2)), sample_rate=1).as_value()["channels"] == 2


def test_other_files_are_taken_with_their_endings(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    for made, ending in (
        (wandb.Audio(str(tmp_path / "a.wav")), ".wav"),
        (wandb.Video(io.BytesIO(b"v"), format="mp4"), ".mp4"),
        (wandb.Molecule(io.StringIO("m"), file_type="pdb"), ".pdb"),
        (wandb.Object3D(io.StringIO("o"), file_type="obj"), ".obj"),
    ):
        assert made.as_value()["ext"] == ending


def test_points_and_scenes_are_json():
    points = np.array([[0.0, 1.0, 2.0]])
    assert json.loads(wandb.Object3D(points).as_value()["data"]) == [[0.0, 1.0, 2.0]]
    scene = wandb.Object3D.from_point_cloud(points=points, boxes=[{"label": "b"}]).as_value()
    expected = {"type": "lidar/beta", "points": [[0.0, 1.0, 2.0]], "boxes": [{"label": "b"}], "vectors": []}
    assert json.loads(scene["data"]) == expected and scene["ext"] == ".pts.json"


def test_a_figure_of_plotlys_is_its_json():
    class Figure:
        __module__ = "plotly.graph_objs._figure"

        def to_plotly_json(self):
            return {"data": [{"y": np.arange(3)}], "layout": {}}

    for given in (Figure(), wandb.Plotly(Figure())):
        value, _ = _told(given)
        assert value["_type"] == "plotly-file"
        assert json.loads(value["data"]) == {"data": [{"y": [0, 1, 2]}], "layout": {}}


def test_a_media_object_says_only_when_it_is_logged_that_it_can_not_be():
    image = Image(object())
    with pytest.raises(NotLogged, match="takes an array"):
        image.as_value()


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64", "int8", "uint16", "uint8", "bool"])
@pytest.mark.parametrize("span", [(0, 1), (-0.5, 1), (0, 255), (-300, 300)])
def test_pixels_are_the_same_in_whatever_order_and_kind_they_lie_in_memory(kind, span):
    random = np.random.default_rng(3)
    for shape, strange in (((300, 200, 3), None), ((70, 1000, 4), None), ((5, 40, 1), None), ((40, 30, 3), np.nan)):
        array = random.uniform(*span, shape)
        if strange is not None and kind.startswith("float"):
            array[1, 2] = (np.nan, np.inf, -np.inf)[: shape[2]]
        array = array.astype(kind)
        with np.errstate(over="ignore"):
            expected = np.nan_to_num(array)
            if kind.startswith("float") and expected.max() <= 1:
                expected = expected * 255
            if kind == "bool":
                expected = expected.astype(np.uint8) * 255
            expected = np.clip(expected, 0, 255).astype(np.uint8)
            first = np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0)
            for laid in (array, first, np.asfortranarray(array), np.flip(np.flip(array, 0), 0)):
                assert _pixels(Image(laid)).reshape(shape).tobytes() == expected.tobytes()
            if strange is None:
                assert _pixels(Image(array[::2, 1::2])).tobytes() == expected[::2, 1::2].tobytes()
