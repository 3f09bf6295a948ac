"""What an image shows to be no ground: wedges, sky, saturated areas, and what is fixed in both."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.files.images import grey_from_array, read_image
from lunar_runtime.masking.constant import constant_areas
from lunar_runtime.masking.fixed import fixed_areas
from lunar_runtime.masking.mask import REASONS, Mask
from lunar_runtime.masking.saturated import saturated_areas
from lunar_runtime.masking.sky import sky_area
from numpy.typing import NDArray

from .scenes import hilly_scene

DATA = Path(os.environ.get("LUNAR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))

SCENE = hilly_scene(256)
GROUND = SCENE.grey_left
ROWS, COLUMNS = np.mgrid[:256, :256]
WEDGE = ROWS + 2 * COLUMNS < 120
DISC = np.hypot(ROWS - 400, COLUMNS - 128) > 330  # beyond a round limb


def holds(found: NDArray[np.bool_] | None, area: NDArray[np.bool_], edge_px: int) -> None:
    """An area, but for single pixels of a ragged edge, and at most so many pixels around it."""
    assert found is not None
    assert found[area].mean() > 0.995
    grown = cv2.dilate(area.astype(np.uint8), np.ones((2 * edge_px + 1, 2 * edge_px + 1)))
    assert not found[grown == 0].any()


def shadow(seed: int) -> NDArray[np.bool_]:
    """A ragged area that touches the border: what cast shadows look like."""
    rng = np.random.default_rng(seed)
    field = sum(
        sigma * cv2.GaussianBlur(rng.standard_normal((256, 256)), (0, 0), sigma)
        for sigma in (2.0, 5.0, 12.0)
    )
    away = np.hypot(ROWS - 250, COLUMNS - 110) / 60  # not all along the border
    return np.asarray(field - away > -1.2)


@pytest.mark.parametrize("value", [0, 255, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_wedge_of_one_value_is_masked(value: int, dtype: type) -> None:
    image: NDArray[np.generic] = GROUND.astype(dtype)
    image[WEDGE] = value
    holds(constant_areas(image), WEDGE, 2)


def test_a_frame_around_a_scan_is_masked() -> None:
    frame = np.ones((256, 256), bool)
    frame[3:-3, 5:-5] = False
    holds(constant_areas(np.where(frame, np.uint8(12), GROUND)), frame, 2)


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_lost_lines_and_blocks_are_masked_wherever_they_are(value: int, dtype: type) -> None:
    image: NDArray[np.generic] = GROUND.astype(dtype)
    lost = np.zeros((256, 256), bool)
    lost[100:103] = lost[:, 40] = lost[180:212, 120:190] = True
    image[lost] = value
    holds(constant_areas(image), lost, 2)


def test_a_round_shadow_and_blocks_of_jpeg_are_not_lost() -> None:
    image = GROUND.copy()
    image[np.hypot(ROWS - 130, COLUMNS - 140) < 30] = 0
    for x in range(24, 72, 16):
        image[48:64, x : x + 16] = x
    assert constant_areas(image) is None


def test_a_wedge_beside_a_shadow_of_its_value_is_cut_off_straight() -> None:
    dark = (np.hypot(ROWS - 60, COLUMNS - 32) < 9) | (np.hypot(ROWS - 70, COLUMNS - 38) < 7)
    dark |= WEDGE
    found = constant_areas(np.where(dark, np.uint8(0), GROUND))
    holds(found, WEDGE, 2)


@pytest.mark.parametrize("seed", range(6))
def test_a_ragged_shadow_at_the_border_is_no_wedge_and_no_sky(seed: int) -> None:
    image = np.where(shadow(seed), np.uint8(0), GROUND)
    assert np.count_nonzero(image[[0, -1]] == 0) > 20
    assert constant_areas(image) is None
    assert sky_area(image, None) is None


@pytest.mark.parametrize("noise_dn", [0, 2])
@pytest.mark.parametrize("limb", ["straight", "round", "near hills"])
def test_black_sky_is_masked(limb: str, noise_dn: int) -> None:
    rng = np.random.default_rng(1)
    hills = 60 + 8 * cv2.GaussianBlur(rng.standard_normal((1, 256)), (0, 0), 2.0)[0] / 0.4
    area = {
        "straight": ROWS < 100 + 0.2 * COLUMNS,
        "round": DISC,
        "near hills": hills[None] > ROWS,
    }[limb]
    sky = np.clip(rng.normal(4, noise_dn, (256, 256)), 0, 255).astype(np.uint8)
    image = np.where(area, sky, GROUND)
    found = sky_area(image, None)
    holds(found, area, 9)
    # The same in 16 bits, above an offset.
    holds(sky_area(image.astype(np.uint16) * 13 + 500, None), area, 9)


def test_sky_is_masked_before_the_stretch() -> None:
    """The ground has the whole range of grey levels."""
    values = GROUND.astype(np.uint16) * 4 + 2000
    values[DISC] = np.random.default_rng(0).normal(1900, 5, DISC.sum()).astype(np.uint16)
    image = grey_from_array(values, detect=True)
    clean = grey_from_array(GROUND.astype(np.uint16) * 4 + 2000)
    assert image.stretch is not None
    assert clean.stretch is not None
    np.testing.assert_allclose(image.stretch, clean.stretch, rtol=0.05)
    assert image.stretch[0] >= 2000
    assert set(image.masked) == {"sky"}
    assert image.valid_fraction == pytest.approx(1 - DISC.mean(), abs=0.03)


def test_saturated_is_what_stays_at_the_top_for_five_pixels() -> None:
    dull = (GROUND // 2).astype(np.uint8)
    image = dull.copy()
    image[40:46, 40:46] = 255
    image[80:84, 80:120] = 255  # a narrow stripe is carried by what is around it
    found = saturated_areas(image, 255.0)
    area = np.zeros(image.shape, bool)
    area[40:46, 40:46] = True
    holds(found, area, 1)
    deep = image.astype(np.uint16) * 16
    holds(saturated_areas(deep, float(deep.max())), area, 1)
    assert saturated_areas(dull, float(dull.max())) is None


def caption(image: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
    written = image.copy()
    cv2.putText(written, "CAMERA 2  12:07:31", (10, 236), 0, 0.7, value, 2, cv2.LINE_AA)
    return np.asarray(written, np.uint8)


@pytest.mark.parametrize("value", [0, 255])
def test_a_caption_in_both_images_is_masked(value: int) -> None:
    left, right = (caption(image, value) for image in (SCENE.grey_left, SCENE.grey_right))
    found = fixed_areas((left, right))
    assert found is not None
    letters = caption(np.full_like(left, 128), value) == value
    assert found[letters].mean() > 0.9
    assert found[:190].mean() < 0.01


@pytest.mark.parametrize("rows, width", [(40, 512), (33, 256), (20, 256), (64, 1024)])
def test_a_thin_strip_has_too_few_rows_for_flow(rows: int, width: int) -> None:
    """OpenCV's reads beyond them, so what is only alike is not told there."""
    rng = np.random.default_rng(3)
    views = [rng.integers(0, 256, (rows, width)).astype(np.uint8) for _ in range(2)]
    part = cv2.GaussianBlur(rng.standard_normal((rows, width)), (0, 0), 2)[:, :60] * 200 + 128
    for view in views:
        view[:, width // 3 : width // 3 + 60] = np.clip(part + rng.normal(0, 1, part.shape), 0, 255)
    fixed_areas((views[0], views[1]))


def test_a_lander_part_in_both_images_is_masked() -> None:
    rng = np.random.default_rng(3)
    leg = (COLUMNS > 150 + 0.3 * (256 - ROWS)) & (COLUMNS < 205 + 0.1 * (256 - ROWS)) & (ROWS > 130)
    metal = 150 + 40 * cv2.GaussianBlur(rng.standard_normal((256, 256)), (0, 0), 3) / 0.1
    views = []
    for image, sun in ((SCENE.grey_left, 1.0), (SCENE.grey_right, 0.9)):
        seen = np.where(leg, sun * metal, image) + rng.normal(0, 1.5, image.shape)
        views.append(np.clip(seen, 0, 255).astype(np.uint8))
    found = fixed_areas((views[0], views[1]))
    assert found is not None
    assert found[leg].mean() > 0.8
    assert found[~leg].mean() < 0.1


def test_a_frame_of_a_gradient_is_fixed_and_equal_shadows_are_not() -> None:
    frame = np.ones((256, 256), bool)
    frame[30:-30, 30:-30] = False
    ramp = np.linspace(40, 90, 256)[None].repeat(256, axis=0).astype(np.uint8)
    left, right = (np.where(frame, ramp, grey) for grey in (GROUND, SCENE.grey_right))
    found = fixed_areas((left, right))
    assert found is not None
    assert found[frame].mean() > 0.99
    assert found[~frame].mean() < 0.1
    dark = np.where(np.arange(256) % 40 < 20, 2, 3).astype(np.uint8)[None].repeat(256, axis=0)
    shadowed = (np.where(frame, dark, grey) for grey in (GROUND, SCENE.grey_right))
    assert fixed_areas(tuple(shadowed)) is None  # type: ignore[arg-type]


def test_moved_ground_and_cameras_at_rest_are_not_fixed() -> None:
    assert fixed_areas((SCENE.grey_left, SCENE.grey_right)) is None
    noise = np.random.default_rng(0).normal(0, 2, GROUND.shape)
    again = np.clip(GROUND + noise, 0, 255).astype(np.uint8)
    assert fixed_areas((GROUND, again)) is None


@pytest.mark.parametrize("zoom", [1.05, 1.15, 1.3])
def test_where_a_descending_camera_flies_to_is_not_fixed(zoom: float) -> None:
    """There the ground stands still, and around it moves ever more."""
    nearer = cv2.warpAffine(
        GROUND, cv2.getRotationMatrix2D((140, 110), 0, zoom), (256, 256), flags=cv2.INTER_LINEAR
    )
    assert fixed_areas((GROUND, np.asarray(nearer, np.uint8))) is None


def test_a_pixel_counts_for_its_first_reason() -> None:
    one, other = np.zeros((2, 10, 10), bool)
    one[:5], other[3:8] = True, True
    mask = Mask().without("file", one).without("sky", other).without("fixed", one)
    assert mask.shares == {"file": 0.5, "sky": pytest.approx(0.3)}
    assert mask.valid is not None
    assert mask.valid.mean() == pytest.approx(0.2)
    assert set(mask.shares) <= set(REASONS)
    assert Mask().without("sky", None).valid is None


def test_nothing_is_detected_in_a_clean_image_and_nothing_if_not_asked() -> None:
    assert grey_from_array(GROUND, detect=True).valid is None
    wedge = np.where(WEDGE, np.uint8(0), GROUND)
    assert grey_from_array(wedge).valid is None
    assert set(grey_from_array(wedge, detect=True).masked) == {"constant"}


def test_deep_shadows_of_real_frames_are_kept() -> None:
    """Up to 15 % of these are black; the saturated share is that of the films' brightest spots."""
    frames = [*DATA.glob("stereolunar/*/*/im_*.jpg"), *DATA.glob("apollo15/*.png")]
    if not frames:
        pytest.skip(f"no frames in {DATA} (LUNAR_DATA)")
    for frame in frames:
        image = read_image(frame, detect=True)
        assert set(image.masked) <= {"saturated"}, frame
        assert image.valid_fraction > 0.998, frame
