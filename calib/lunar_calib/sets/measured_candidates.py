"""Candidates that were looked at: what was measured of them, or why they cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage
from lunar_runtime.inference.pair import check_pair

from lunar_calib.sets.augmentation import UNCHANGED, draw_augmentations
from lunar_calib.sets.candidates import CandidatePair, CandidateSource
from lunar_calib.sets.image_statistics import measure_pair, pixel_sha256, problem_of_image
from lunar_calib.sets.selection import Facts
from lunar_calib.sets.tracking import Track


@dataclass(frozen=True)
class Measured:
    """A candidate that can be used, in one of its augmentations.

    Attributes:
        candidate: Gives the images.
        facts: What decides about it.
        original_sha256: Of the left and right pixels, before augmentation.
        square: Whether they are as high as wide.
    """

    candidate: CandidatePair
    facts: Facts
    original_sha256: tuple[str, str]
    square: bool


def look_at(sources: dict[str, CandidateSource], track: Track[CandidatePair]) -> list[Measured]:
    """Read and measure every candidate; files first, so that bad ones are told before rendering.

    Args:
        sources: By name.
        track: Wraps the loop over a source's candidates: (candidates, its name, their number).

    Raises:
        InputError: Images or pairs that cannot be used; all are named.
    """
    problems: dict[str, None] = {}  # in order, each once
    measured: dict[tuple[str, str], Measured] = {}
    for name, source in sorted(sources.items(), key=lambda item: item[1].kind == "rendered"):
        if problems and source.kind == "rendered":
            break
        for candidate in track(source.candidates(), name, source.count):
            left, right = _load(candidate, problems)
            if left is None or right is None:
                continue
            try:
                check_pair(left, right)
            except InputError as error:
                problems[str(error)] = None
                continue
            digests = (pixel_sha256(left.pixels), pixel_sha256(right.pixels))
            if digests in measured:
                earlier = measured[digests].candidate.scene
                problems[f"{left.name}, {right.name}: the same images as {earlier}"] = None
                continue
            facts = Facts(
                name,
                candidate.scene,
                UNCHANGED,
                measure_pair(left.pixels, right.pixels),
                candidate.altitude_m,
                candidate.sun_elevation_deg,
            )
            square = left.size[0] == left.size[1]
            measured[digests] = Measured(candidate, facts, digests, square)
    if problems:
        raise InputError(f"unusable images ({len(problems)}): {' | '.join(problems)}")
    return list(measured.values())


def _load(
    candidate: CandidatePair, problems: dict[str, None]
) -> tuple[GreyImage | None, GreyImage | None]:
    images: list[GreyImage | None] = []
    for load in (candidate.left, candidate.right):
        try:
            image = load()
            problem = problem_of_image(image.pixels, image.name)
        except InputError as error:
            problem = str(error)
        if problem:
            problems[problem] = None
        images.append(None if problem else image)
    return images[0], images[1]


def offer(measured: list[Measured], augmented: int, seed: int) -> list[Measured]:
    """Each candidate as it is, followed by so many augmented copies, drawn by the seed."""
    offered = []
    for number, one in enumerate(measured):
        offered.append(one)
        rng = np.random.default_rng([seed, number, 13])
        for augmentation in draw_augmentations(rng, augmented, square=one.square):
            offered.append(replace(one, facts=replace(one.facts, augmentation=augmentation)))
    return offered
