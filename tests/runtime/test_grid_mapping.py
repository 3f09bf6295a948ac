"""Where the network's pixels lie in the image, to the last half pixel."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import msgspec
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.window import Window
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.grid_mapping import GridMapping, cropped, resample, resample_valid
from numpy.typing import NDArray

SIZES = [(512, 512), (1012, 1012), (480, 640), (640, 480), (100, 3000), (33, 1000), (64, 64)]
NETWORKS = [(512, 512), (384, 512), (64, 64)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("network", NETWORKS)
def test_crop_is_central_inside_and_of_the_networks_aspect(
    size: tuple[int, int], network: tuple[int, int]
) -> None:
    mapping = GridMapping.fit(size[0], size[1], network[0], network[1])
    height, width = size
    assert 0 <= mapping.crop_x <= (width - mapping.crop_width) / 2
    assert 0 <= mapping.crop_y <= (height - mapping.crop_height) / 2
    assert mapping.crop_width == width or mapping.crop_height == height
    # Rounding the crop to whole pixels costs half a pixel of its shorter side at most.
    aspect = (mapping.crop_width / mapping.crop_height) / (network[1] / network[0])
    assert aspect == pytest.approx(1, abs=0.5 / min(mapping.crop_width, mapping.crop_height) * 1.01)


@pytest.mark.parametrize("size", SIZES)
def test_points_there_and_back_are_the_same(size: tuple[int, int]) -> None:
    mapping = GridMapping.fit(size[0], size[1], 384, 512)
    points = np.random.default_rng(0).uniform(0, 512, (7, 5, 2))
    back = mapping.points_to_grid(mapping.points_to_source(points))
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_convention_corners_of_the_crop_are_corners_of_the_grid() -> None:
    mapping = GridMapping.fit(480, 640, 384, 384)
    corners = np.array([[80.0, 0.0], [560.0, 480.0]])
    np.testing.assert_allclose(mapping.points_to_grid(corners), [[0, 0], [384, 384]])


@pytest.mark.parametrize("size", SIZES)
def test_a_ray_is_the_same_through_either_image(size: tuple[int, int]) -> None:
    """A point projects to pixels that the mapping takes to each other."""
    mapping = GridMapping.fit(size[0], size[1], 384, 512)
    camera = Intrinsics(700.0, 690.0, size[1] / 2 + 3, size[0] / 2 - 5)
    network = mapping.to_grid(camera)
    rays = pixel_rays(network, 384, 512)
    pixels = rays[..., :2] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    columns, rows = np.meshgrid(np.arange(512) + 0.5, np.arange(384) + 0.5)
    # 1e-3 px: the rays are float32.
    np.testing.assert_allclose(
        mapping.points_to_grid(pixels), np.stack([columns, rows], -1), atol=1e-3
    )
    back = mapping.to_source(network)
    for name in ("fx", "fy", "cx", "cy"):
        assert getattr(back, name) == pytest.approx(getattr(camera, name), rel=1e-12)


@pytest.mark.parametrize("size", [(640, 640), (512, 700), (128, 128), (90, 128), (1000, 333)])
def test_convention_a_blob_lands_where_the_mapping_says(size: tuple[int, int]) -> None:
    """The convention of OpenCV's resize is ours: centres at +0.5, shrinking or growing."""
    height, width = size
    truth = np.array([width * 0.5 + 7.3, height * 0.5 - 4.1])
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    sigma = max(size) / 40
    blob = np.exp(-((columns - truth[0]) ** 2 + (rows - truth[1]) ** 2) / (2 * sigma**2))
    small, mapping = cropped(np.rint(255 * blob).astype(np.uint8), 256, 256)
    weight = small.astype(np.float64) / small.sum()
    columns, rows = np.meshgrid(np.arange(256) + 0.5, np.arange(256) + 0.5)
    centroid = np.array([(weight * columns).sum(), (weight * rows).sum()])
    # 0.05 px: 8-bit rounding of the blob. A wrong half-pixel convention is off by 0.2 and more.
    np.testing.assert_allclose(centroid, mapping.points_to_grid(truth), atol=0.05)


def test_an_image_of_the_networks_size_is_left_alone(
    make_texture: Callable[..., NDArray[np.uint8]],
) -> None:
    image = make_texture(0)
    on_grid, mapping = cropped(image, 64, 64)
    np.testing.assert_array_equal(on_grid, image)
    assert mapping == GridMapping.fit(64, 64, 64, 64)


def test_shrinking_averages() -> None:
    """A checkerboard of single pixels becomes grey, not a coarser checkerboard."""
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    on_grid, _ = cropped(board, 64, 64)
    assert set(np.unique(on_grid)) <= {127, 128}


def test_a_strided_view_is_fine(make_texture: Callable[..., NDArray[np.uint8]]) -> None:
    image = make_texture(0, 128, 128)
    np.testing.assert_array_equal(
        cropped(image[:, ::-1], 64, 64)[0], cropped(image[:, ::-1].copy(), 64, 64)[0]
    )
    assert cropped(image[::-1], 128, 128)[0].flags.c_contiguous


def test_growing_is_linear() -> None:
    image = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    expected = cv2.resize(image, (64, 64), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(cropped(image, 64, 64)[0], expected)


def test_a_mapping_survives_the_report() -> None:
    mapping = GridMapping.fit(480, 640, 512, 512)
    assert msgspec.json.decode(msgspec.json.encode(mapping), type=GridMapping) == mapping


@pytest.mark.parametrize("image", [np.zeros((8, 8)), np.zeros((8, 8, 3), np.uint8)])
def test_only_grey_bytes_are_resampled(image: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"need a \(h, w\) uint8 grey image"):
        cropped(image, 8, 8)


def test_a_window_is_where_it_was_in_the_image(
    make_texture: Callable[..., NDArray[np.uint8]],
) -> None:
    """Its pixels are resampled alone; intrinsics and points stay in the image as given."""
    image, window = make_texture(0, 90, 120), Window(30, 20, 64, 48)
    mapping = GridMapping.whole(90, 120, window)
    assert (mapping.crop, mapping.source_size) == (tuple(window), (120, 90))
    part = window.of(image)
    np.testing.assert_array_equal(resample(part, mapping, window), part)
    half = mapping.scaled(0.5)
    assert (half.grid_width, half.grid_height) == (32, 24)
    np.testing.assert_array_equal(
        resample(part, half, window), cv2.resize(part, (32, 24), interpolation=cv2.INTER_AREA)
    )
    np.testing.assert_array_equal(half.points_to_grid(np.array([30.0, 20.0])), [0, 0])
    camera = half.to_grid(Intrinsics(100.0, 100.0, 60.0, 45.0))
    assert (camera.fx, camera.cx, camera.cy) == (50.0, 15.0, 12.5)
    valid = np.ones((48, 64), bool)
    valid[8, 6] = False
    assert np.argwhere(~resample_valid(valid, half, window)).tolist() == [[4, 3]]


def test_no_size_is_not_a_size() -> None:
    with pytest.raises(InputError, match="sizes must be positive"):
        GridMapping.fit(0, 5, 8, 8)


@pytest.mark.parametrize("grid", [16, 64, 100, 3])
def test_a_grid_pixel_is_valid_where_all_pixels_it_is_made_of_are(grid: int) -> None:
    valid = np.ones((64, 64), bool)
    valid[40, 9] = False
    mapping = GridMapping.fit(64, 64, grid, grid)
    found = ~resample_valid(valid, mapping)
    marked = np.where(valid, np.uint8(0), np.uint8(255)).astype(np.float32)
    touched = cv2.resize(
        marked, (grid, grid), interpolation=cv2.INTER_AREA if grid <= 64 else cv2.INTER_LINEAR
    )
    np.testing.assert_array_equal(found, touched > 0)
    assert 1 <= np.count_nonzero(found) <= 9
