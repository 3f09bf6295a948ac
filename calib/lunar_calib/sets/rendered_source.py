"""Calibration pairs out of nothing: rendered terrain."""

from __future__ import annotations

from functools import partial

from lunar_runtime.errors import UsageError
from lunar_runtime.files.images import GreyImage, grey_from_array

from lunar_calib.choices import ORBITAL_KINDS
from lunar_calib.render.processes import in_processes
from lunar_calib.render.renderer import render_pair
from lunar_calib.sets.calibration_manifest import FIRST_EVALUATION_SEED
from lunar_calib.sets.candidates import CandidatePair, CandidateSource
from lunar_calib.specs.pair_sampling import sample_spec

MOST_RENDERED = 10_000
"""Rendered candidates of one seed; the next seed's follow."""

MOST_SEEDS = FIRST_EVALUATION_SEED // MOST_RENDERED

_MOST_BYTES = 4 << 30  # rendered candidates wait in memory until the choice is made


def rendered(count: int, size_px: int, seed: int = 0, jobs: int = 1) -> CandidateSource:
    """Rendered terrain, in training's mix of styles, its three geometries in turn.

    Args:
        count: Pairs to render, up to `MOST_RENDERED`.
        size_px: Side of the images.
        seed: From 0; other seeds share no pair, and none reaches those that evaluate exports.
        jobs: Processes; the pairs do not depend on it.

    Raises:
        UsageError: A number is out of range, or all together would need too much memory.
    """
    if not 0 < count <= MOST_RENDERED:
        raise UsageError(f"{count} rendered pairs; 1 to {MOST_RENDERED} can be asked for")
    if 2 * count * size_px**2 > _MOST_BYTES:
        raise UsageError(
            f"{count} rendered pairs of {size_px} px are over {_MOST_BYTES >> 30} GiB of memory; "
            "ask for fewer or smaller ones"
        )
    if not 0 <= seed < MOST_SEEDS:
        raise UsageError(f"seed {seed}; calibration has the seeds 0 to {MOST_SEEDS - 1}")
    tasks = [(seed * MOST_RENDERED + i, size_px, i % len(ORBITAL_KINDS)) for i in range(count)]
    return CandidateSource(
        "rendered",
        count,
        partial(in_processes, _render, tasks, jobs),
        "Apache-2.0 (lunar-edge's renderer)",
    )


def _render(seed: int, size_px: int, kind: int) -> CandidatePair:
    spec = sample_spec(seed, size_px, kind=ORBITAL_KINDS[kind])
    pair = render_pair(spec)
    views = (("left", pair.left.image), ("right", pair.right.image))
    left, right = (grey_from_array(image, f"rendered {seed} {side}") for side, image in views)
    return CandidatePair(
        scene=f"seed {seed} ({spec.kind.value})",
        left=partial(_given, left),
        right=partial(_given, right),
        altitude_m=round((spec.left.position_m[2] + spec.right.position_m[2]) / 2, 1),
        sun_elevation_deg=round(spec.sun_elevation_deg, 2),
        seed=seed,
    )


def _given(image: GreyImage) -> GreyImage:
    return image
