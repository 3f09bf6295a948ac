"""Places to land: ranked, and apart from each other."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.landing.ground_grid import GroundGrid
from lunar_runtime.landing.hazards import SAFE, Hazards
from lunar_runtime.landing.lander import Lander

_BORDER = 1  # centres around the map that count as not safe


class Site(NamedTuple):
    """A place where the vehicle may stand.

    Attributes:
        x_m: In the local frame.
        y_m: In the local frame.
        height_m: In the local frame.
        pixel: Column and row of the left view's result that see it; top-left centre (0.5, 0.5).
        safe_probability: That slope and roughness are within the limits.
        slope_deg: Of the worst way to stand.
        slope_sigma_deg: Its expected error.
        roughness_m: Of the worst way to stand.
        roughness_sigma_m: Its expected error.
        margin_m: From the site to the nearest place that is not safe: how far the touchdown may be
            off.
        unknown_share: Of the footprint.
        unseen_m: Size below which a hazard there is not seen.
        divert_m: Level distance from the aim point; None without one.
    """

    x_m: float
    y_m: float
    height_m: float
    pixel: tuple[float, float]
    safe_probability: float
    slope_deg: float
    slope_sigma_deg: float
    roughness_m: float
    roughness_sigma_m: float
    margin_m: float
    unknown_share: float
    unseen_m: float
    divert_m: float | None


def rank_sites(
    grid: GroundGrid,
    hazards: Hazards,
    lander: Lander,
    *,
    aim: tuple[float, float] | None = None,
    most: int = 10,
) -> list[Site]:
    """The best places, no two of them nearer than a footprint's diameter.

    Without an aim point they come in the order of P(safe) · margin / (margin + footprint); with
    one, of that less a tenth for each footprint of divert.

    Args:
        grid: The ground.
        hazards: On it.
        lander: The vehicle.
        aim: x, y of the aim point, metres in the local frame.
        most: Of the sites.
    """
    safe = hazards.classes == SAFE
    if not safe.any():
        return []
    stride = hazards.centres.stride
    step = grid.cell_m * stride
    framed = np.pad(safe, _BORDER).astype(np.uint8)
    margin = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[
        _BORDER:-_BORDER, _BORDER:-_BORDER
    ] * np.float32(step)
    footprint = lander.footprint_diameter_m
    xs, ys = grid.centres()
    x, y = np.meshgrid(xs[::stride], ys[::stride])
    score = hazards.safe_probability * margin / (margin + np.float32(footprint))
    away = None
    if aim is not None:
        away = np.hypot(x - np.float32(aim[0]), y - np.float32(aim[1]))
        score = score - np.float32(0.1 / footprint) * away
    score = np.where(safe, score, -np.inf)
    sites: list[Site] = []
    while len(sites) < most:
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(score)), score.shape))
        if not np.isfinite(score[row, column]):
            break
        at = (row, column)
        cell = (row * stride, column * stride)
        sites.append(
            Site(
                x_m=float(x[at]),
                y_m=float(y[at]),
                height_m=float(grid.height[cell]),
                pixel=(float(grid.pixel_x[cell]), float(grid.pixel_y[cell])),
                safe_probability=float(hazards.safe_probability[at]),
                slope_deg=float(hazards.slope_deg[at]),
                slope_sigma_deg=float(hazards.slope_sigma_deg[at]),
                roughness_m=float(hazards.roughness_m[at]),
                roughness_sigma_m=float(hazards.roughness_sigma_m[at]),
                margin_m=float(margin[at]),
                unknown_share=float(hazards.unknown_share[at]),
                unseen_m=float(hazards.unseen_m[at]),
                divert_m=None if away is None else float(away[at]),
            )
        )
        score[np.hypot(x - x[at], y - y[at]) < footprint] = -np.inf
    return sites
