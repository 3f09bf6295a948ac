"""TIFFs that OpenCV reads and does not write, byte by byte."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray


def hand_written_tiff(pixels: NDArray[np.uint8], order: str, big: bool) -> bytes:
    """Two strips, so that offsets and counts are arrays."""
    height, width = pixels.shape
    half = height // 2
    word, count, head = ("Q", "Q", 16) if big else ("I", "H", 8)
    entry, inline = ("HHQ", 8) if big else ("HHI", 4)
    entries = 9
    directory = struct.calcsize("<" + count) + entries * (20 if big else 12) + inline
    arrays = head + directory
    data = arrays + 16
    tags = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [8]), (259, "H", [1]),
        (262, "H", [1]), (273, "I", [data, data + half * width]), (277, "H", [1]),
        (278, "I", [half]), (279, "I", [half * width, (height - half) * width]),
    ]  # fmt: skip
    mark = b"II" if order == "<" else b"MM"
    version = ("HHHQ", 43, 8, 0, head) if big else ("HI", 42, head)
    magic = struct.pack(order + version[0], *version[1:])
    body, extra = struct.pack(order + count, entries), b""
    for tag, kind, values in tags:
        body += struct.pack(order + entry, tag, {"H": 3, "I": 4}[kind], len(values))
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > inline:
            body += struct.pack(order + word, arrays + len(extra))
            extra += packed
        else:
            body += packed.ljust(inline, b"\0")
    body += bytes(inline)
    whole = mark + magic + body + extra.ljust(16, b"\0")
    assert len(whole) == data
    return whole + pixels.tobytes()


def tiff_with_directory_first(pixels: np.ndarray) -> bytes:
    """A TIFF whose pixels come last, as libtiff's streaming writers and many cameras lay it out."""
    height, width = pixels.shape
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
        (273, 4, 122), (277, 3, 1), (278, 4, height), (279, 4, pixels.size),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4)
    assert len(head) == 122
    return head + pixels.tobytes()
