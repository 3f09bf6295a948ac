"""Pairs by pose: which frames of StereoLunar's layout see the same ground from two places.

The ground is taken for the Moon's mean sphere. A frame is paired with the one that shares most of
its view, from elsewhere; of equals, with the one whose number is nearest. In the published scenes
that is im_N and im_N+1 under the same sun: what their numbers say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, read_image
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.datasets.stereolunar_frames import read_camera
from lunar_calib.datasets.stereolunar_scenes import find_frames, image_of
from lunar_calib.sets.candidates import (
    CandidatePair,
    CandidateSource,
    altitude_of,
    notices_in,
    stated_licence,
)
from lunar_calib.specs import pinhole

LEAST_OVERLAP = 0.2
"""Of either image's ground, on the sphere; relief moves what is really shared by a tenth or so."""

BASE_TO_HEIGHT = (0.005, 2.0)
"""Less shows no parallax, and more is not the same ground any more."""

_SAMPLES = 9


@dataclass(frozen=True)
class PosedFrame:
    """A frame and its camera.

    Attributes:
        number: N of `im_N`.
        stem: Path without suffix.
        K: 3x3 intrinsics, pixel centres at +0.5.
        pose: 4x4 cam2world, metres, OpenCV axes.
    """

    number: int
    stem: Path
    K: NDArray[np.float64]
    pose: NDArray[np.float64]


def stereolunar(root: Path, licence: str | None = None) -> CandidateSource:
    """The pairs of every folder of posed frames, in a folder and below it.

    Args:
        root: Holds `im_N.npz` files with their images, somewhere.
        licence: Of the images, in words.

    Raises:
        InputError: No frame, a damaged camera, or frames that pair with none; all are named.
    """
    problems: list[str] = []
    folders: dict[Path, list[PosedFrame]] = {}
    for folder, found in find_frames(root).items():
        for number, stem in found:
            try:
                K, pose = read_camera(stem)
            except InputError as error:
                problems.append(str(error))
                continue
            folders.setdefault(folder, []).append(PosedFrame(number, stem, K, pose))
    pairs: list[tuple[PosedFrame, PosedFrame]] = []
    for frames in folders.values():
        paired, alone = pair_by_pose(frames)
        pairs += paired
        problems += [
            f"{frame.stem}: no other frame shares {LEAST_OVERLAP:.0%} of its ground from elsewhere"
            for frame in alone
        ]
    if problems:
        raise InputError(f"{len(problems)} frames cannot be paired: {' | '.join(problems)}")
    notices = notices_in(root)
    return CandidateSource(
        "stereolunar",
        len(pairs),
        partial(_candidates, root, pairs),
        stated_licence(licence, notices),
        notices,
    )


def pair_by_pose(
    frames: list[PosedFrame],
) -> tuple[list[tuple[PosedFrame, PosedFrame]], list[PosedFrame]]:
    """Pair the frames of a folder, each at most once.

    Returns:
        (left, right) pairs, the lower number left; and the frames that are left over.
    """
    rest = sorted(frames, key=lambda frame: frame.number)
    pairs, alone = [], []
    while rest:
        frame = rest.pop(0)
        shared = {i: shared_ground(frame, other) for i, other in enumerate(rest)}
        good = {i: overlap for i, overlap in shared.items() if overlap >= LEAST_OVERLAP}
        if good:
            # To a hundredth: equal poses stored in float32 differ in their last bits.
            best = max(good, key=lambda i: (round(good[i], 2), -i))
            pairs.append((frame, rest.pop(best)))
        else:
            alone.append(frame)
    return pairs, alone


def shared_ground(a: PosedFrame, b: PosedFrame) -> float:
    """The part of its ground that each image shares with the other, the lesser of both.

    0 where the base to height ratio is outside `BASE_TO_HEIGHT`.
    """
    baseline = float(np.linalg.norm(a.pose[:3, 3] - b.pose[:3, 3]))
    height = (altitude_of(a.pose) + altitude_of(b.pose)) / 2
    if height <= 0 or not BASE_TO_HEIGHT[0] <= baseline / height <= BASE_TO_HEIGHT[1]:
        return 0.0
    return min(_seen(a, b), _seen(b, a))


def _seen(of: PosedFrame, by: PosedFrame) -> float:
    points = pinhole.transform(pinhole.invert(by.pose), _ground(of))
    pixels = pinhole.project(points, by.K)
    limits = 2 * by.K[:2, 2]  # the principal point is in the middle, near enough
    inside = np.all((pixels >= 0) & (pixels < limits), axis=-1)
    return float(inside.mean())


def _ground(frame: PosedFrame) -> NDArray[np.float64]:
    """(N, 3) world points where a grid of the frame's rays meets the sphere; NaN beside it."""
    position = frame.pose[:3, 3]
    centred = np.linalg.norm(position) > MOON_RADIUS_M / 2
    centre = np.array([0.0, 0.0, 0.0 if centred else -MOON_RADIUS_M])
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES * 2
    x, y = np.meshgrid(steps * frame.K[0, 2], steps * frame.K[1, 2])
    pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    rays = (frame.pose[:3, :3] @ np.linalg.solve(frame.K, pixels)).T  # (N, 3)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    offset = position - centre
    along = rays @ offset
    inner = along**2 - (offset @ offset - MOON_RADIUS_M**2)
    distance = np.where(inner >= 0, -along - np.sqrt(np.maximum(inner, 0)), np.nan)
    return np.asarray(position + distance[:, None] * rays)


def _candidates(root: Path, pairs: list[tuple[PosedFrame, PosedFrame]]) -> Iterator[CandidatePair]:
    for left, right in pairs:
        folder = left.stem.parent.relative_to(root).as_posix()
        yield CandidatePair(
            scene=f"{folder}/{left.stem.name} {right.stem.name}",
            left=partial(_read, left.stem),
            right=partial(_read, right.stem),
            altitude_m=round((altitude_of(left.pose) + altitude_of(right.pose)) / 2, 1),
        )


def _read(stem: Path) -> GreyImage:
    return read_image(image_of(stem))
