from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import InputError, OutputError
from lunar_runtime.files.pointcloud import FRAME_COMMENT, write_ply


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    content = path.read_bytes()
    header, body = content.split(b"end_header\n", 1)
    lines = header.decode("ascii").splitlines()
    types = {"float": "<f4", "uchar": "u1"}
    properties = [line.split() for line in lines if line.startswith("property")]
    return lines, np.frombuffer(body, [(name, types[kind]) for _, kind, name in properties])


def test_finite_points_are_written_in_row_order(tmp_path: Path) -> None:
    pointmap = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    pointmap[0, 1, 2] = np.nan
    write_ply(tmp_path / "a.ply", pointmap)
    lines, vertices = _read(tmp_path / "a.ply")
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 5" in lines
    written = np.stack([vertices[axis] for axis in "xyz"], axis=-1)
    np.testing.assert_array_equal(written, np.delete(pointmap.reshape(-1, 3), 1, axis=0))


def test_grey_is_three_equal_channels_of_the_same_pixels(tmp_path: Path) -> None:
    pointmap = np.ones((2, 2, 3))
    valid = np.array([[True, False], [True, True]])
    write_ply(tmp_path / "a.ply", pointmap, np.array([[1, 2], [3, 4]], np.uint8), valid)
    _, vertices = _read(tmp_path / "a.ply")
    for channel in ("red", "green", "blue"):
        np.testing.assert_array_equal(vertices[channel], [1, 3, 4])


def test_the_header_tells_unit_and_frame(tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", np.ones((1, 3)), comment=f"unit: m\n{FRAME_COMMENT}")
    lines, _ = _read(tmp_path / "a.ply")
    assert "comment unit: m" in lines
    assert "comment frame: left camera, x right, y down, z forward" in lines


def test_no_valid_point_is_a_valid_file(tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", np.full((2, 2, 3), np.inf))
    lines, vertices = _read(tmp_path / "a.ply")
    assert "element vertex 0" in lines
    assert len(vertices) == 0


def test_shapes_that_do_not_match_are_refused(tmp_path: Path) -> None:
    points = np.ones((2, 3, 3))
    with pytest.raises(InputError, match=r"pointmap must be \(H, W, 3\)"):
        write_ply(tmp_path / "a.ply", np.ones((2, 3)).reshape(3, 2))
    with pytest.raises(InputError, match="grey must have the pointmap's shape"):
        write_ply(tmp_path / "a.ply", points, np.zeros((3, 2), np.uint8))
    with pytest.raises(InputError, match="grey must be uint8, not float64"):
        write_ply(tmp_path / "a.ply", points, np.zeros((2, 3)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="valid must have the pointmap's shape"):
        write_ply(tmp_path / "a.ply", points, valid=np.ones(2, bool))
    with pytest.raises(InputError, match="ASCII"):
        write_ply(tmp_path / "a.ply", points, comment="Höhe")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_ply(tmp_path / "no" / "a.ply", np.ones((1, 3)))
