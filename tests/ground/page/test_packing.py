"""Packed maps hold what they were packed from, to within the stated error."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pytest
from lunar_ground.page.layers import BY_NAME, LAYERS
from lunar_ground.page.packing import Packed, pack
from numpy.typing import NDArray


def unpack(packed: Packed, shape: tuple[int, int]) -> NDArray[np.float64]:
    """As the format is told in the module: written anew here, pixel by pixel."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed.data)), np.uint8)
    low, high = planes.reshape(2, *shape).astype(np.int64)
    folded = low + 256 * high
    rest = np.where(folded % 2, -(folded + 1) // 2, folded // 2)
    codes = np.zeros((shape[0] + 1, shape[1] + 1), np.int64)
    for y in range(shape[0]):
        for x in range(shape[1]):
            guess = codes[y + 1, x] + codes[y, x + 1] - codes[y, x]
            codes[y + 1, x + 1] = (rest[y, x] + guess) % 65536
    steps = (codes[1:, 1:] - 1) * packed.step
    values = packed.lo * np.exp(steps) if packed.log else packed.lo + steps
    return np.where(codes[1:, 1:] == 0, np.nan, values)


@pytest.mark.parametrize(
    "layer", [one for one in LAYERS if one.kept != "derived"], ids=lambda one: one.name
)
def test_a_map_comes_back_within_the_stated_error(layer: Any) -> None:
    rng = np.random.default_rng(1)
    values = 20 + 15 * np.sin(np.arange(23)[:, None] / 5) + rng.normal(0, 0.3, (23, 31))
    values[3:5, 7:20] = np.nan
    packed = pack(values, layer)
    found = unpack(packed, (23, 31))
    assert np.array_equal(np.isnan(found), np.isnan(values))
    off = np.abs(found / values - 1 if packed.log else found - values)
    assert 0 < np.nanmax(off) <= 1.02 * packed.error  # 1.02: exp of half a step is not 1 + half


def test_depth_takes_all_of_the_codes_between_its_extremes() -> None:
    depth = np.linspace(12_000, 24_000, 600).reshape(20, 30)
    packed = pack(depth, BY_NAME["depth"])
    assert packed.error == pytest.approx(12_000 / 65534 / 2)
    found = unpack(packed, (20, 30))
    assert (found.min(), found.max()) == pytest.approx((12_000, 24_000))


@pytest.mark.parametrize("value", [np.nan, np.inf, 5.0])
def test_a_map_of_one_value_or_none_is_exact(value: float) -> None:
    found = unpack(pack(np.full((2, 3), value), BY_NAME["depth"]), (2, 3))
    assert np.array_equal(
        found, np.full((2, 3), value if np.isfinite(value) else np.nan), equal_nan=True
    )


def test_what_has_no_logarithm_is_no_value() -> None:
    found = unpack(pack(np.array([[0.0, -1.0, 2.0]]), BY_NAME["depth_sigma"]), (1, 3))
    assert np.isnan(found[0, :2]).all()
    assert found[0, 2] == pytest.approx(2)
