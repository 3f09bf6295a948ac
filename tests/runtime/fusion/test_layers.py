"""Cells, tiles and the pyramid of them."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.fusion.cell_fusion import POWER, SMOOTHED, ViewCells, agreement, fused
from lunar_runtime.fusion.common_errors import ALL, Common
from lunar_runtime.fusion.layer import Layer
from lunar_runtime.fusion.tiles import SIDE, Tiles, Window, tile_bytes
from numpy.typing import NDArray

DRAWS = 8


def cells(
    height: float,
    sigma: float = 0.1,
    shape: tuple[int, int] = (4, 4),
    spacing: float = 0.01,
) -> ViewCells:
    errors = np.full((DRAWS, *shape), sigma, np.float32)
    errors[1::2] *= -1
    full = np.full(shape, 1, np.float32)
    return ViewCells(height * full, errors, sigma**2 * full, spacing * full)


def add(layer: Layer, view: ViewCells) -> Layer:
    return fused(layer, view, agreement(layer, view, 1.0))


def plane_layer(rows: int, columns: int, side: float) -> Layer:
    layer = Layer.empty(DRAWS, rows, columns)
    y, x = np.mgrid[rows:0:-1, :columns]
    layer.height[:] = side * (0.2 * (x + 0.5) - 0.1 * (y - 0.5))
    layer.weight[:] = layer.squares[:] = layer.votes[:] = 1
    return layer


def test_agreeing_heights_are_weighted_by_their_information() -> None:
    layer = add(add(Layer.empty(DRAWS, 4, 4), cells(1.0, 0.1)), cells(1.1, 0.2))
    # Errors of 0.1 and 0.2 m, beside which 0.4 of 1 cm is small.
    near, far = (sigma ** (-2 * POWER) for sigma in (0.1, 0.2))
    np.testing.assert_allclose(layer.height, 1 + 0.1 * far / (near + far), atol=1e-3)
    np.testing.assert_allclose(layer.votes, 2)
    np.testing.assert_allclose(layer.views(), (near + far) ** 2 / (near**2 + far**2), rtol=1e-2)


@pytest.mark.parametrize("finest", [0, 1])
def test_what_a_coarser_view_smoothes_away_weighs_it_down_in_either_order(finest: int) -> None:
    views = [cells(1.0, 0.02, spacing=0.1), cells(1.1, 0.02, spacing=1.0)]
    layer = Layer.empty(DRAWS, 4, 4)
    for view in views if finest == 0 else reversed(views):
        layer = add(layer, view)
    fine, coarse = ((0.02**2 + (SMOOTHED * width) ** 2) ** -POWER for width in (0.1, 1.0))
    np.testing.assert_allclose(layer.height, 1.0 + 0.1 * coarse / (fine + coarse), atol=1e-5)
    np.testing.assert_allclose(layer.weight, fine + coarse, rtol=1e-4)
    assert layer.views().max() < 1.1


def test_two_against_one_keep_their_height_whatever_the_order() -> None:
    for order in ((1.0, 9.0, 1.0, 1.0), (9.0, 1.0, 1.0, 1.0), (1.0, 1.0, 9.0, 1.0)):
        layer = Layer.empty(DRAWS, 4, 4)
        for height in order:
            layer = add(layer, cells(height))
        assert layer.height == pytest.approx(1.0)
        assert layer.known.all()


def test_one_against_one_is_not_known() -> None:
    layer = add(add(Layer.empty(DRAWS, 4, 4), cells(1.0)), cells(9.0))
    assert layer.seen.all()
    assert not layer.known.any()


def test_errors_that_both_share_are_no_reason_to_believe_a_difference() -> None:
    # Both err by the same metre, and apart from it by a centimetre: 0.5 m is then a difference.
    shape = (4, 4)
    common = np.random.default_rng(0).normal(0, 1, (DRAWS, 1, 1)).astype(np.float32)
    one, two = (
        ViewCells(view.height, view.errors + common, view.local, view.spacing)
        for view in (cells(0.0, 0.01, shape), cells(0.5, 0.01, shape))
    )
    layer = add(Layer.empty(DRAWS, *shape), one)
    assert not agreement(layer, two, 1.0).any()


def test_coarser_and_finer_cells_keep_a_plane() -> None:
    fine, coarse = plane_layer(16, 16, 0.5), plane_layer(8, 8, 1.0)
    np.testing.assert_allclose(fine.coarser().height, coarse.height, atol=1e-5)
    np.testing.assert_allclose(fine.coarser().out, 0, atol=1e-5)
    inner = (slice(1, -1),) * 2
    np.testing.assert_allclose(coarse.finer().height[inner], fine.height[inner], atol=1e-5)


def test_a_peak_in_a_part_stands_out_of_the_coarser_cell() -> None:
    fine = Layer.empty(DRAWS, 8, 8)
    fine.weight[:] = fine.votes[:] = 1
    fine.height[3, 4] = 2.0
    coarse = fine.coarser()
    assert coarse.height[1, 2] + coarse.out[1, 2] == pytest.approx(2.0)
    assert (coarse.height + coarse.out).max() == pytest.approx(2.0)


def test_a_disputed_fine_cell_is_not_known_to_coarser_ones() -> None:
    fine = plane_layer(8, 8, 0.5)
    fine.disputed[:4, :4] = 1
    coarse = fine.coarser()
    assert not coarse.known[:2, :2].any()
    assert coarse.seen[:2, :2].all()
    assert coarse.known[2:, 2:].all()


@pytest.mark.parametrize("level", [-3, 0, 2])
def test_a_window_covers_what_it_was_asked_for(level: int) -> None:
    window = Window.around(level, (-13.0, 40.0), (-7.5, 3.0))
    x, y = window.cells.axes()
    half = window.cells.side / 2
    assert x[0] - half <= -13.0 and x[-1] + half >= 40.0
    assert y[-1] - half <= -7.5 and y[0] + half >= 3.0
    np.testing.assert_allclose(window.finer().cells.axes()[0].mean(), x.mean(), rtol=1e-6)


def test_what_is_finest_counts_and_what_is_coarser_fills() -> None:
    tiles = Tiles(DRAWS, 100)
    coarse = Window(0, 0, 0, 1, 1)
    tiles.write(coarse, plane_layer(SIDE, SIDE, 1.0), 1)
    fine = Window(-1, 0, 0, 1, 1)
    better = plane_layer(SIDE, SIDE, 0.5)
    better.height[:] = 7.0
    tiles.write(fine, better, 2)
    seen = tiles.composed(Window(-1, 0, 0, 2, 2))
    assert seen.known.all()
    np.testing.assert_allclose(seen.height[:SIDE, :SIDE], 7.0)
    assert np.abs(seen.height[SIDE + 1 :, SIDE + 1 :]).max() < 100
    wide = tiles.composed(coarse)
    np.testing.assert_allclose(wide.height[: SIDE // 2, : SIDE // 2], 7.0)


def test_the_tile_not_seen_for_the_longest_goes_first() -> None:
    tiles = Tiles(DRAWS, 2)
    for number in range(3):
        window = Window(0, 0, number, 1, number + 1)
        tiles.write(window, plane_layer(SIDE, SIDE, 1.0), number)
    assert len(tiles) == 2
    assert tiles.forgotten == 1
    assert tiles.nbytes == 2 * tile_bytes(DRAWS)
    assert not tiles.read(Window(0, 0, 0, 1, 1)).seen.any()
    assert tiles.read(Window(0, 0, 2, 1, 3)).seen.all()


def ground(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.3 * x - 0.2 * y + 0.002 * x * y + 5)


@pytest.mark.parametrize("number", range(ALL))
def test_levers_are_what_a_small_move_does_to_the_height(number: int) -> None:
    x, y = (side.ravel() for side in np.mgrid[-20:20:9j, -20:20:9j])
    points = np.stack([x, y, ground(x, y)], axis=-1)
    common = Common.of(np.array([3.0, -4.0, 80.0]), points)
    small = np.zeros(ALL)
    small[number] = 1e-5
    moved = common.moved(points, small)
    # How much higher the moved ground is than the old one at the moved place.
    rise = moved[:, 2] - ground(moved[:, 0], moved[:, 1])
    levers = common.levers(points, 0.3 + 0.002 * y, -0.2 + 0.002 * x)
    np.testing.assert_allclose(rise / 1e-5, levers[:, number], rtol=1e-3, atol=2e-3)
