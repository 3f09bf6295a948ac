from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.pointcloud import FRAME_COMMENT, encode_ply


def _read(content: bytes) -> tuple[list[str], np.ndarray]:
    header, body = content.split(b"end_header\n", 1)
    lines = header.decode("ascii").splitlines()
    types = {"float": "<f4", "uchar": "u1"}
    properties = [line.split() for line in lines if line.startswith("property")]
    return lines, np.frombuffer(body, [(name, types[kind]) for _, kind, name in properties])


def test_finite_points_are_written_in_row_order() -> None:
    pointmap = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    pointmap[0, 1, 2] = np.nan
    lines, vertices = _read(encode_ply(pointmap))
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 5" in lines
    written = np.stack([vertices[axis] for axis in "xyz"], axis=-1)
    np.testing.assert_array_equal(written, np.delete(pointmap.reshape(-1, 3), 1, axis=0))


def test_grey_is_three_equal_channels_of_the_same_pixels() -> None:
    pointmap = np.ones((2, 2, 3))
    valid = np.array([[True, False], [True, True]])
    _, vertices = _read(encode_ply(pointmap, np.array([[1, 2], [3, 4]], np.uint8), valid))
    for channel in ("red", "green", "blue"):
        np.testing.assert_array_equal(vertices[channel], [1, 3, 4])


def test_the_header_tells_unit_and_frame() -> None:
    lines, _ = _read(encode_ply(np.ones((1, 3)), comment=f"unit: m\n{FRAME_COMMENT}"))
    assert "comment unit: m" in lines
    assert "comment frame: left camera, x right, y down, z forward" in lines


def test_no_valid_point_is_a_valid_file() -> None:
    lines, vertices = _read(encode_ply(np.full((2, 2, 3), np.inf)))
    assert "element vertex 0" in lines
    assert len(vertices) == 0


def test_shapes_that_do_not_match_are_refused() -> None:
    points = np.ones((2, 3, 3))
    with pytest.raises(InputError, match=r"pointmap must be \(H, W, 3\)"):
        encode_ply(np.ones((2, 3)).reshape(3, 2))
    with pytest.raises(InputError, match="grey must have the pointmap's shape"):
        encode_ply(points, np.zeros((3, 2), np.uint8))
    with pytest.raises(InputError, match="grey must be uint8, not float64"):
        encode_ply(points, np.zeros((2, 3)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="valid must have the pointmap's shape"):
        encode_ply(points, valid=np.ones(2, bool))
    with pytest.raises(InputError, match="ASCII"):
        encode_ply(points, comment="Höhe")
