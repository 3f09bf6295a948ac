"""What known lengths say of the scale that they make."""

from __future__ import annotations

import pytest
from lunar_runtime.geometry.scale import Scale, ScaleSource
from lunar_runtime.inference.lengths import doubt_scale


@pytest.mark.parametrize(("sigma", "doubted"), [(None, False), (0.03, False), (0.065, True)])
def test_metres_that_are_known_badly_are_a_doubt(sigma: float | None, doubted: bool) -> None:
    said = doubt_scale(Scale(1000.0, ScaleSource.BASELINE, sigma=sigma))
    assert len(said) == doubted
    assert all(one.startswith("metres are known to 6% only") for one in said)
