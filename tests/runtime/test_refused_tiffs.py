"""A TIFF that is not read, or contradicts itself, is refused with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, read_image

from .tiffs import (
    COMPRESSION,
    PHOTOMETRIC,
    Tags,
    make_tiff,
    relief,
    same,
)

TYPES = ("uint8", "uint16", "int16", "float32", "float64")

Read = Callable[..., GreyImage]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_bytes(content: bytes) -> GreyImage:
        (tmp_path / "image.tif").write_bytes(content)
        return read_image(tmp_path / "image.tif")

    return read_bytes


NOT_SUPPORTED = {
    "ZSTD": ({COMPRESSION: [50000]}, "ZSTD compression; convert it with gdal_translate -co COMPR"),
    "LERC": ({COMPRESSION: [34887]}, "LERC compression; convert it with gdal_translate"),
    "WebP": ({COMPRESSION: [50001]}, "WebP compression; convert it"),
    "LZMA": ({COMPRESSION: [34925]}, "LZMA compression; convert it"),
    "unknown": ({COMPRESSION: [4711]}, "number 4711 compression; convert it"),
    "float16": ({258: [16], 339: [3]}, "16-bit floating point; convert it with gdal_translate -ot"),
    "float24": ({258: [24], 339: [3]}, "24-bit floating point"),
    "complex": ({258: [64], 339: [6]}, "64-bit complex numbers"),
    "24-bit": ({258: [24]}, "24-bit integers; convert it with gdal_translate -ot UInt16"),
    "CMYK": ({PHOTOMETRIC: [5]}, "CMYK colours"),
    "Bayer": ({PHOTOMETRIC: [32803]}, "raw sensor colours"),
    "predictor": ({317: [34892]}, "predictor 34892 of 8 bits; convert it"),
    "predictor of floats": ({317: [3]}, "predictor 3 of 8 bits; convert it"),
    "mixed": ({258: [8, 16]}, "bands of 8, 16 bits or of several types"),
    "sparse": ({273: [8, 0], 279: [99, 0]}, "a sparse TIFF, some strips or tiles of which"),
    "palette": ({PHOTOMETRIC: [3]}, "a palette without its colours"),
    "RGB": ({PHOTOMETRIC: [2]}, "RGB of 1 bands"),
}


@pytest.mark.parametrize(("tags", "said"), NOT_SUPPORTED.values(), ids=NOT_SUPPORTED)
def test_c21_what_nothing_here_reads_is_not_supported_and_never_damaged(
    read: Read, tags: Tags, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(make_tiff(relief("uint8"), tags))
    assert f": not supported: {said}" in str(caught.value)
    assert "damaged" not in str(caught.value)


def test_five_bands_are_not_supported(read: Read) -> None:
    with pytest.raises(InputError, match="not supported: 5 bands; choose one with gdal_translate"):
        read(make_tiff(relief("uint16", 5), {PHOTOMETRIC: [1]}))


@pytest.mark.parametrize(
    "tags",
    [
        {258: []},  # one bit a pixel, and too much for it: rows do not fit
        {256: []},
        {273: [], 279: []},
        {279: []},
        {279: [1 << 30] * 5},
        {273: [1 << 30] * 5},
        {256: b"wide\0"},
    ],
)
def test_a_directory_that_contradicts_itself_is_no_image(read: Read, tags: Tags) -> None:
    try:
        image = read(make_tiff(relief("uint8"), tags))
    except InputError as error:
        assert "damaged" in str(error) or "truncated" in str(error)
    else:
        assert image.size == (70, 45)


def test_a_chain_of_directories_that_bites_its_tail_ends(read: Read) -> None:
    content = bytearray(make_tiff(relief("uint8")))
    content[-4:] = content[4:8]  # its next directory is itself
    same(read(bytes(content)), relief("uint8"))


def test_random_damage_never_crashes(read: Read) -> None:
    rng = np.random.default_rng(0)
    for trial in range(150):
        kwargs: dict[str, Any] = {"tile": 16} if trial % 2 else {"predictor": 2}
        content = bytearray(make_tiff(relief("uint16", 3), planar=trial % 3 == 0, **kwargs))
        start = int.from_bytes(content[4:8], "little") - 200
        for place in rng.integers(max(0, start), len(content), 3):
            content[place] = rng.integers(0, 256)
        try:
            image = read(bytes(content))
        except InputError:
            continue
        assert image.pixels.ndim == 2
