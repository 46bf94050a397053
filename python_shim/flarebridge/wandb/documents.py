"""Media that are files or text: Html, Audio, Video, Molecule."""

import os
from typing import Any, Optional

from ..large import Large
from .media import Media, NotLogged, content_of, members
from .values import as_array, text_of

# As events/README.md of the project has them.
_AUDIO = (".wav", ".mp3", ".ogg", ".flac", ".m4a", ".aac", ".opus")
_VIDEO = (".gif", ".mp4", ".webm", ".ogg")
_MOLECULES = (".pdb", ".pqr", ".mmcif", ".mcif", ".cif", ".sdf", ".sd", ".gro", ".mol2", ".mmtf")

_MOST_PAGE = 64 << 20  # bytes of a page's file that are read

# As W&B's client puts it into pages, so that links open beside its own page.
_BASE = '<base target="_blank"><link rel="stylesheet" type="text/css" href="https://app.wandb.ai/normalize.css" />'


class Html(Media):
    """A page: text, an open file, or a path that ends in .html."""

    _type = "html-file"

    def _make(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> dict:
        text = data
        if (
            isinstance(data, os.PathLike)
            or (isinstance(data, str) and not data_is_not_path and data.endswith(".html") and os.path.exists(data))
            or hasattr(data, "read")
        ):
            content = content_of(data)[0]
            content = content.head(_MOST_PAGE) if isinstance(content, Large) else content
            text = content.decode("utf-8", "replace")
        elif not isinstance(data, str):
            raise NotLogged(f"Html takes a text or a file, not {type(data).__name__}")
        return {"data": (_with_base(text) if inject else text).encode("utf-8", "replace"), "ext": ".html"}


def _with_base(page: str) -> str:
    """With the base tag where W&B's client puts it."""
    if "<head>" in page:
        return page.replace("<head>", "<head>" + _BASE, 1)
    if "<html>" in page:
        return page.replace("<html>", "<html><head>" + _BASE + "</head>", 1)
    return _BASE + page


class Audio(Media):
    """A file, or samples with their rate: one number a sample, or one for each channel; floats in -1 to 1."""

    _type = "audio-file"

    def _make(self, data_or_path: Any, sample_rate: Optional[int] = None, caption: Optional[str] = None) -> dict:
        if isinstance(data_or_path, (str, os.PathLike)):
            content, ending = content_of(data_or_path)
            _check_ending("Audio", ending, _AUDIO)
            return {"data": content, "ext": ending, **members(caption=caption)}
        if sample_rate is None:
            raise NotLogged("Audio of samples needs sample_rate")
        samples, channels = _pcm16(data_or_path)
        return {"pcm16": samples, "rate": int(sample_rate), "channels": channels, **members(caption=caption)}


def _pcm16(data: Any) -> tuple:
    """Little-endian samples of 16 bits, and how many channels they have. Raises NotLogged."""
    import numpy as np  # whoever has samples has it

    array = as_array(data)
    array = np.asarray(data) if array is None else array
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        raise NotLogged(f"Audio takes numbers of one or two dimensions, not {array.ndim} of {array.dtype}")
    if array.dtype.kind == "f":
        array = _of_floats(np.nan_to_num(array))
    elif array.dtype.itemsize > 2:
        array = array.astype(np.int64) >> 16 if array.dtype == np.int32 else np.clip(array, -32768, 32767)
    return array.astype("<i2").tobytes(), 1 if array.ndim == 1 else array.shape[1]


def _of_floats(array: Any) -> Any:
    """As libsndfile, which W&B's client uses, makes samples of -1 to 1: in 32 bits, of which the upper 16 are kept."""
    import numpy as np

    scale = array.dtype.type(0x7FFFFFFF)  # of float32 that is 2**31
    return np.clip(np.rint((array * scale).astype(np.float64)), -(2**31), 2**31 - 1).astype(np.int64) >> 16


class Video(Media):
    """A file: its path, an open file, or bytes with `format`. Frames in an array are not encoded here."""

    _type = "video-file"

    def _make(
        self,
        data_or_path: Any,
        caption: Optional[str] = None,
        fps: Optional[int] = None,
        format: Optional[str] = None,
    ) -> dict:
        if hasattr(data_or_path, "shape"):
            raise NotLogged(
                "a Video of frames in an array has to be encoded: give the path of a .gif, .mp4, .webm file"
            )
        content, ending = content_of(data_or_path, format or "gif")
        _check_ending("Video", ending, _VIDEO)
        return {"data": content, "ext": ending, **members(caption=caption)}


class Molecule(Media):
    """A file of a molecule: its path, or an open file with `file_type`."""

    _type = "molecule-file"

    def _make(
        self, data_or_path: Any, caption: Optional[str] = None, file_type: Optional[str] = None, **_kwargs: Any
    ) -> dict:
        content, ending = content_of(data_or_path, file_type)
        _check_ending("Molecule", ending, _MOLECULES)
        return {"data": content, "ext": ending, **members(caption=caption)}


def _check_ending(what: str, ending: str, known: tuple) -> None:
    if ending not in known:
        raise NotLogged(f"{what} of a file takes {', '.join(known)}, not {text_of(ending) or 'one without an ending'}")
