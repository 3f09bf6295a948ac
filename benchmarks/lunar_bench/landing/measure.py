"""The campaign: every case inferred, every place held against the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from lunar_calib.render.true_hazards import true_classes
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError, LunarError
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.hazards import SAFE, UNKNOWN, find_hazards
from lunar_runtime.landing.landing import Landing
from lunar_runtime.landing.sites import Site
from numpy.typing import NDArray

from lunar_bench.landing.cases import LANDER, LandingCase
from lunar_bench.landing.methods import METHODS, Method, answer
from lunar_bench.landing.record import CaseRecord, LandingRecord, MethodRecord, ReliabilityRow
from lunar_bench.landing.tally import Tally
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads

_Z = 1.96  # of a 95 % interval


def measure_landing(
    cases: Iterable[LandingCase],
    data: str,
    *,
    bundle: Path | None = None,
    threads: int | None = None,
) -> LandingRecord:
    """Run a campaign.

    Args:
        cases: At least one.
        data: What they are, in words.
        bundle: Of the network; None = the one in the package.
        threads: Of the processor.

    Raises:
        InputError: There is no case, or none is measured.
    """
    tallies: dict[Method, Tally] = {method: Tally() for method in METHODS}
    records: list[CaseRecord] = []
    counts = np.zeros(3, np.int64)  # called safe, of those hazardous, truly safe
    lander = None
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:
        for case in cases:
            lander = case.lander if case.lander is LANDER else None
            records.append(_run(runtime, case, tallies, counts))
        digest = runtime.bundle.digest
    if not records:
        raise InputError(f"{data}: there is no pair to land on")
    sites = sum(record.sites for record in records)
    false_sites = sum(record.false_sites for record in records)
    called, hazardous, safe = counts.tolist()
    return LandingRecord(
        data=data,
        lander=lander,
        bundle_digest=digest,
        sites=sites,
        false_sites=false_sites,
        false_sites_most=_upper(false_sites, sites),
        false_safe=hazardous / max(1, called),
        found=(called - hazardous) / max(1, safe),
        reliability=[ReliabilityRow(**row._asdict()) for row in tallies["ours"].reliability()],
        methods=[
            MethodRecord(
                method=name,
                places=tally.places,
                auc=tally.auc(),
                found_at_1pct=tally.found_at(0.01),
            )
            for name, tally in tallies.items()
        ],
        cases=records,
        machine=describe_machine(),
    )


def _run(
    runtime: StereoRuntime,
    case: LandingCase,
    tallies: dict[Method, Tally],
    counts: NDArray[np.int64],
) -> CaseRecord:
    name, sun = case.pair.name, case.sun_elevation_deg
    try:
        found = answer(runtime, case)
    except LunarError as error:
        return CaseRecord(pair=name, verdict="refused", reason=str(error), sun_elevation_deg=sun)
    result, landing = found.result, found.landing
    if result.verdict != "measured":
        reason = "; ".join(result.verdict_reasons)
        return CaseRecord(pair=name, verdict=result.verdict, reason=reason, sun_elevation_deg=sun)
    safe, known = true_places(case, landing)
    for method, probability in found.probabilities.items():
        tallies[method].add(probability[known], safe[known])
    for method in METHODS:
        if method not in found.probabilities:
            nothing = np.full(int(known.sum()), np.nan, np.float32)
            tallies[method].add(nothing, safe[known])
    called = (landing.hazards.classes == SAFE) & known
    counts += [called.sum(), (called & ~safe).sum(), (safe & known).sum()]
    wrong = [site for site in landing.sites if not _is_safe(site, landing, safe)]
    return CaseRecord(
        pair=name,
        verdict=result.verdict,
        reason=None,
        sun_elevation_deg=sun,
        ground_px_m=_rounded(np.nanmedian(landing.grid.spacing_m)),
        cell_m=landing.grid.cell_m,
        safe=_rounded(called.sum() / max(1, known.sum())),
        truly_safe=_rounded(safe[known].mean()),
        false_safe=_rounded((called & ~safe).sum() / max(1, called.sum())),
        found=_rounded((called & safe).sum() / max(1, (safe & known).sum())),
        sites=len(landing.sites),
        false_sites=len(wrong),
        landing_ms=_rounded(found.landing_ms),
    )


def true_places(case: LandingCase, landing: Landing) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each tried place is safe, and whether the truth says so: (r, c) bool each."""
    truth = case.truth(landing.grid)
    stride = landing.hazards.centres.stride * case.finer
    there = np.isfinite(truth.height)
    hazards = find_hazards(truth, there, case.lander, stride=stride)
    rows, columns = landing.hazards.centres.size
    classes = true_classes(hazards, case.lander)[:rows, :columns]
    return classes == SAFE, classes != UNKNOWN


def _is_safe(site: Site, landing: Landing, safe: NDArray[np.bool_]) -> bool:
    step = landing.grid.cell_m * landing.hazards.centres.stride
    row = round((landing.grid.y0_m - site.y_m) / step)
    column = round((site.x_m - landing.grid.x0_m) / step)
    return bool(safe[row, column])


def _upper(count: int, total: int) -> float:
    """Upper end of Wilson's interval of a share."""
    if not total:
        return 1.0
    share, z2 = count / total, _Z**2
    middle = share + z2 / (2 * total)
    spread = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return (middle + spread) / (1 + z2 / total)


def _rounded(value: float | np.floating | Field) -> float:
    return float(f"{float(value):.4g}")
