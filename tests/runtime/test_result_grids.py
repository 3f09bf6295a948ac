"""The grids of the results: sizes, and the right image's resolution beside the left one's."""

from __future__ import annotations

import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result_grids import result_grids

LONGEST_PX = InferOptions.longest_px
NAMES = ("a.png", "b.png")
ALIKE = (500.0, 500.0)


def pair(left: tuple[int, int], right: tuple[int, int] | None = None) -> PairGrids:
    return PairGrids(GridMapping.whole(*left), GridMapping.whole(*(right or left)))


def shapes(grids: PairGrids) -> list[tuple[int, int]]:
    return [(grid.grid_height, grid.grid_width) for grid in grids]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((600, 900), (600, 900)),
        ((1024, 1024), (1024, 1024)),
        ((256, 1024), (256, 1024)),
        ((3000, 2000), (1024, 683)),
        ((9000, 290), (1024, 33)),
    ],
)
def test_results_have_all_pixels_of_the_images_up_to_1024(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    grids = result_grids(pair(size), ALIKE, NAMES, LONGEST_PX)
    assert shapes(grids) == [expected] * 2
    assert grids.left.crop == (0, 0, size[1], size[0])
    assert grids.left == grids.right


def test_more_pixels_are_given_where_more_are_asked_for() -> None:
    assert shapes(result_grids(pair((3000, 2000)), ALIKE, NAMES, 2048)) == [(2048, 1365)] * 2
    assert shapes(result_grids(pair((600, 900)), ALIKE, NAMES, 2048)) == [(600, 900)] * 2


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.05])
def test_a_coarser_right_image_keeps_its_pixels(factor: float) -> None:
    size = round(400 * factor), round(500 * factor)
    grids = result_grids(pair((400, 500), size), (600.0, 600.0 * factor), NAMES, LONGEST_PX)
    assert shapes(grids) == [(400, 500), size]
    assert grids.right.crop == (0, 0, size[1], size[0])


@pytest.mark.parametrize("factor", [1.5, 2.0, 4.0])
def test_a_finer_right_image_comes_to_the_left_ones_resolution(factor: float) -> None:
    size = round(200 * factor), round(240 * factor)
    grids = result_grids(pair((200, 240), size), (300.0, 300.0 * factor), NAMES, LONGEST_PX)
    assert shapes(grids) == [(200, 240)] * 2
    assert grids.right.crop == (0, 0, size[1], size[0])
    telephoto = result_grids(pair((400, 500)), (600.0, 600.0 * factor), NAMES, LONGEST_PX)
    assert shapes(telephoto) == [(400, 500), (round(400 / factor), round(500 / factor))]


def test_a_right_image_never_shrinks_to_nothing() -> None:
    grids = result_grids(pair((100, 100)), (100.0, 1e6), NAMES, LONGEST_PX)
    assert shapes(grids) == [(100, 100), (32, 32)]


@pytest.mark.parametrize(
    ("left", "right", "name"), [((31, 1024), (64, 64), "a.png"), ((64, 64), (9000, 100), "b.png")]
)
def test_an_image_too_narrow_for_a_map_is_refused(
    left: tuple[int, int], right: tuple[int, int], name: str
) -> None:
    with pytest.raises(InputError, match=rf"{name}: .* px is too narrow: .* choose a part with `w"):
        result_grids(pair(left, right), ALIKE, NAMES, LONGEST_PX)
