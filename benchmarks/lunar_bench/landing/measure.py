"""The campaign: every case inferred, every place held against the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError, LunarError
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.rig import ATTITUDE_SIGMA_DEG
from lunar_runtime.landing.hazards import SAFE
from lunar_runtime.landing.lander import Lander

from lunar_bench.landing.cases import LandingCase, Planned
from lunar_bench.landing.methods import METHODS, Method, answer
from lunar_bench.landing.record import (
    CaseCounts,
    CaseRecord,
    LandingHead,
    LandingRecord,
    MethodCounts,
    MethodRecord,
    ReliabilityRow,
)
from lunar_bench.landing.tally import Tally
from lunar_bench.record.journal import Journal
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads

_Z = 1.96  # of a 95 % interval


def measure_landing(
    planned: Iterable[Planned],
    data: str,
    *,
    lander: Lander | None = None,
    attitude_sigma_deg: float = ATTITUDE_SIGMA_DEG,
    bundle: Path | None = None,
    threads: int | None = None,
    journal: Path | None = None,
) -> LandingRecord:
    """Run a campaign.

    Args:
        planned: At least one.
        data: What they are, in words.
        lander: The vehicle of all; None = each has its own.
        attitude_sigma_deg: What their up errs by.
        bundle: Of the network; None = the one in the package.
        threads: Of the processor.
        journal: Keeps every pair as it is done; a stopped campaign goes on.

    Raises:
        InputError: There is no case, or the journal is of another campaign.
        OutputError: The journal cannot be written.
    """
    tallies: dict[Method, Tally] = {method: Tally() for method in METHODS}
    sites: dict[Method, list[int]] = {method: [0, 0] for method in METHODS}
    records: list[CaseRecord] = []
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:
        digest = runtime.bundle.digest
        head = LandingHead(
            data=data,
            lander=lander,
            attitude_sigma_deg=attitude_sigma_deg,
            bundle_digest=digest,
        )
        kept = Journal(journal, head, CaseCounts)
        for one in planned:
            if one.name not in kept.done:
                kept.add(_run(runtime, one.make()))
            done = kept.done[one.name]
            records.append(done.case)
            for counts in done.methods:
                tallies[counts.method].take(counts.tally)
                sites[counts.method][0] += counts.sites
                sites[counts.method][1] += counts.false_sites
    if not records:
        raise InputError(f"{data}: there is no pair to land on")
    methods = [_method(name, tally, *sites[name]) for name, tally in tallies.items()]
    ours = methods[0]
    return LandingRecord(
        data=data,
        lander=lander,
        attitude_sigma_deg=attitude_sigma_deg,
        bundle_digest=digest,
        sites=ours.sites,
        false_sites=ours.false_sites,
        false_sites_most=ours.false_sites_most,
        false_safe=ours.false_safe,
        found=ours.found,
        reliability=[ReliabilityRow(**row._asdict()) for row in tallies["ours"].reliability()],
        methods=methods,
        cases=records,
        machine=describe_machine(),
    )


def _method(name: Method, tally: Tally, sites: int, false_sites: int) -> MethodRecord:
    return MethodRecord(
        method=name,
        places=tally.places,
        auc=tally.auc(),
        found_at_1pct=tally.found_at(0.01),
        false_safe=tally.false_safe,
        missed=tally.missed,
        found=tally.found,
        sites=sites,
        false_sites=false_sites,
        false_sites_most=_upper(false_sites, sites),
        roc=tally.roc(),
    )


def _run(runtime: StereoRuntime, case: LandingCase) -> CaseCounts:
    name, sun = case.pair.name, case.sun_elevation_deg

    def without_places(verdict: str, reason: str) -> CaseCounts:
        record = CaseRecord(pair=name, verdict=verdict, reason=reason, sun_elevation_deg=sun)
        return CaseCounts(id=name, case=record, methods=[])

    try:
        found = answer(runtime, case)
    except LunarError as error:
        return without_places("refused", str(error))
    result, landing, truth = found.result, found.landing, found.truth
    if result.verdict != "measured":
        return without_places(result.verdict, "; ".join(result.verdict_reasons))
    safe, known = truth.safe, truth.known
    methods = []
    for method in METHODS:
        tally, hazards = Tally(), found.hazards.get(method)
        probability = np.full(safe.shape, np.nan, np.float32)
        if hazards is not None:
            probability = hazards.safe_probability
        tally.add(probability[known], safe[known], case.lander.safe_probability)
        named = found.sites.get(method, ())
        methods.append(
            MethodCounts(
                method=method,
                tally=tally.counts(),
                sites=len(named),
                false_sites=sum(not truth.holds(site) for site in named),
            )
        )
    called = (landing.hazards.classes == SAFE) & known
    record = CaseRecord(
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
        sites=methods[0].sites,
        false_sites=methods[0].false_sites,
        landing_ms=_rounded(found.landing_ms),
    )
    return CaseCounts(id=name, case=record, methods=methods)


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
