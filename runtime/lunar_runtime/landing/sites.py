"""Places to land: ranked, and apart from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.ground_grid import GroundGrid
from lunar_runtime.landing.hazards import SAFE, Hazards
from lunar_runtime.landing.lander import Lander

_BORDER = 1  # centres around the map that count as not safe
# Footprints between sites: real errors of places so far apart correlate by .03 (slope) and .07
# (roughness), at half a footprint by .3, at one by .1; beyond two that hardly falls.
_APART = 2.0


class Site(NamedTuple):
    """A place where the vehicle may stand.

    Attributes:
        x_m: In the local frame.
        y_m: In the local frame.
        height_m: In the local frame.
        pixel: Column and row of the left view's result that see it; top-left centre (0.5, 0.5).
        safe_probability: That slope and roughness are within the limits.
        slope_deg: Of the worst way to stand.
        slope_sigma_deg: Its expected error: of the surface, and of up.
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


@dataclass(frozen=True)
class Places:
    """Every tried place with its score, (r, c) each.

    The score is P(safe) · margin / (margin + footprint); with an aim point, less a tenth for each
    footprint of divert.

    Attributes:
        grid: The ground.
        hazards: On it.
        footprint_m: Of the vehicle.
        x: float32 metres, local frame.
        y: float32 metres.
        margin_m: float32, from the place to the nearest that is not safe.
        away_m: float32 from the aim point, or None.
        score: float32; -inf where it is not safe.
    """

    grid: GroundGrid
    hazards: Hazards
    footprint_m: float
    x: Field
    y: Field
    margin_m: Field
    away_m: Field | None
    score: Field

    @staticmethod
    def of(
        grid: GroundGrid,
        hazards: Hazards,
        lander: Lander,
        *,
        aim: tuple[float, float] | None = None,
    ) -> Places:
        """Score them.

        Args:
            grid: The ground.
            hazards: On it.
            lander: The vehicle.
            aim: x, y of the aim point, metres in the local frame.
        """
        safe = hazards.classes == SAFE
        stride = hazards.centres.stride
        framed = np.pad(safe, _BORDER).astype(np.uint8)
        margin = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[
            _BORDER:-_BORDER, _BORDER:-_BORDER
        ] * np.float32(grid.cell_m * stride)
        footprint = lander.footprint_diameter_m
        xs, ys = grid.centres()
        x, y = np.meshgrid(xs[::stride], ys[::stride])
        score = hazards.safe_probability * margin / (margin + np.float32(footprint))
        away = None
        if aim is not None:
            away = np.hypot(x - np.float32(aim[0]), y - np.float32(aim[1]))
            score = score - np.float32(0.1 / footprint) * away
        score = np.where(safe, score, np.float32(-np.inf))
        return Places(grid, hazards, footprint, x, y, margin, away, score)

    @property
    def step_m(self) -> float:
        """Distance of neighbouring places, metres."""
        return self.grid.cell_m * self.hazards.centres.stride

    def worth(self, place: int) -> float:
        """A place's score as though it were called safe itself.

        Args:
            place: Its flat index; its P(safe) is known.
        """
        if np.isfinite(self.score.flat[place]):
            return float(self.score.flat[place])
        step = np.float32(self.step_m)
        probability = float(self.hazards.safe_probability.flat[place])
        return probability * float(step / (step + np.float32(self.footprint_m)))

    def ranked(self, first: int | None = None, most: int = 10) -> list[Site]:
        """The best of those that are alternatives to each other.

        No site is within two footprints of a better one, nor within its margin: who misses the
        better one by less is on safe ground anyway.

        Args:
            first: Flat index of the place that comes first, whatever its score; None = the best.
            most: Of the sites.
        """
        sites: list[Site] = []
        score = self.score.copy()
        while len(sites) < most:
            told = first is not None and not sites
            best = int(first) if told and first is not None else int(np.argmax(score))
            row, column = (int(i) for i in np.unravel_index(best, score.shape))
            if not told and not np.isfinite(score[row, column]):
                break
            sites.append(self.site(row, column))
            near = np.hypot(self.x - self.x[row, column], self.y - self.y[row, column])
            apart = max(_APART * self.footprint_m, float(self.margin_m[row, column]))
            score[near < apart] = -np.inf
        return sites

    def site(self, row: int, column: int) -> Site:
        """One place with all that is known of it."""
        grid, hazards, at = self.grid, self.hazards, (row, column)
        cell = (row * hazards.centres.stride, column * hazards.centres.stride)
        return Site(
            x_m=float(self.x[at]),
            y_m=float(self.y[at]),
            height_m=float(grid.height[cell]),
            pixel=(float(grid.pixel_x[cell]), float(grid.pixel_y[cell])),
            safe_probability=float(hazards.safe_probability[at]),
            slope_deg=float(hazards.slope_deg[at]),
            slope_sigma_deg=float(hazards.slope_sigma_deg[at]),
            roughness_m=float(hazards.roughness_m[at]),
            roughness_sigma_m=float(hazards.roughness_sigma_m[at]),
            margin_m=float(self.margin_m[at]),
            unknown_share=float(hazards.unknown_share[at]),
            unseen_m=float(hazards.unseen_m[at]),
            divert_m=None if self.away_m is None else float(self.away_m[at]),
        )
