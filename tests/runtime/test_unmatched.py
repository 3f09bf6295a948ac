"""Detail that both images show, another one in each."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry.fields import Field, blurred
from lunar_runtime.refinement.unmatched import unmatched
from numpy.typing import NDArray

SHAPE = (160, 256)
EVERYWHERE: NDArray[np.bool_] = np.ones(SHAPE, bool)
BLOCK = np.s_[40:104, 100:164]  # a tenth of it


def ground(seed: int, contrast_dn: float = 20) -> Field:
    fine = blurred(np.random.default_rng(seed).standard_normal(SHAPE, np.float32), 1.5)
    return np.asarray(128 + contrast_dn * fine / fine.std(), np.float32)


def alike(block: float) -> Field:
    found = np.full(SHAPE, 0.95, np.float32)
    found[BLOCK] = block
    return found


def test_a_block_of_another_image_shows_by_its_area() -> None:
    left, right = ground(0), ground(0)
    right[BLOCK] = ground(1)[BLOCK]
    assert unmatched(left, right, alike(0.1), EVERYWHERE) == pytest.approx(0.1, rel=0.05)
    assert unmatched(left, right, alike(0.8), EVERYWHERE) == 0


def test_where_there_is_nothing_to_match_nothing_is_another() -> None:
    left, right = ground(0, contrast_dn=1), ground(0, contrast_dn=1)
    assert unmatched(left, right, alike(0.1), EVERYWHERE) == 0


def test_what_only_one_image_shows_and_single_pixels_do_not_count() -> None:
    left, right = ground(0), ground(1)
    inside = EVERYWHERE.copy()
    inside[:, 90:170] = False
    assert unmatched(left, right, alike(0.1), inside) == 0
    few = np.where(np.random.default_rng(2).uniform(size=SHAPE) < 0.05, 0.1, 0.95)
    assert unmatched(left, right, few.astype(np.float32), EVERYWHERE) == 0
    right[:, 90:170] = np.nan  # of pixels outside nothing is known
    assert unmatched(left, right, alike(0.1), inside) == 0
