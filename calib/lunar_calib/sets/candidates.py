"""Pairs that may become part of a calibration set, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.sets.calibration_manifest import SourceKind

_NOTICES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING", "NOTICE", "NOTICE.txt")
_NOT_STATED = "not stated"


@dataclass(frozen=True)
class CandidatePair:
    """A pair that may become part of a set.

    Attributes:
        scene: Which one it is, unique in its source.
        left: Gives the left image, or raises `InputError`.
        right: Gives the right image, or raises `InputError`.
        altitude_m: As `PairRecord`'s, as are the others.
        sun_elevation_deg: Degrees.
        seed: Of a rendered pair.
    """

    scene: str
    left: Callable[[], GreyImage]
    right: Callable[[], GreyImage]
    altitude_m: float | None = None
    sun_elevation_deg: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class CandidateSource:
    """Some pairs of one origin.

    Attributes:
        kind: How they are read.
        count: How many pairs.
        candidates: Gives them, in a fixed order; rendering happens here.
        licence: In words.
        notices: Licence and notice files to go with the set: content by name.
    """

    kind: SourceKind
    count: int
    candidates: Callable[[], Iterator[CandidatePair]]
    licence: str = _NOT_STATED
    notices: Mapping[str, bytes] = field(default_factory=dict)


def altitude_of(pose: NDArray[np.float64]) -> float:
    """Height of a camera above the mean sphere, metres.

    Args:
        pose: 4x4 cam2world, Moon-centred, or with the origin on the sphere and z up.
    """
    position = pose[:3, 3]
    distance = float(np.linalg.norm(position))
    return distance - MOON_RADIUS_M if distance > MOON_RADIUS_M / 2 else float(position[2])


def notices_in(folder: Path) -> dict[str, bytes]:
    """Content of a folder's licence and notice files, by name.

    Raises:
        InputError: One cannot be read.
    """
    try:
        found = [folder / name for name in _NOTICES if (folder / name).is_file()]
        return {file.name: file.read_bytes() for file in found}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error


def stated_licence(licence: str | None, notices: Mapping[str, bytes]) -> str:
    """What a manifest says of a source's licence: the words given, or where to look."""
    return licence or ("see its notices" if notices else _NOT_STATED)
