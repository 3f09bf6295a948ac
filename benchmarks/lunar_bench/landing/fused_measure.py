"""The campaign of fused views: error and false-safe against their number, and the chosen site."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import InputError, LunarError
from lunar_runtime.fusion.fused_landing import land_on_map
from lunar_runtime.fusion.ground_map import GroundMap, MapUpdate
from lunar_runtime.fusion.posed_view import PosedView, posed_view
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.landing.hazards import MOST_CELLS, SAFE, find_hazards
from lunar_runtime.landing.landing import Landing
from lunar_runtime.landing.sites import Site
from numpy.typing import NDArray

from lunar_bench.landing.cases import FINER, LANDER
from lunar_bench.landing.fused_cases import SIGMA, Descent
from lunar_bench.landing.fused_flicker import all_changes, count_changes
from lunar_bench.landing.fused_record import (
    DescentRecord,
    FusedHead,
    FusedRecord,
    FusedStep,
)
from lunar_bench.record.journal import Journal
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads

#: Views that are fused.
COUNTS = (1, 2, 4, 8, 16)
_LEAST_CELLS = 500  # that two maps must share to be compared
_FITS = 3  # of the plane that is taken off
_OUTLIER = 3.0  # deviations, beyond which a cell does not count for it


class _Seen(NamedTuple):
    result: StereoResult
    view: PosedView


@dataclass(frozen=True)
class _Truth:
    """(r, c) of the tried places, and (R, C) heights, below a map's grid."""

    height: Field
    slope: Field
    safe: NDArray[np.bool_]
    known: NDArray[np.bool_]


def measure_fused(
    descents: Iterable[Descent],
    data: str,
    *,
    bundle: Path | None = None,
    threads: int | None = None,
    journal: Path | None = None,
) -> FusedRecord:
    """Run a campaign.

    Args:
        descents: At least one.
        data: What they are, in words.
        bundle: Of the network; None = the one in the package.
        threads: Of the processor.
        journal: Keeps every descent as it is done; a stopped campaign goes on.

    Raises:
        InputError: There is no descent, or one of them has no pair that is measured; or the journal
            is of another campaign.
        OutputError: The journal cannot be written.
    """
    records = []
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:
        digest = runtime.bundle.digest
        kept = Journal(journal, FusedHead(data, LANDER, SIGMA, digest), DescentRecord)
        for descent in descents:
            if descent.name not in kept.done:
                kept.add(_run(runtime, descent))
            records.append(kept.done[descent.name])
    if not records:
        raise InputError(f"{data}: there is no descent")
    return FusedRecord(
        data=data,
        lander=LANDER,
        sigma=SIGMA,
        bundle_digest=digest,
        steps=together([record.steps for record in records]),
        flicker=all_changes([record.flicker for record in records]),
        descents=records,
        machine=describe_machine(),
    )


def together(steps: Sequence[Sequence[FusedStep]]) -> list[FusedStep]:
    """Steps of several descents as one: geometric means of errors, sums of places.

    Args:
        steps: Of every descent, the same numbers of views in the same order.
    """
    rows = []
    for several in zip(*steps, strict=True):
        safe = sum(step.safe for step in several)
        wrong = sum(step.false_safe * step.safe for step in several)
        right = [step.safe * (1 - step.false_safe) for step in several]
        truly = sum(
            good / step.found for good, step in zip(right, several, strict=True) if step.found
        )
        rows.append(
            FusedStep(
                views=several[0].views,
                shape_m=_geometric([step.shape_m for step in several]),
                slope_deg=_geometric([step.slope_deg for step in several]),
                worst_to_single=max(step.worst_to_single for step in several),
                expected_to_real=_geometric([step.expected_to_real for step in several]),
                safe=safe,
                false_safe=_rounded(wrong / max(1, safe)),
                found=_rounded(sum(right) / max(1.0, truly)),
                sites=sum(step.sites for step in several),
                false_sites=sum(step.false_sites for step in several),
            )
        )
    return rows


def _run(runtime: StereoRuntime, descent: Descent) -> DescentRecord:
    pairs = list(descent.pairs())
    seen: list[_Seen] = []
    for pair in pairs:
        try:
            result = runtime.infer(pair.pair.left, pair.pair.right, pair.rig, refine="on")
            view = posed_view(result, pair.world_from_left, SIGMA)
            GroundMap().add(view)
        except LunarError:
            continue
        seen.append(_Seen(result, view))
    if not seen:
        raise InputError(f"{descent.name}: no pair is measured; take another seed")
    result = seen[-1].result
    camera = result.camera_left.intrinsics
    alone = [_timed([one])[0] for one in seen]
    base = _timed(seen[-1:])[1]
    window = alone[-1].around(base, LANDER.footprint_diameter_m / MOST_CELLS)
    first = land_on_map(alone[-1], base, result, LANDER, window=window)
    heights = [one.grid(window, base, camera)[0].height for one in alone]
    truth = _truth(descent, first)  # of every map of one view: none of them was moved
    single = [height - truth.height for height in heights]
    region = first.known & np.isfinite(truth.height)
    steps = []
    for count in COUNTS:
        chosen = np.unique(np.linspace(len(seen) - 1, 0, count).round().astype(int))
        ground, _, times = _timed([seen[i] for i in chosen])
        landing = land_on_map(ground, base, result, LANDER, window=window)
        below = _truth(descent, landing)  # its cells lie where all its views together say
        steps.append(
            _step(count, landing, first, [single[i] for i in chosen], below, region, times)
        )
    return DescentRecord(
        id=descent.name,
        pairs=len(pairs),
        left_out=len(pairs) - len(seen),
        steps=steps,
        flicker=count_changes(((one.result, one.view) for one in seen), descent),
        map_mb=_rounded(ground.nbytes / 1e6),
    )


def _timed(seen: Sequence[_Seen]) -> tuple[GroundMap, MapUpdate, list[float]]:
    ground, times = GroundMap(), []
    update = None
    for one in seen:
        start = time.perf_counter()
        update = ground.add(one.view)
        times.append((time.perf_counter() - start) * 1e3)
    assert update is not None
    return ground, update, times


def _truth(descent: Descent, landing: Landing) -> _Truth:
    """The ground as it is, at the places that a landing tried."""
    exact = descent.truth(landing.grid)
    stride = landing.hazards.centres.stride * FINER
    hazards = find_hazards(exact, np.isfinite(exact.height), LANDER, stride=stride)
    rows, columns = landing.hazards.centres.size
    slope, rough = (field[:rows, :columns] for field in (hazards.slope_deg, hazards.roughness_m))
    with np.errstate(invalid="ignore"):
        safe = (slope <= LANDER.slope_limit_deg) & (rough <= LANDER.rise_limit_m)
    height = exact.height[::FINER, ::FINER]
    return _Truth(height, slope, np.asarray(safe), np.isfinite(slope))


def _step(
    count: int,
    landing: Landing,
    first: Landing,
    single: Sequence[Field],
    truth: _Truth,
    region: NDArray[np.bool_],
    times: Sequence[float],
) -> FusedStep:
    hazards = landing.hazards
    tried = np.isfinite(first.hazards.slope_deg) & truth.known
    called = (hazards.classes == SAFE) & tried
    wrong = called & ~truth.safe
    off = (hazards.slope_deg - truth.slope)[tried & np.isfinite(hazards.slope_deg)]
    expected = hazards.slope_sigma_deg[tried & np.isfinite(hazards.slope_deg)]
    false_sites = sum(not _is_safe(site, landing, truth.safe) for site in landing.sites)
    wrong_m = landing.grid.height - truth.height
    return FusedStep(
        views=count,
        shape_m=_rounded(shape_error(wrong_m, region & np.isfinite(wrong_m))),
        slope_deg=_rounded(robust_sigma(off)),
        worst_to_single=_rounded(_worst(wrong_m, single, region)),
        expected_to_real=_rounded(float(np.median(expected)) / robust_sigma(off)),
        safe=int(called.sum()),
        false_safe=_rounded(wrong.sum() / max(1, called.sum())),
        found=_rounded((called & truth.safe).sum() / max(1, (truth.safe & tried).sum())),
        sites=len(landing.sites),
        false_sites=false_sites,
        add_ms=_rounded(float(np.median(times))),
    )


def shape_error(wrong_m: Field, where: NDArray[np.bool_]) -> float:
    """Robust deviation of heights, less their plane: level and tilt are the poses'.

    Args:
        wrong_m: (R, C) heights less the true ones.
        where: (R, C) that count, finite ones.
    """
    rows, columns = np.nonzero(where)
    off = wrong_m[where].astype(np.float64)
    terms = np.stack([np.ones_like(off), rows - rows.mean(), columns - columns.mean()], axis=-1)
    kept = np.ones(len(off), np.bool_)
    for _ in range(_FITS):
        plane = np.linalg.lstsq(terms[kept], off[kept], rcond=None)[0]
        left = off - terms @ plane
        kept = np.abs(left) <= _OUTLIER * robust_sigma(left)
    return robust_sigma(left)


def _worst(wrong_m: Field, single: Sequence[Field], region: NDArray[np.bool_]) -> float:
    """Largest quotient of the fused error to a single pair's, where both know the ground."""
    quotients = [1.0] if len(single) == 1 else []
    for one in single:
        both = region & np.isfinite(one) & np.isfinite(wrong_m)
        if np.count_nonzero(both) >= _LEAST_CELLS:
            quotients.append(shape_error(wrong_m, both) / shape_error(one, both))
    return max(quotients)


def _is_safe(site: Site, landing: Landing, safe: NDArray[np.bool_]) -> bool:
    step = landing.grid.cell_m * landing.hazards.centres.stride
    row = round((landing.grid.y0_m - site.y_m) / step)
    column = round((site.x_m - landing.grid.x0_m) / step)
    return bool(safe[row, column])


def _geometric(values: Sequence[float]) -> float:
    return _rounded(float(np.exp(np.mean(np.log(np.maximum(values, 1e-9))))))


def _rounded(value: float | np.floating) -> float:
    return float(f"{float(value):.4g}")
