"""How often the chosen site changes from view to view, and whether it is safe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from lunar_runtime import StereoResult
from lunar_runtime.fusion.fused_landing import land_on_map
from lunar_runtime.fusion.ground_map import GroundMap
from lunar_runtime.fusion.posed_view import PosedView
from lunar_runtime.fusion.site_choice import SiteChoice
from lunar_runtime.landing.ground_grid import GroundGrid
from lunar_runtime.landing.hazards import find_hazards
from lunar_runtime.landing.sites import Places, Site

from lunar_bench.landing.cases import FINER, LANDER
from lunar_bench.landing.fused_cases import Descent
from lunar_bench.landing.fused_record import FlickerRecord


def count_changes(
    seen: Iterator[tuple[StereoResult, PosedView]], descent: Descent
) -> FlickerRecord:
    """The first site of every view, with hysteresis and without.

    Args:
        seen: Results and their views, the highest first.
        descent: That they saw.
    """
    ground, choice = GroundMap(), SiteChoice(LANDER)
    views = changes = safe = 0
    before: tuple[float, float] | None = None
    for result, view in seen:
        update = ground.add(view)
        landing = land_on_map(ground, update, result, LANDER, choice=choice)
        if not landing.sites:
            continue
        best = Places.of(landing.grid, landing.hazards, LANDER).ranked(most=1)
        place = (best or landing.sites)[0][:2]
        away = 0.0 if before is None else float(np.hypot(*np.subtract(place, before)))
        changes += before is not None and away > LANDER.footprint_diameter_m / 2
        before = place
        views += 1
        safe += _truly_safe(landing.sites[0], landing.grid, descent)
    return FlickerRecord(
        views=views,
        changes=changes,
        changes_kept=choice.changes,
        kept_safe=float(f"{safe / max(1, views):.4g}"),
    )


def all_changes(several: Sequence[FlickerRecord]) -> FlickerRecord:
    """Of several descents together."""
    views = sum(one.views for one in several)
    safe = sum(one.kept_safe * one.views for one in several)
    return FlickerRecord(
        views=views,
        changes=sum(one.changes for one in several),
        changes_kept=sum(one.changes_kept for one in several),
        kept_safe=float(f"{safe / max(1, views):.4g}"),
    )


def _truly_safe(site: Site, grid: GroundGrid, descent: Descent) -> bool:
    """Whether the vehicle may stand at a site, by the ground as it is."""
    reach = math.ceil(LANDER.footprint_diameter_m / grid.cell_m)
    around = replace(
        grid,
        x0_m=site.x_m - reach * grid.cell_m,
        y0_m=site.y_m + reach * grid.cell_m,
        height=np.zeros((2 * reach + 1,) * 2, np.float32),
    )
    exact = descent.truth(around)
    hazards = find_hazards(exact, np.isfinite(exact.height), LANDER, stride=FINER)
    at = (reach, reach)
    steep = float(hazards.slope_deg[at]) > LANDER.slope_limit_deg
    return not steep and float(hazards.roughness_m[at]) <= LANDER.rise_limit_m
