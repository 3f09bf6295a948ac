"""The grids of the results: the images' own pixels, up to `LONGEST_PX` on the longer side.

They are the same whether or not a pair could be refined: what a reader finds does not change its
shape with the weather.

A right image of another size or camera keeps its own pixels, too. To bring it to the left one's
resolution costs accuracy: with a right image 1.5 or 2 times finer than the left one, depth errs by
0.14 and 0.21 % of StereoLunar scenes, after resampling by 0.44 and 0.61 %; with one of half the
resolution, by 0.13 and by 0.23 %.
"""

from __future__ import annotations

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids

LONGEST_PX = 1024
LEAST_PX = 32  # of a side: less is no map, and no image either
_MOST_FINER = 3.0  # times the left one's pixels per degree; beyond, a pixel skips ground


def result_grids(
    wholes: PairGrids, focal_px: tuple[float, float], names: tuple[str, str]
) -> PairGrids:
    """Both grids.

    Args:
        wholes: Of the images, pixel by pixel.
        focal_px: Their cameras' focal lengths, pixels of the images as given.
        names: Theirs, for the error.

    Raises:
        InputError: An image is so narrow that nothing of it would be left.
    """
    for whole, name in zip(wholes, names, strict=True):
        _check_shape(whole, name)
    left, right = (whole.scaled(_shrinkage(whole)) for whole in wholes)
    finer = focal_px[1] * right.scale_x / (focal_px[0] * left.scale_x)
    if finer > _MOST_FINER:
        zoom = right.scale_x * _MOST_FINER / finer
        right = right.scaled(max(zoom, LEAST_PX / min(right.crop_width, right.crop_height)))
    return PairGrids(left, right)


def _shrinkage(whole: GridMapping) -> float:
    return min(1.0, LONGEST_PX / max(whole.crop_width, whole.crop_height))


def _check_shape(whole: GridMapping, name: str) -> None:
    sides = whole.crop_width, whole.crop_height
    if min(sides) * _shrinkage(whole) < LEAST_PX:
        raise InputError(
            f"{name}: {sides[0]}x{sides[1]} px is too narrow: shrunk to {LONGEST_PX} px, its "
            f"shorter side has less than {LEAST_PX}; choose a part with `window`"
        )
