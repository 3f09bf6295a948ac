"""Results on grids of their own come to lie where they belong on the page's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_ground.page.grids import Grid, place
from lunar_ground.page.pairs import page_grid

WHOLE = (0, 0, 90, 60)


def ramp(grid: Grid) -> np.ndarray:
    """Columns of the image at the pixels' centres."""
    x, _, width, _ = grid.crop
    across = x + (np.arange(grid.shape[1]) + 0.5) / grid.shape[1] * width
    return np.tile(across, (grid.shape[0], 1))


def test_the_middle_of_an_image_lies_in_its_middle() -> None:
    middle, whole = Grid((15, 0, 60, 60), (30, 30)), Grid(WHOLE, (60, 90))
    placed = place(ramp(middle), middle, whole)
    assert np.isnan(placed[:, :15]).all()
    assert np.isnan(placed[:, 75:]).all()
    inner = slice(16, 74)  # beside the edge the nearest pixel stands for all
    assert placed[30, inner] == pytest.approx(ramp(whole)[30, inner], abs=1e-4)


def test_the_same_part_is_resized_as_the_benchmark_resizes() -> None:
    coarse, fine = Grid(WHOLE, (20, 30)), Grid(WHOLE, (60, 90))
    values = np.random.default_rng(0).normal(size=(20, 30))
    expected = cv2.resize(values, (90, 60), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(place(values, coarse, fine), expected)
    assert place(np.ones((60, 90)), fine, coarse) == pytest.approx(1)


def test_nan_spreads_and_invents_nothing() -> None:
    coarse, fine = Grid(WHOLE, (20, 30)), Grid(WHOLE, (60, 90))
    values = np.ones((20, 30))
    values[10, 10] = np.nan
    assert np.isnan(place(values, coarse, fine)[30:33, 30:33]).all()


def test_the_page_shows_most_at_the_finest_within_its_size() -> None:
    middle, whole = Grid((15, 0, 60, 60), (120, 120)), Grid(WHOLE, (30, 45))
    assert page_grid([middle, whole], 512) == Grid(WHOLE, (120, 180))
    assert page_grid([middle, whole], 90) == Grid(WHOLE, (60, 90))
    assert page_grid([Grid((0, 0, 1, 1), (1, 1))], 16).shape == (1, 1)
