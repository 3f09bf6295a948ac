"""The preview's panel of a landing: readable on images of every size, with the vehicle's limits."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.landing.hazards import HAZARDOUS, SAFE
from lunar_runtime.landing.lander import Lander
from lunar_runtime.report.landing_panel import landing_panel

LANDER = Lander(footprint_diameter_m=10, slope_limit_deg=9, roughness_limit_m=0.4)


@pytest.mark.parametrize(("side", "drawn"), [(64, 512), (256, 512), (512, 512), (1024, 1024)])
def test_small_images_are_enlarged_so_that_numbers_can_be_read(side: int, drawn: int) -> None:
    classes = np.full((side, side), SAFE, np.float32)
    classes[: side // 4] = HAZARDOUS
    grey = np.full((side, side), 100, np.uint8)
    at = side * 0.75
    panel = landing_panel(grey, classes, [(at, at)], LANDER, "75% of places")
    picture = panel.picture
    assert picture.shape == (drawn, drawn, 3)
    assert picture[0, 0, 2] > picture[0, 0, 0]  # orange
    assert picture[drawn // 2, 0, 0] > picture[drawn // 2, 0, 2]  # blue
    rows, columns = np.nonzero((picture > 200).all(axis=2))  # circle and number
    assert np.hypot(rows - drawn * 0.75, columns - drawn * 0.75).max() < drawn * 0.06
    assert np.ptp(rows) + 1 >= 2 * round(drawn / 60)


def test_the_legend_has_the_vehicles_limits_and_whose_definitions_these_are() -> None:
    flat = np.zeros((64, 64), np.uint8)
    panel = landing_panel(flat, flat, [], LANDER, "no place is called safe")
    assert panel.foot == (
        "10 m wide, 4 pads; safe from P 0.95",
        "slope to 9 deg, roughness to 0.4 m",
        "worst heading; as AIAA 2013-5019",
    )
    assert "grey: unknown" in panel.note
