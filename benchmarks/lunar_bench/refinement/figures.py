"""The error of one pointmap on one region of a pair whose truth is known."""

from __future__ import annotations

import functools

import msgspec
import numpy as np
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_calib.truth.similarity import Sim3, umeyama
from lunar_runtime.geometry.cameras import pixel_rays
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.slope import slope_deg, surface_normals
from numpy.typing import NDArray

MIN_PIXELS = 2000  # of a region, for its figures to mean something
_RIM_QUANTILE = 0.9
_ALIGNED_STEP = 3  # every third pixel along both sides decides a similarity transform


class Figures(msgspec.Struct, frozen=True):
    """One method on one region of one pair.

    Attributes:
        absrel: Median relative error of depth, after a similarity alignment on the region.
        slope_mae_deg: Mean absolute error of the slope at sigma = 2 px.
        rim_mae_deg: The same where the true slope is in its top decile; None = nothing there.
        coverage: Share of the region's pixels that have a depth.
    """

    absrel: float
    slope_mae_deg: float
    rim_mae_deg: float | None
    coverage: float


class Truth:
    """A pair's true ground, and what its errors are measured from."""

    def __init__(self, pair: KnownPair) -> None:
        self.points = true_pointmap(pair.depth, pair.camera_left)
        self.known: NDArray[np.bool_] = np.asarray(np.isfinite(self.points).all(axis=-1))
        self._rays = pixel_rays(pair.camera_left, *pair.depth.shape).astype(np.float64)
        self._plane = fit_plane(self.points)

    @functools.cached_property
    def slope(self) -> NDArray[np.floating]:
        """(H, W) degrees, against the normal of the true plane."""
        return slope_deg(self.points, self._plane.normal)

    @functools.cached_property
    def rims(self) -> NDArray[np.bool_]:
        """(H, W): the steepest tenth."""
        return np.asarray(self.slope >= np.nanquantile(self.slope, _RIM_QUANTILE))

    def plane(self) -> NDArray[np.floating]:
        """(H, W, 3) the null: the best plane instead of the ground."""
        z = self._plane.offset / (self._rays @ self._plane.normal)
        return np.where((z > 0)[..., None], z[..., None] * self._rays, np.nan)

    def align(self, points: NDArray[np.floating], region: NDArray[np.bool_]) -> Sim3:
        """The similarity transform that fits points to the truth on a region best."""
        chosen = np.zeros_like(region)
        chosen[::_ALIGNED_STEP, ::_ALIGNED_STEP] = True
        chosen &= region & np.isfinite(points).all(axis=-1)
        return umeyama(points[chosen], self.points[chosen])

    def slope_error(self, normals: NDArray[np.floating], alignment: Sim3) -> NDArray[np.floating]:
        """(H, W) |degrees| of surface normals, as aligned; NaN where a slope is missing."""
        cosine = np.clip(normals @ (alignment.R.T @ self._plane.normal), -1, 1)
        return np.asarray(np.abs(np.degrees(np.arccos(cosine)) - self.slope))

    def regions(self, refined: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """All that is known, inside and outside of `refined`; those of enough pixels."""
        inside = self.known & refined
        regions = {"all": self.known, "inside": inside, "outside": self.known & ~inside}
        return {k: v for k, v in regions.items() if np.count_nonzero(v) >= MIN_PIXELS}

    def figures(
        self, points: NDArray[np.floating], regions: dict[str, NDArray[np.bool_]]
    ) -> dict[str, Figures]:
        """Measure a pointmap on regions.

        Args:
            points: (H, W, 3), any unit and frame.
            regions: Name -> (H, W).

        Returns:
            Of the regions where they cover enough.
        """
        finite = np.isfinite(points).all(axis=-1) & self.known
        normals = surface_normals(points)
        found = {}
        for name, region in regions.items():
            covered = region & finite
            if np.count_nonzero(covered) < MIN_PIXELS:
                continue
            alignment = self.align(points, region)
            z = alignment.apply(points[covered])[:, 2]
            slope = self.slope_error(normals, alignment)
            rims = slope[covered & self.rims]
            found[name] = Figures(
                absrel=_short(np.median(np.abs(z / self.points[covered][:, 2] - 1))),
                slope_mae_deg=_mean(slope[covered]),
                rim_mae_deg=_mean(rims) if np.isfinite(rims).any() else None,
                coverage=_short(np.count_nonzero(covered) / np.count_nonzero(region & self.known)),
            )
        return found


def _mean(values: NDArray[np.floating]) -> float:
    return _short(np.mean(values[np.isfinite(values)]))


def _short(value: float | np.floating) -> float:
    """Four digits: what the figure is worth, and a file that can be read."""
    return float(f"{float(value):.4g}")
