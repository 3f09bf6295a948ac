"""The flow that dense inverse search finds is the one that an image was moved by."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.fields import Field, blurred
from lunar_runtime.kernels.library import run

SIDES = 120, 173


def search(
    one: Field, other: Field, *, stride: int = 4, steps: int = 6, smoothing: int = 5
) -> tuple[Field, Field]:
    u, v = np.empty_like(one), np.empty_like(one)
    run("inverse_search", one, other, *one.shape, stride, steps, smoothing, u, v)
    return u, v


def texture(shape: tuple[int, int], seed: int = 3) -> Field:
    grey = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    grey = blurred(grey, 1.5) + blurred(grey, 6.0)
    return np.asarray(grey * np.float32(40 / grey.std()), np.float32)


def moved(image: Field, u: Field, v: Field) -> Field:
    """So that the flow from what comes out to the image is (u, v)."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    seen = cv2.remap(image, x + u, y + v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.float32)


def noise(seed: int) -> Field:
    return np.random.default_rng(seed).standard_normal(SIDES).astype(np.float32)


def waves(size: float, px: float, seed: int) -> Field:
    wave = blurred(noise(seed), px)
    return np.asarray(wave * np.float32(size / wave.std()), np.float32)


def error_px(flow: tuple[Field, Field], truth: tuple[Field, Field]) -> float:
    """Root mean square, away from the edges."""
    square = sum(np.square(a - b) for a, b in zip(flow, truth, strict=True))
    return float(np.sqrt(np.mean(np.asarray(square)[12:-12, 12:-12])))


@pytest.mark.parametrize(
    ("size", "px", "bound"), [(0.2, 12, 0.04), (1.0, 20, 0.07), (4.0, 30, 0.12)]
)
def test_a_flow_that_varies_is_found(size: float, px: float, bound: float) -> None:
    truth = waves(size, px, 1), waves(size / 2, px, 2)
    other = texture(SIDES)
    assert error_px(search(moved(other, *truth), other), truth) < bound


@pytest.mark.parametrize("along", [(9.0, 0.0), (-6.3, 4.7), (0.25, -0.25)])
def test_a_shift_of_all_is_found_from_coarse_grids(along: tuple[float, float]) -> None:
    """Linear interpolation between pixels is off by some hundredths of one."""
    truth = np.full(SIDES, along[0], np.float32), np.full(SIDES, along[1], np.float32)
    other = texture(SIDES)
    assert error_px(search(moved(other, *truth), other), truth) < 0.07


def test_smoothing_takes_noise_away() -> None:
    truth = waves(0.3, 25, 1), waves(0.3, 25, 2)
    other = texture(SIDES)
    one, other = moved(other, *truth) + 8 * noise(5), other + 8 * noise(6)
    rough, smooth = (error_px(search(one, other, smoothing=n), truth) for n in (0, 5))
    assert smooth < 0.8 * rough


def test_light_that_differs_moves_nothing() -> None:
    image = texture(SIDES)
    u, v = search(image, image + np.float32(15))
    assert max(float(np.abs(u).max()), float(np.abs(v).max())) < 0.02


def test_where_nothing_is_seen_nothing_moves() -> None:
    u, v = search(np.zeros(SIDES, np.float32), np.zeros(SIDES, np.float32))
    assert not u.any() and not v.any()


@pytest.mark.parametrize("shape", [(8, 8), (8, 300), (301, 9), (33, 47), (64, 64)])
@pytest.mark.parametrize("stride", [1, 3, 8])
def test_images_of_any_sides(shape: tuple[int, int], stride: int) -> None:
    image = texture(shape)
    u, v = search(image, image, stride=stride)
    assert max(float(np.abs(u).max()), float(np.abs(v).max())) < 0.05


@pytest.mark.parametrize("shape", [(7, 100), (100, 7)])
def test_images_without_room_for_a_patch_are_refused(shape: tuple[int, int]) -> None:
    image = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match="no sides that are so short"):
        search(image, image)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_values_that_no_image_has_do_no_harm(value: float) -> None:
    image = texture(SIDES)
    spoilt = image.copy()
    spoilt[20:60:7, 30:90:5] = value
    for pair in ((image, spoilt), (spoilt, image), (spoilt, spoilt)):
        assert all(flow.shape == SIDES for flow in search(*pair))
