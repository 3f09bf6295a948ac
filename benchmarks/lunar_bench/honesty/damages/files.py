"""Images in files whose bytes mean more than their pixels: byte order, tags, bands, bit depths."""

from __future__ import annotations

import struct
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.situation import Draw, Situation

_PHOTOMETRIC, _ORIENTATION, _PLANAR = 262, 274, 284

WAYS = (
    "PNG of 16 bits", "PNG of 16 bits with alpha", "TIFF of 16 bits, big-endian",
    "TIFF with an orientation", "TIFF with bands one after the other", "TIFF, white is zero",
    "TIFF of 16 bits, white is zero", "TIFF of floating point",
)  # fmt: skip


def written(situation: Situation, draw: Draw) -> Situation:
    """Both images in files of one kind, which a reader must understand to see the same ground."""
    way = draw.one_of(*WAYS)
    turn = int(draw.rng.integers(2, 9))
    left, right = (_file(way, image, turn) for image in (situation.left, situation.right))
    return situation.having(files=(left, right)).noting(way=way)


def _file(way: str, image: NDArray[np.uint8], turn: int) -> bytes:
    deep = image.astype(np.uint16) * 40 + 700
    if way == "PNG of 16 bits":
        return _png(deep)
    if way == "PNG of 16 bits with alpha":
        return _png(np.dstack([deep, deep, deep, np.full_like(deep, 65535)]))
    if way == "TIFF of 16 bits, big-endian":
        return tiff(deep, order=">")
    if way == "TIFF with an orientation":
        return tiff(image, {_ORIENTATION: turn})
    if way == "TIFF with bands one after the other":
        return tiff(np.dstack([deep] * 3), {_PLANAR: 2})
    if way == "TIFF, white is zero":
        return tiff(255 - image, {_PHOTOMETRIC: 0})
    if way == "TIFF of 16 bits, white is zero":
        return tiff(65535 - deep, {_PHOTOMETRIC: 0})
    return tiff((image / np.float32(255)).astype(np.float32))


def tiff(
    values: NDArray[Any], tags: dict[int, int] | None = None, order: Literal["<", ">"] = "<"
) -> bytes:
    """A TIFF of one image, not compressed: a strip for each band, or one for all.

    Args:
        values: (h, w) or (h, w, bands).
        tags: Instead of the usual ones.
        order: `<` or `>`.
    """
    bands = np.atleast_3d(values)
    height, width, count = bands.shape
    planar = (tags or {}).get(_PLANAR, 1) == 2
    planes = [bands[..., band] for band in range(count)] if planar else [bands]
    strips = [plane.astype(plane.dtype.newbyteorder(order)).tobytes() for plane in planes]
    content = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    offsets = []
    for strip in strips:
        offsets.append(len(content))
        content += strip + bytes(len(strip) % 2)
    entries: dict[int, list[int]] = {
        256: [width], 257: [height], 258: [8 * bands.dtype.itemsize] * count, 259: [1],
        _PHOTOMETRIC: [2 if count == 3 else 1], 273: offsets, 277: [count], 278: [height],
        279: [len(strip) for strip in strips], 339: [3 if bands.dtype.kind == "f" else 1] * count,
    }  # fmt: skip
    entries |= {tag: [value] for tag, value in (tags or {}).items()}
    start = len(content) + 2 + 12 * len(entries) + 4  # of values that are too long for an entry
    directory, long = struct.pack(f"{order}H", len(entries)), b""
    for tag, numbers in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        place = packed if len(packed) <= 4 else struct.pack(f"{order}I", start + len(long))
        long += b"" if len(packed) <= 4 else packed
        directory += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + place
    pointer = struct.pack(f"{order}I", len(content))
    return content[:4] + pointer + content[8:] + directory + bytes(4) + long


def _png(values: NDArray[Any]) -> bytes:
    _, data = cv2.imencode(".png", values)
    return data.tobytes()
