"""Images of the same ground under other suns, and the file that tells of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.images import read_image
from lunar_runtime.files.regular_file import read_regular, text_bytes
from lunar_runtime.files.strict_json import check_json
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.geometry.rig import rigid_transform
from lunar_runtime.geometry.views import OtherView, Pair

_MAX_BYTES = 1 << 20
_MOST = 8  # each costs as much as the pair's own shading


@dataclass(frozen=True, eq=False)
class OtherSun:
    """An image of the left view's ground under another sun.

    Attributes:
        grey: (h, w) uint8 grey levels, undistorted.
        intrinsics: Of its camera, in pixels of `grey`; None = the left image's.
        other_from_left: (4, 4) rigid transform of points of the left camera's frame into this
            one's, metres; None = it was taken from the left camera's place.
    """

    grey: NDArray[np.uint8]
    intrinsics: Intrinsics | None = None
    other_from_left: NDArray[np.float64] | None = None


#: The images, or the path of a file that tells of them.
OtherSunsGiven = Sequence[OtherSun] | str | Path


def as_other_suns(given: OtherSunsGiven) -> tuple[OtherSun, ...]:
    """The images; see `read_other_suns` for a file's."""
    return read_other_suns(given) if isinstance(given, (str, Path)) else tuple(given)


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    image: str
    intrinsics: tuple[float, float, float, float] | None = None
    other_from_left: list[list[float]] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    other_suns: list[_Entry]


def read_other_suns(path: str | os.PathLike[str]) -> tuple[OtherSun, ...]:
    """Read a file of images under other suns.

    A JSON object::

        {"other_suns": [{"image": "noon.png",                     beside the file
                         "intrinsics": [fx, fy, cx, cy],          without it: the left image's
                         "other_from_left": [[…4], [0, 0, 0, 1]]  without it: the left's place
                        }]}

    Args:
        path: The JSON file.

    Raises:
        InputError: The file or an image cannot be read, or anything in it is not as above.
    """
    ask = "give a file of images under other suns"
    content = text_bytes(read_regular(path, _MAX_BYTES, "such a file", ask), path)
    try:
        check_json(content)
        entries = msgspec.json.decode(content, type=_File).other_suns
    except ValueError as error:
        raise InputError(f"{path}: not a file of images under other suns: {error}") from error
    if not 0 < len(entries) <= _MOST:
        raise InputError(f"{path}: other_suns holds {len(entries)} images; give 1 to {_MOST}")
    try:
        return tuple(_read(Path(path).parent, entry) for entry in entries)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read(folder: Path, entry: _Entry) -> OtherSun:
    intrinsics = None
    if entry.intrinsics is not None:
        if not (np.isfinite(entry.intrinsics).all() and min(entry.intrinsics[:2]) > 0):
            raise InputError(f"{entry.image}: intrinsics need to be fx, fy, cx, cy in pixels")
        intrinsics = Intrinsics(*entry.intrinsics)
    pose = None
    if entry.other_from_left is not None:
        pose = rigid_transform("other_from_left", entry.other_from_left)
    return OtherSun(read_image(folder / entry.image).pixels, intrinsics, pose)


def with_other_suns(
    pair: Pair,
    mapping: GridMapping,
    others: Sequence[OtherSun],
    baseline_m: float | None,
) -> Pair:
    """The pair, whose left view knows of its ground under other suns.

    Args:
        pair: On the result's grids.
        mapping: From the left image as given to its grid.
        others: The images.
        baseline_m: Of the pair; None = not told.

    Raises:
        InputError: An image has another size than the left one, and no intrinsics.
        UsageError: One was taken elsewhere, and nobody told the pair's baseline.
    """
    views = tuple(_view(other, pair, mapping, baseline_m) for other in others)
    return replace(pair, left=replace(pair.left, others=views))


def _view(other: OtherSun, pair: Pair, mapping: GridMapping, baseline_m: float | None) -> OtherView:
    pose = np.eye(4) if other.other_from_left is None else other.other_from_left
    t = pose[:3, 3]
    if t.any():
        if baseline_m is None:
            raise UsageError(
                "`other_suns` from another place need the pair's baseline: give a `rig` with the "
                "pose, or `baseline_m`"
            )
        t = t / baseline_m
    camera = other.intrinsics
    if camera is None:
        height, width = other.grey.shape
        if (width, height) != (mapping.source_width, mapping.source_height):
            raise InputError(
                f"other_suns: an image has {width}x{height} px, the left one "
                f"{mapping.source_width}x{mapping.source_height}; give its intrinsics"
            )
        x, y = mapping.crop_width / mapping.grid_width, mapping.crop_height / mapping.grid_height
        whole = pair.left.intrinsics.scaled(x, y)
        camera = Intrinsics(
            whole.fx, whole.fy, whole.cx + mapping.crop_x, whole.cy + mapping.crop_y
        )
    return OtherView(other.grey, camera, pose[:3, :3], t)
