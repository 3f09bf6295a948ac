"""A method's points against the truth: the numbers, the maps of its errors, and its relief."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.shape_scores import shape_scores
from lunar_calib.truth.similarity import Sim3
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.plane import Plane, fit_plane
from lunar_runtime.geometry.slope import slope_deg
from numpy.typing import NDArray

from lunar_ground.page.grids import Grid


@dataclass(frozen=True)
class Reference:
    """The truth, on the pixels of the image as given.

    Attributes:
        grid: A part of the image, pixel by pixel.
        depth: (h, w) true Z, metres.
        camera: Pixels of this grid.
        up: (3,) that the truth's own slopes are measured from.
        plane: Of the true points.
    """

    grid: Grid
    depth: NDArray[np.float64]
    camera: Intrinsics
    up: NDArray[np.float64]
    plane: Plane

    @classmethod
    def of(
        cls,
        grid: Grid,
        depth: NDArray[Any],
        camera: Intrinsics,
        up: NDArray[np.float64] | None,
    ) -> Reference:
        """With the plane that the true points lie around; its normal is up where none is told.

        Raises:
            InputError: The truth has too few points for a plane.
        """
        plane = fit_plane(true_pointmap(depth, camera))
        return cls(
            grid, np.asarray(depth, np.float64), camera, plane.normal if up is None else up, plane
        )

    def points(self) -> NDArray[np.float64]:
        """(h, w, 3) metres."""
        return true_pointmap(self.depth, self.camera)

    def slope(self) -> NDArray[np.float32]:
        """(h, w) degrees."""
        return slope_deg(self.points(), self.up)


@dataclass(frozen=True)
class Compared:
    """What the truth says of a method.

    Attributes:
        scores: See `shape_scores`.
        alignment: From the method's points to the true ones.
        depth_error: (h, w) per cent of the true depth, after the alignment.
        slope_error: (h, w) degrees, both from the true plane's normal.
        slope: (h, w) degrees of the aligned points, from the truth's up.
    """

    scores: dict[str, float]
    alignment: Sim3
    depth_error: NDArray[np.float64]
    slope_error: NDArray[np.float64]
    slope: NDArray[np.float32]


def compare(points: NDArray[Any], truth: Reference) -> Compared:
    """Compare points on the truth's grid with it, as `lunar-bench accuracy` does.

    Raises:
        InputError: The two share too few pixels.
    """
    scores, accuracy = shape_scores(points, truth.depth, truth.camera)
    aligned = accuracy.alignment.apply(points)
    true = truth.points()
    normal = truth.plane.normal
    return Compared(
        scores=scores,
        alignment=accuracy.alignment,
        depth_error=100 * (aligned[..., 2] / true[..., 2] - 1),
        slope_error=slope_deg(aligned, normal).astype(np.float64) - slope_deg(true, normal),
        slope=slope_deg(aligned, truth.up),
    )


def relief_row(plane: Plane, alignment: Sim3 | None = None) -> NDArray[np.float64]:
    """(4,) so that `row[:3] · p + row[3]` is the height above `plane` of a point once aligned."""
    scale, R, t = (1.0, np.eye(3), np.zeros(3)) if alignment is None else (
        alignment.scale, alignment.R, alignment.t
    )  # fmt: skip
    return np.append(scale * (R.T @ plane.normal), plane.normal @ t - plane.offset)
