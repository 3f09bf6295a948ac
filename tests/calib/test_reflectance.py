from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.choices import Reflectance
from lunar_calib.render.reflectance import (
    HAPKE_B0,
    HAPKE_GAMMA,
    hapke,
    hapke_phase,
    lunar_lambert,
    phase_term,
    reflect,
)
from numpy.typing import NDArray

f = np.float32


def one(value: float) -> NDArray[np.float32]:
    return np.array([value], f)


@pytest.mark.parametrize("model", list(Reflectance))
@pytest.mark.parametrize(("mu0", "mu"), [(-0.1, 0.5), (0.5, -0.1), (0.0, 0.5), (0.5, 0.0)])
def test_ground_that_sees_no_sun_or_no_camera_is_black(
    model: Reflectance, mu0: float, mu: float
) -> None:
    assert reflect(model, one(mu0), one(mu), phase_term(model, one(0.5)))[0] == 0


def test_hapke_phase_at_opposition_is_the_surge_times_the_phase_function() -> None:
    # g = 0: B = B0 and P = (4π/5)(π/π) = 4π/5.
    assert hapke_phase(one(1.0))[0] == pytest.approx((1 + HAPKE_B0) * 4 * np.pi / 5, rel=1e-5)


def test_hapke_phase_at_a_right_angle_has_no_surge() -> None:
    # g = 90°: P = (4π/5)(1/π + 1/10).
    expected = 4 * np.pi / 5 * (1 / np.pi + 0.1)
    assert hapke_phase(one(0.0))[0] == pytest.approx(expected, rel=1e-5)


def test_hapke_phase_has_no_jump_where_the_surge_ends() -> None:
    values = hapke_phase(np.array([1e-3, -1e-3], f))
    # Its slope there: dP/dg is of order 1, so 2 mrad change it by a few thousandths.
    assert abs(values[0] - values[1]) < 0.02


def test_hapke_with_sun_and_camera_overhead_is_its_formula() -> None:
    h = 1.5 / (0.5 + HAPKE_GAMMA)
    phase = (1 + HAPKE_B0) * 4 * np.pi / 5
    expected = (1 - HAPKE_GAMMA**2) / (4 * np.pi) * 0.5 * (phase + h * h - 1)
    value = hapke(one(1.0), one(1.0), hapke_phase(one(1.0)))[0]
    assert value == pytest.approx(expected, rel=1e-5)


def test_lunar_lambert_is_lommel_seeliger_at_opposition() -> None:
    value = lunar_lambert(one(0.3), one(0.6), one(1.0))[0]
    assert value == pytest.approx(2 * 0.3 / 0.9, rel=1e-5)


def test_lunar_lambert_weight_at_60_degrees_is_the_published_cubic() -> None:
    weight = 1 - 0.019 * 60 + 2.42e-4 * 60**2 - 1.46e-6 * 60**3
    value = lunar_lambert(one(0.3), one(0.6), one(0.5))[0]
    assert value == pytest.approx(2 * weight * 0.3 / 0.9 + (1 - weight) * 0.3, rel=1e-4)
