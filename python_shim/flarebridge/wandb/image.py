"""Image: pixels of whatever a script has, or an image's file, with caption, masks and boxes."""

import io
import os
import sys
from typing import Any, Optional, Union

from ..large import Large
from .media import Media, NotLogged, content_of, members
from .pixels import Pixels, of_array
from .terminal import say_once
from .values import as_array, row_value

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# matplotlib's settings under which savefig() draws the figure as it is.
_PLAIN_SAVING = (
    ("dpi", "figure"), ("bbox", None), ("facecolor", "auto"), ("edgecolor", "auto"), ("transparent", False),
)  # fmt: skip
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}  # PIL's modes that are pixels as they are


class Image(Media):
    """W&B's Image: of an array, a tensor (channels first), PIL, a matplotlib figure, a path, or a file's bytes.

    Floats of 0 to 1 are shown as such; `normalize=False` takes them for 0 to 255.
    """

    _type = "image-file"

    def _make(
        self,
        data_or_path: Any,
        mode: Optional[str] = None,
        caption: Optional[str] = None,
        grouping: Optional[int] = None,
        classes: Any = None,
        boxes: Optional[dict] = None,
        masks: Optional[dict] = None,
        file_type: Optional[str] = None,
        normalize: bool = True,
    ) -> dict:
        self._pixels: Optional[Pixels] = None
        if isinstance(data_or_path, Image):
            self._pixels, value = data_or_path._pixels, dict(data_or_path.as_value())
        else:
            value = self._of(data_or_path, mode, normalize)
        value.update(members(caption=caption))
        if grouping is not None:
            value["grouping"] = int(grouping)
        labels = _labels(classes)
        if masks:
            value["masks"] = {str(layer): _mask(mask, labels) for layer, mask in masks.items()}
        if boxes:
            value["boxes"] = {str(layer): _boxes(box, labels) for layer, box in boxes.items()}
        return value

    def as_small_value(self) -> dict:
        """Pixels as a PNG file."""
        value = self.as_value()
        if self._pixels is None:
            return value
        kept = {key: item for key, item in value.items() if key != "pixels"}
        return {**kept, "data": self._pixels.as_png()}

    def _of(self, data: Any, mode: Optional[str], normalize: bool) -> dict:
        if isinstance(data, (str, os.PathLike)):
            return self._of_file(*content_of(data))
        if isinstance(data, (bytes, bytearray, memoryview)):
            return self._of_file(bytes(data))
        figure = _figure_of(data)
        if figure is not None:
            return self._of_figure(figure)
        if hasattr(data, "tobytes") and hasattr(data, "convert") and hasattr(data, "mode"):  # PIL's
            return self._of_pil(data, mode)
        array = as_array(data)
        if array is None:
            raise NotLogged(f"Image takes an array, a figure, a path or bytes, not {type(data).__name__}")
        pixels = of_array(array, hasattr(data, "detach"), normalize)  # torch has its channels first
        return self._take(_in_mode(pixels, mode))

    def _of_file(self, content: Union[bytes, Large], ending: str = "") -> dict:
        """PNG and JPEG files stay as they are; what else PIL can read becomes pixels."""
        head = content.head(len(_PNG)) if isinstance(content, Large) else content
        if not head.startswith((_PNG, _JPEG)):
            return self._of_pil(_opened(content.path if isinstance(content, Large) else io.BytesIO(content)), None)
        # What is in a file says what it is, not its name; of a JPEG file's endings the script's own is kept.
        return {"data": content, **({"ext": ".jpg"} if ending == ".jpg" else {})}

    def _of_pil(self, image: Any, mode: Optional[str]) -> dict:
        if mode is not None and mode != image.mode:
            image = image.convert(mode)
        if image.mode not in _CHANNELS:
            alpha = image.mode in ("PA", "La", "RGBa") or "transparency" in getattr(image, "info", {})
            image = image.convert("L" if image.mode in ("1", "I", "F", "I;16") else "RGBA" if alpha else "RGB")
        width, height = image.size
        return self._take(Pixels(height, width, _CHANNELS[image.mode], image.tobytes()))

    def _of_figure(self, figure: Any) -> dict:
        """As figure.savefig() gives it."""
        pixels = _drawn(figure)
        if pixels is not None:
            return self._take(pixels)
        file = io.BytesIO()
        figure.savefig(file, format="png")
        return {"data": file.getvalue()}

    def _take(self, pixels: Pixels) -> dict:
        self._pixels = pixels
        return {"pixels": pixels.as_value()}


def _opened(file: Any) -> Any:
    """PIL's image of a path or an open file. Raises NotLogged."""
    try:
        from PIL import Image as pil  # the user's, who has such files
    except ImportError:
        raise NotLogged("Image takes PNG and JPEG files; for others the package pillow is needed") from None
    try:
        return pil.open(file)
    except OSError as e:
        raise NotLogged(f"Image takes PNG and JPEG files, and what PIL can read; this is none ({e})") from None


def _figure_of(data: Any) -> Any:
    """The figure of a matplotlib object, of pyplot itself too; None for all else."""
    home = type(data).__module__
    if getattr(data, "__name__", "") == "matplotlib.pyplot":
        return data.gcf()
    if not home.startswith(("matplotlib.", "mpl_toolkits.", "seaborn.")):
        return None
    if hasattr(data, "savefig") and hasattr(data, "get_dpi"):
        return data
    return getattr(data, "figure", None)


def _drawn(figure: Any) -> Optional[Pixels]:
    """The pixels that savefig() would put into a PNG file, without the file; None where it does more than draw.

    An alpha channel is left out where nothing shines through.
    """
    settings, canvas = sys.modules["matplotlib"].rcParams, figure.canvas
    plain = all(settings[f"savefig.{name}"] == value for name, value in _PLAIN_SAVING)
    if not plain or type(canvas).__name__ != "FigureCanvasAgg" or not hasattr(canvas, "_is_saving"):
        return None
    if getattr(canvas, "device_pixel_ratio", 1) != 1 or figure.get_layout_engine() is not None:
        return None
    canvas._is_saving = True  # artists that are animated are drawn then
    try:
        canvas.draw()
    finally:
        canvas._is_saving = False
    array = sys.modules["numpy"].asarray(canvas.buffer_rgba())
    height, width, channels = array.shape
    if array[:, :, 3].min() == 255:
        array, channels = array[:, :, :3], 3
    return Pixels(height, width, channels, array.tobytes())


def _in_mode(pixels: Pixels, mode: Optional[str]) -> Pixels:
    if mode is None or _CHANNELS.get(mode) == pixels.channels:
        return pixels
    pil = sys.modules.get("PIL.Image")
    if pil is None:
        say_once("warning", f"Image(mode={mode!r}) of an array needs PIL; its {pixels.channels} channels are kept")
        return pixels
    own = next(name for name, channels in _CHANNELS.items() if channels == pixels.channels)
    image = pil.frombytes(own, (pixels.width, pixels.height), pixels.data).convert(mode)
    if mode not in _CHANNELS:
        image = image.convert("RGB")
    return Pixels(pixels.height, pixels.width, _CHANNELS[image.mode], image.tobytes())


def _labels(classes: Any) -> Optional[dict]:
    """W&B's Classes: a list of {"id", "name"}."""
    listed = getattr(classes, "_class_set", classes)
    return {str(one["id"]): str(one["name"]) for one in listed} if listed else None


def _mask(mask: Any, labels: Optional[dict]) -> dict:
    """Class ids, a byte for each pixel. Raises NotLogged."""
    given = mask["mask_data"] if isinstance(mask, dict) and "mask_data" in mask else mask
    if isinstance(given, dict) and "path" in given:
        array = sys.modules["numpy"].asarray(_opened(given["path"]))
    else:
        array = as_array(given)
    if array is None or array.squeeze().ndim != 2 or array.dtype.kind not in "biuf":
        raise NotLogged("a mask has mask_data, an array of height x width of class ids, or the path of a grey image")
    array = array.squeeze()
    if array.min() < 0 or array.max() > 255:
        raise NotLogged(f"a mask's class ids are 0 to 255, not {array.min()} to {array.max()}")
    height, width = array.shape
    labels = _named(mask.get("class_labels") if isinstance(mask, dict) else None) or labels
    data = array.astype("uint8").tobytes()
    return {"height": height, "width": width, "data": data, **({"class_labels": labels} if labels else {})}


def _boxes(box: Any, labels: Optional[dict]) -> dict:
    if not isinstance(box, dict) or not isinstance(box.get("box_data"), (list, tuple)):
        raise NotLogged("boxes of a layer are a dict with box_data, a list of boxes")
    labels = _named(box.get("class_labels")) or labels
    found = {"box_data": row_value(list(box["box_data"]), "box_data", _plainly)}
    return {**found, **({"class_labels": labels} if labels else {})}


def _named(labels: Any) -> Optional[dict]:
    return {str(key): str(name) for key, name in labels.items()} if labels else None


def _plainly(key: str, why: str) -> None:
    say_once("warning", f"{key}: {why}")
