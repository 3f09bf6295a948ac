"""The layout that says of itself that it is cloud optimized is there as it is said."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from lunar_ground.maps.cog import Value, cloud_optimized
from lunar_ground.maps.overviews import halved
from lunar_runtime.files.tiff.directory import Directory, Tag, read_directories
from numpy.typing import NDArray

SHAPE = (300, 520)  # neither is a multiple of a tile's side


def _relief(dtype: type) -> NDArray[np.generic]:
    rows, columns = np.indices(SHAPE)
    values = 100 + 90 * np.sin(rows / 17) * np.cos(columns / 23)
    if dtype is np.float32:
        values[40:90, 100:400] = np.nan
    return values.astype(dtype)


@pytest.fixture(params=[np.float32, np.uint8])
def written(request: pytest.FixtureRequest) -> tuple[list[NDArray[np.generic]], bytes]:
    nodata = np.nan if request.param is np.float32 else 0
    whole = _relief(request.param)
    versions = [whole, halved(whole, nodata=nodata, classes=False)]
    return versions, cloud_optimized(versions, nodata, {305: Value(2, b"test\0")})


def _decoded(directory: Directory, content: bytes) -> NDArray[np.generic]:
    """The values by a reading of our own, after TIFF 6.0 and its technical note 3."""
    (side,) = directory.integers(Tag.TILE_WIDTH)
    (bits,) = directory.integers(Tag.BITS)
    across = -(-directory.width // side)
    down = -(-directory.height // side)
    dtype = np.dtype(">f4" if bits == 32 else np.uint8)
    found = np.empty((down * side, across * side), dtype)
    for number, (at, length) in enumerate(directory.extents):
        raw = np.frombuffer(zlib.decompress(content[at : at + length]), np.uint8)
        rows = np.cumsum(raw.reshape(side, -1), axis=1, dtype=np.uint8)
        if bits == 32:
            rows = rows.reshape(side, 4, side).transpose(0, 2, 1).reshape(side, -1)
        row, column = divmod(number, across)
        tile = np.ascontiguousarray(rows).view(dtype)
        found[row * side : (row + 1) * side, column * side : (column + 1) * side] = tile
    return found[: directory.height, : directory.width].astype(dtype.newbyteorder("="))


def test_values_come_back(written: tuple[list[NDArray[np.generic]], bytes]) -> None:
    versions, content = written
    directories = read_directories(content)
    assert [d.is_reduced for d in directories] == [False, True]
    assert directories[0].text(305) == "test" and directories[1].text(305) == ""  # type: ignore[arg-type]
    for version, directory in zip(versions, directories, strict=True):
        np.testing.assert_array_equal(_decoded(directory, content), version)


def test_tiles_lie_as_the_file_says(written: tuple[list[NDArray[np.generic]], bytes]) -> None:
    content = written[1]
    head, _, rest = content[8:].partition(b" bytes\n")
    size = int(head.removeprefix(b"GDAL_STRUCTURAL_METADATA_SIZE="))
    told = dict(line.split("=") for line in rest[:size].decode().strip().splitlines())
    assert told["LAYOUT"] == "IFDS_BEFORE_DATA" and told["BLOCK_ORDER"] == "ROW_MAJOR"
    whole, half = read_directories(content)
    places = [*half.extents, *whole.extents]  # the smallest first
    first = places[0][0] - 4
    assert first > len(head) + 7 + size + 8
    at = first
    for place, length in places:
        assert place == at + 4
        assert struct.unpack("<I", content[at : at + 4]) == (length,)  # SIZE_AS_UINT4
        end = place + length
        assert content[end : end + 4] == content[end - 4 : end]  # LAST_4_BYTES_REPEATED
        at = end + 4
    assert at == len(content)
