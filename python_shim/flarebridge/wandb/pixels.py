"""Pixels as one byte for each channel, row by row, and as PNG files where they would be too large. Pure.

numpy is whoever's who hands in an array.
"""

import io
import math
import struct
import sys
import zlib
from typing import Any, NamedTuple

from .media import NotLogged

_MOST_SIDE = 65500  # W&B's
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG's number (PNG specification, 11.2.2)
_FAST = 1  # zlib's level
_PIECE = 1 << 15  # numbers


class Pixels(NamedTuple):
    height: int
    width: int
    channels: int  # grey, grey and alpha, RGB, RGBA
    data: bytes

    def as_value(self) -> dict:
        return self._asdict()

    def as_png(self) -> bytes:
        """A PNG file. Each row is told as what is added to the one above, which photographs and plots are small by."""
        stride = self.width * self.channels
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            rows = numpy.frombuffer(self.data, numpy.uint8).reshape(self.height, stride)
            filtered = numpy.empty((self.height, stride + 1), numpy.uint8)
            filtered[:, 0] = 2  # "up"
            filtered[0, 1:] = rows[0]
            numpy.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
            content = filtered.tobytes()
        else:
            rows = (self.data[begin : begin + stride] for begin in range(0, len(self.data), stride))
            content = b"".join(b"\0" + row for row in rows)
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, _COLOUR_TYPES[self.channels], 0, 0, 0)
        parts = ((b"IHDR", head), (b"IDAT", zlib.compress(content, _FAST)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in parts
        )


def of_array(array: Any, channels_first: bool, normalize: bool) -> Pixels:
    """Of height x width (x 1, 2, 3 or 4), or the channels first. Raises NotLogged.

    Floats of which none is above 1 are taken for 0 to 1, if `normalize`; all else for 0 to 255, cut there. W&B's client
    makes black images of the former.
    """
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and (channels_first or array.shape[2] > 4) and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or array.dtype.kind not in "biuf":
        raise NotLogged(
            f"an image has 2 dimensions, or 3 with 1 to 4 channels; this is {'x'.join(map(str, array.shape))} of"
            f" {array.dtype}"
        )
    height, width, channels = array.shape
    if not height or not width or max(height, width) > _MOST_SIDE:
        raise NotLogged(f"an image has 1 to {_MOST_SIDE} pixels a side, not {height} x {width}")
    return Pixels(height, width, channels, _bytes_of(array, normalize))


def _bytes_of(array: Any, normalize: bool) -> bytes:
    """Of height x width x channels. Works on some rows at a time, which stay in a processor's cache."""
    numpy = sys.modules["numpy"]
    if array.dtype == numpy.uint8 and array.flags.c_contiguous:
        return array.tobytes()
    factor, low, high = 1, 0, 255
    if array.dtype.kind == "b":
        array, factor = array.view(numpy.uint8), 255
    elif array.dtype != numpy.uint8:
        low, high = array.min(), array.max()
        if not (math.isfinite(low) and math.isfinite(high)):
            array = numpy.nan_to_num(array)
            low, high = array.min(), array.max()
        if array.dtype.kind == "f" and normalize and high <= 1:
            factor, low, high = 255, 255 * float(low), 255 * float(high)
    height, width, channels = array.shape
    rows = max(1, _PIECE // (width * channels))
    room, file = numpy.empty((rows, width, channels), numpy.uint8), io.BytesIO()
    # Where a channel lies behind the other, as torch has it, they are taken one by one.
    parts = range(channels) if array.strides[2] > array.strides[1] else [slice(None)]
    for begin in range(0, height, rows):
        some = array[begin : begin + rows]
        made = room[: len(some)]
        for part in parts:
            one = some[:, :, part] if factor == 1 else some[:, :, part] * factor
            made[:, :, part] = one if low >= 0 and high <= 255 else numpy.clip(one, 0, 255)
        file.write(made)
    return file.getvalue()
