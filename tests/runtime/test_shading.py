"""Shading on surfaces whose slopes are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.fields import Field, blurred, half
from lunar_runtime.geometry.views import CameraEstimate, OtherView, View
from lunar_runtime.refinement.brightness_noise import Noise, measure_noise
from lunar_runtime.refinement.light import Ground, Light
from lunar_runtime.refinement.other_light import OtherLight
from lunar_runtime.refinement.plate_corners import Tilt, corners, steps
from lunar_runtime.refinement.seen_light import lit_image
from lunar_runtime.refinement.shading import Plated, Shading, shade
from lunar_runtime.refinement.tilted_plate import Iterations, TiltedPlate
from numpy.typing import NDArray

SIZE = 512  # of the view; the plate has half of it
FOCAL = 618.0  # 45 degrees
SUN = np.array([-0.75, -0.35, -0.55]) / np.linalg.norm([-0.75, -0.35, -0.55])
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)
EVERYWHERE = np.ones((SIZE, SIZE), bool)
PLATE = np.ones((SIZE // 2, SIZE // 2), bool)
SMOOTHED_PX = 3.0  # of the plate: what stereo is made to know of the ground


def view(grey: Field) -> View:
    camera = Intrinsics(FOCAL, FOCAL, SIZE / 2, SIZE / 2)
    return View(grey, CameraEstimate(camera, "truth"))


def sines(amplitude: float, seed: int = 0) -> Field:
    """Relative relief: 120 waves of 12 to 128 pixels, every one as steep."""
    rng = np.random.default_rng(seed)
    relief = np.zeros((SIZE, SIZE), np.float32)
    for length in np.geomspace(12, 128, 120):
        turn, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        along = COLUMNS * np.cos(turn) + ROWS * np.sin(turn)
        relief += (length * np.sin(2 * np.pi * along / length + phase)).astype(np.float32)
    return np.asarray(relief * amplitude, np.float32)


def spheres() -> Field:
    """Caps of spheres of 28 to 42 pixels radius on a plane."""
    rng = np.random.default_rng(1)
    relief = np.zeros((SIZE, SIZE), np.float32)
    for x in range(48, SIZE - 20, 92):
        for y in range(48, SIZE - 20, 92):
            radius = rng.uniform(28, 42)
            square = (COLUMNS - x) ** 2 + (ROWS - y) ** 2
            height = np.sqrt(np.maximum((2.5 * radius) ** 2 - square, 0)) - 2.29 * radius
            relief += np.maximum(height, 0).astype(np.float32) * rng.choice([-1, 1])
    return np.asarray(relief / FOCAL, np.float32)


def brightness(inverse_depth: Field, noise: int, sun: NDArray[np.floating] = SUN) -> Field:
    """Lommel-Seeliger and Lambert, half and half, 8 bits and 1 DN of noise."""
    right, down = np.gradient(np.log(inverse_depth))[::-1]
    x, y = (view(inverse_depth).rays()[..., i] for i in range(2))
    ground = Ground.of(FOCAL * right, FOCAL * down, x, y)
    normal = -np.stack([ground.a, ground.b, ground.c], axis=-1)
    to_camera = -view(inverse_depth).rays()
    to_camera /= np.linalg.norm(to_camera, axis=-1, keepdims=True)
    lit = np.maximum(normal @ sun, 0)
    seen = np.sum(normal * to_camera, axis=-1)
    grey = 120 * (lit / (lit + seen) + 0.5 * lit)
    grain = np.random.default_rng(noise).standard_normal(grey.shape)
    return np.asarray(np.clip(np.rint(grey + grain), 0, 255), np.float32)


def plated(truth: Field) -> Plated:
    """Stereo that knows the ground smoothed, as surely as the plate asks for it."""
    small = half(truth)
    prior = np.ones_like(small)
    departure = blurred(small, SMOOTHED_PX) - 1
    stiffness = np.float32((FOCAL / 0.14) ** 2 / 4)
    weight = np.full_like(small, stiffness / SMOOTHED_PX**4)
    return Plated(prior, departure, weight, prior.copy(), float(stiffness), PLATE)


def shaded(truth: Field, albedo: Field | float = 1.0) -> Shading:
    grey, other = (np.asarray(brightness(truth, seed) * albedo, np.float32) for seed in (1, 2))
    return shade(view(grey), other, EVERYWHERE, plated(truth), draws=4)


def slope_error_deg(departure: Field, truth: Field, where: NDArray[np.bool_]) -> float:
    """RMS of the tilts' errors, away from the edges."""
    right, down = steps(departure - (half(truth) - 1))
    error = np.degrees(FOCAL / 2 * np.hypot(right, down))[8:-8, 8:-8]
    return float(np.sqrt(np.mean(error[where[::2, ::2][8:-9, 8:-9]] ** 2)))


@pytest.mark.parametrize("truth", [1 + sines(3e-6), 1 + spheres()], ids=["sines", "spheres"])
def test_known_surfaces_lose_a_quarter_of_their_slope_error_and_more(truth: Field) -> None:
    found = shaded(truth)
    before = slope_error_deg(plated(truth).departure, truth, EVERYWHERE)
    after = slope_error_deg(found.departure, truth, EVERYWHERE)
    assert found.told.reason is None
    assert before > 2.5
    # Seen: 0.55 for the sines, 0.70 for the spheres, whose feet are edges.
    assert after < 0.75 * before


def test_an_albedo_step_on_a_plane_stays_flat() -> None:
    truth = np.ones((SIZE, SIZE), np.float32)
    step = np.where(COLUMNS > SIZE / 2, np.float32(1.15), np.float32(1))
    found = shaded(truth, step)
    assert found.told.reason is not None
    assert slope_error_deg(found.departure, truth, EVERYWHERE) == 0


def test_an_albedo_step_on_a_plane_beside_relief_stays_flat() -> None:
    left = COLUMNS < SIZE / 2
    truth = 1 + sines(3e-6) * blurred(left.astype(np.float32), 12.0)
    flat = COLUMNS > SIZE / 2 + 48
    step = np.where(flat & (ROWS > SIZE / 2), np.float32(1.15), np.float32(1))
    found = shaded(np.asarray(truth, np.float32), step)
    assert found.told.reason is None
    # Read as a slope, a step of 15 % is a wall of 11 degrees. Noise alone leaves 0.45 here.
    assert slope_error_deg(found.departure, truth, flat) < 1


def test_texture_on_a_plane_is_no_relief() -> None:
    truth = np.ones((SIZE, SIZE), np.float32)
    noise = np.random.default_rng(3).standard_normal((SIZE, SIZE)).astype(np.float32)
    texture = 1 + 3 * blurred(noise, 6.0)
    found = shaded(truth, texture)
    assert found.told.reason == "the brightness does not follow the slopes"


def test_a_dark_image_has_no_light() -> None:
    truth = 1 + sines(3e-6)
    found = shaded(truth, 0.02)
    assert found.told.reason == "too little of the common ground is lit"
    assert found.departure is not None
    assert found.told.width_px == 0


def test_errors_that_are_left_are_the_ones_that_are_expected() -> None:
    truth = 1 + sines(3e-6)
    found = shaded(truth)
    # What stereo is off by here is what was smoothed away; any surface of that kind will do.
    error = np.stack(
        [plated(1 + wave).departure - half(wave) for wave in (sines(3e-6, 5), sines(3e-6, 6))]
    )
    draws = np.concatenate([error, -error]).astype(np.float32)
    left = found.of_draws(draws)
    assert np.array_equal(left[2:], -left[:2])
    expected = np.mean([slope_error_deg(one, np.ones_like(truth), EVERYWHERE) for one in left])
    real = slope_error_deg(found.departure, truth, EVERYWHERE)
    assert real == pytest.approx(expected, rel=0.5)


def test_a_light_foretells_the_change_of_its_brightness() -> None:
    rng = np.random.default_rng(0)
    p, q = (rng.normal(0, 0.3, (40, 50)).astype(np.float32) for _ in range(2))
    x, y = (rng.uniform(-0.4, 0.4, (40, 50)).astype(np.float32) for _ in range(2))
    light = Light(rng.standard_normal(20).astype(np.float32))
    _, by_p, by_q = light.seen(Ground.of(p, q, x, y))
    step = np.float32(1e-2)  # float32 keeps three digits of the quotient
    ahead, behind = (light.brightness(Ground.of(p + s * step, q, x, y)) for s in (1, -1))
    assert np.allclose((ahead - behind) / (2 * step), by_p, atol=5e-3)
    ahead, behind = (light.brightness(Ground.of(p, q + s * step, x, y)) for s in (1, -1))
    assert np.allclose((ahead - behind) / (2 * step), by_q, atol=5e-3)


def test_a_corner_has_the_brightness_of_the_pixels_around_it() -> None:
    # A wave of six pixels: means of two pixels keep 0.83 of it, means of four 0.48.
    wave = np.broadcast_to(np.cos(2 * np.pi * (COLUMNS - 0.5) / 6), COLUMNS.shape)
    image = lit_image(np.asarray(100 + 50 * wave, np.float32), None)
    assert image.grey.shape == (SIZE // 2 - 1, SIZE // 2 - 1)
    assert image.lit.all()
    at = 2 * np.arange(1, SIZE // 2) - 0.5  # pixels' centres are whole numbers
    wanted = 100 + 50 * np.cos(2 * np.pi * (at - 0.5) / 6) * np.cos(np.pi / 6)
    np.testing.assert_allclose(image.grey[7], wanted, atol=0.01)


@pytest.mark.parametrize("shape", [(511, 512), (510, 511)])
def test_images_of_odd_sides_have_all_of_their_corners(shape: tuple[int, int]) -> None:
    ramp = np.asarray(20 + 0.3 * COLUMNS[: shape[0], : shape[1]], np.float32)
    image = lit_image(ramp, np.ones(shape, bool))
    assert image.grey.shape == (-(-shape[0] // 2) - 1, -(-shape[1] // 2) - 1)
    assert np.all(np.diff(image.grey, axis=1) > 0.5)


@pytest.mark.parametrize("shape", [(40, 52), (41, 37)])
def test_the_tilted_plate_solves_its_equations(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    inner = shape[0] - 1, shape[1] - 1
    right, down = (rng.uniform(0.5, 1.5, inner).astype(np.float32) for _ in range(2))
    tilt = Tilt(right, down, rng.uniform(0, 2, inner).astype(np.float32))
    weight = rng.uniform(0.1, 1, shape).astype(np.float32)
    compliance = rng.uniform(0.5, 2, shape).astype(np.float32)
    residual = rng.standard_normal(inner).astype(np.float32)
    found = TiltedPlate(weight, compliance, 3.0, [tilt]).correction([residual], Iterations(200))

    def energy(f: Field) -> float:
        stiff = np.float32(3) / compliance
        xx = f[:, 2:] - 2 * f[:, 1:-1] + f[:, :-2]
        yy = f[2:] - 2 * f[1:-1] + f[:-2]
        xy = f[1:, 1:] - f[1:, :-1] - f[:-1, 1:] + f[:-1, :-1]
        bent = np.sum(stiff[:, 1:-1] * xx**2) + np.sum(stiff[1:-1] * yy**2)
        bent += 2 * np.sum(corners(stiff) * xy**2)
        missed = tilt.of(f) - residual
        return float(np.sum(weight * f**2) + bent + np.sum(tilt.information * missed**2))

    least = energy(found)
    for _ in range(5):
        aside = 3e-2 * rng.standard_normal(shape, np.float32)
        assert energy(found + aside) > least
        assert energy(found - aside) > least


def test_coarser_grids_begin_with_the_long_waves_that_nothing_holds() -> None:
    """Half of the plate is measured, all of it is lit."""
    rng = np.random.default_rng(0)
    one = np.ones((191, 191), np.float32)
    tilt = Tilt(one, 0.3 * one, 0.5 * one)
    weight = np.full((192, 192), 1e-6, np.float32)
    weight[:, :96] = 1
    plate = TiltedPlate(weight, np.ones_like(weight), 3.0, [tilt])
    residual = np.asarray(blurred(rng.standard_normal((191, 191), np.float32), 4.0))
    settled = plate.correction([residual], Iterations(400))

    def far(iterations: Iterations) -> float:
        off = plate.correction([residual], iterations) - settled
        return float(np.linalg.norm(off) / np.linalg.norm(settled))

    # Seen: 0.48 and 0.73. A step on the finest grid costs as much as four on the next.
    assert far(Iterations(8, 6, 16)) < 0.8 * far(Iterations(14))


def test_what_the_surface_took_already_is_resisted_like_the_rest() -> None:
    rng = np.random.default_rng(0)
    one = np.ones((39, 39), np.float32)
    tilt = Tilt(one, 0.5 * one, one)
    weight = np.full((40, 40), 0.3, np.float32)
    plate = TiltedPlate(weight, np.ones_like(weight), 3.0, [tilt])
    residual = rng.standard_normal((39, 39)).astype(np.float32)
    whole = plate.correction([residual], Iterations(100))
    part = 0.4 * whole
    rest = plate.correction([residual - tilt.of(part)], Iterations(100), part)
    # Float32: corrections are of the order of 0.1.
    np.testing.assert_allclose(part + rest, whole, atol=1e-5)


def noise_of(slopes: float, seed: int = 0) -> Noise:
    """Of brightness that is albedo (four times the power an octave) and white slopes."""
    rng = np.random.default_rng(seed)
    side = 256
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    size = np.maximum(np.hypot(fx, fy), 1 / side)

    def drawn(amplitude: NDArray[np.floating]) -> Field:
        white = np.fft.rfft2(rng.standard_normal((side, side)))
        return np.asarray(np.fft.irfft2(white * amplitude, (side, side)), np.float32)

    albedo = drawn((0.25 / size) ** 2) * np.float32(0.2)
    relief = drawn(np.abs(fx) / size) * np.float32(slopes)
    one = np.ones((side, side), np.float32)
    found = measure_noise(albedo + relief, 0 * one, one, one, 0 * one)
    assert found is not None
    return found


def test_albedo_leaves_the_finest_waves_to_shading() -> None:
    albedo, relief = noise_of(0.0), noise_of(3.0)
    assert albedo.finest and albedo.width_px == 0.5 and albedo.narrow
    assert albedo.slopes[2] < 1.2
    assert not relief.finest and relief.width_px >= 1.5


# Across the pair's sun on the ground, where that one shows no slopes.
OTHER_SUN = np.array([0.35, -0.75, -0.55]) / np.linalg.norm([0.35, -0.75, -0.55])


def slopes_left(truth: Field, found: Field) -> tuple[float, float]:
    """RMS steps along both axes that a surface lacks, of those of the truth."""
    rest, whole = steps(np.log(found)), steps(np.log(half(truth)))
    inner = (slice(12, -12),) * 2
    right, down = (
        float(np.std((a - b)[inner]) / np.std(b[inner])) for a, b in zip(rest, whole, strict=True)
    )
    return right, down


def test_an_image_under_another_sun_tells_the_slopes_across_the_first() -> None:
    truth = 1 + sines(2e-6)
    grey, other = (brightness(truth, seed) for seed in (1, 2))
    one = shade(view(grey), other, EVERYWHERE, plated(truth), draws=8)
    second = OtherLight(brightness(truth, 3, OTHER_SUN), EVERYWHERE)
    two = shade(view(grey), other, EVERYWHERE, plated(truth), [second], 8)
    before, after = (slopes_left(truth, 1 + found.departure) for found in (one, two))
    (told,) = two.told.other_suns
    assert told.reason is None and told.explained > 0.6
    assert np.hypot(*told.shift_px) < 0.3
    assert after[1] < 0.8 * before[1]  # down, across the pair's sun: seen 0.71
    assert after[0] < 1.1 * before[0]
    errors = np.random.default_rng(5).standard_normal((8, *PLATE.shape)).astype(np.float32)
    errors = np.stack([blurred(error, 3.0) for error in errors]) * np.float32(1e-4)
    left = [np.std(np.diff(found.of_draws(errors), axis=1)) for found in (one, two)]
    assert left[1] < 0.9 * left[0]  # the expected errors know of it


def test_an_image_whose_pose_is_off_is_moved_back() -> None:
    truth = 1 + sines(2e-6)
    grey, other = (brightness(truth, seed) for seed in (1, 2))
    shown = brightness(truth, 3, OTHER_SUN)
    right = shade(view(grey), other, EVERYWHERE, plated(truth), [OtherLight(shown, EVERYWHERE)])
    moved = np.roll(shown, (4, -6), axis=(0, 1))
    found = shade(view(grey), other, EVERYWHERE, plated(truth), [OtherLight(moved, EVERYWHERE)])
    (told,) = found.told.other_suns
    assert told.shift_px == pytest.approx((-6, 4), abs=0.4)
    assert (
        slopes_left(truth, 1 + found.departure)[1]
        < 1.15 * (slopes_left(truth, 1 + right.departure)[1])
    )


def test_an_image_of_other_ground_is_left_out() -> None:
    truth = 1 + sines(2e-6)
    grey, other = (brightness(truth, seed) for seed in (1, 2))
    alone = shade(view(grey), other, EVERYWHERE, plated(truth))
    strange = OtherLight(brightness(1 + sines(2e-6, seed=9), 3, OTHER_SUN), EVERYWHERE)
    found = shade(view(grey), other, EVERYWHERE, plated(truth), [strange])
    (told,) = found.told.other_suns
    assert told.reason == "the brightness does not follow the slopes"
    np.testing.assert_array_equal(found.departure, alone.departure)


def test_an_image_from_elsewhere_is_seen_through_the_surface() -> None:
    # A level plane at 2 baselines, seen from 0.1 baselines to the right at twice the resolution.
    here = view(np.zeros((SIZE, SIZE), np.float32))
    camera = Intrinsics(2 * FOCAL, 2 * FOCAL, float(SIZE), float(SIZE))
    columns = np.broadcast_to(np.arange(2 * SIZE, dtype=np.float32) / 4, (2 * SIZE, 2 * SIZE))
    other = OtherView(columns.copy(), camera, np.eye(3), np.array([-0.1, 0, 0]))
    plane = np.full((SIZE, SIZE), 0.5, np.float32)
    seen = OtherLight.through(here, other, plane)
    left = FOCAL * 0.1 * 0.5  # pixels of the view that the ground moves to the left
    wanted = (2 * (np.arange(SIZE) + 0.5 - left) - 0.5) / 4
    shown = seen.inside[128]
    assert seen.inside.shape == (SIZE, SIZE)
    assert 0.8 < shown.mean() < 1 - left / SIZE + 0.02
    np.testing.assert_allclose(seen.grey[128][shown], wanted[shown], atol=0.05)
