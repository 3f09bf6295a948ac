"""The grids of the results: the images' own pixels, up to `longest_px` on the longer side.

They are the same whether or not a pair could be refined: what a reader finds does not change its
shape with the weather.

A right image that is coarser than the left one, in pixels per degree, keeps its pixels: made finer,
depth errs twice as much. One that is finer is shrunk to the left one's resolution; else pixels of
the left image would skip ground in the right one. docs/guides/image-frames.md has the figures.
"""

from __future__ import annotations

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids

LEAST_PX = 32  # of a side: less is no map, and no image either
_ALIKE = 1.1  # times finer: less is not worth another resampling


def result_grids(
    wholes: PairGrids,
    focal_px: tuple[float, float],
    names: tuple[str, str],
    longest_px: int,
) -> PairGrids:
    """Both grids.

    Args:
        wholes: Of the images, pixel by pixel.
        focal_px: Their cameras' focal lengths, pixels of the images as given.
        names: Theirs, for the error.
        longest_px: Of an image's longer side, at most.

    Raises:
        InputError: An image is so narrow that nothing of it would be left.
    """
    for whole, name in zip(wholes, names, strict=True):
        _check_shape(whole, name, longest_px)
    left, right = (whole.scaled(_shrinkage(whole, longest_px)) for whole in wholes)
    finer = focal_px[1] * right.scale_x / (focal_px[0] * left.scale_x)
    if finer > _ALIKE:
        zoom = right.scale_x / finer
        right = right.scaled(max(zoom, LEAST_PX / min(right.crop_width, right.crop_height)))
    return PairGrids(left, right)


def _shrinkage(whole: GridMapping, longest_px: int) -> float:
    return min(1.0, longest_px / max(whole.crop_width, whole.crop_height))


def _check_shape(whole: GridMapping, name: str, longest_px: int) -> None:
    sides = whole.crop_width, whole.crop_height
    if min(sides) * _shrinkage(whole, longest_px) < LEAST_PX:
        raise InputError(
            f"{name}: {sides[0]}x{sides[1]} px is too narrow: shrunk to {longest_px} px, its "
            f"shorter side has less than {LEAST_PX}; choose a part with `window`"
        )
