"""A smooth surface through weighted measurements: the thin plate, solved by multigrid.

The surface e minimises

    Σ information · e² − 2 · pull · e  +  stiffness · Σ (e_xx² + 2 e_xy² + e_yy²)

so with `pull = information · measured` it passes the measurements as closely as they are worth,
bends as little as it can elsewhere, and costs nothing where it is a plane. Read as probabilities it
is the posterior mean of a terrain whose curvature has the variance 1 / stiffness.

Multigrid preconditions conjugate gradients: bilinear interpolation up, extrapolated at the edges so
that a plane stays one (planes are what the operator does not feel), its transpose down, for the
information too, since a coarse pixel that is pulled by its neighbours' measurements must hold their
weight. Conjugate gradients smooth, and the coarsest grid is solved by its Cholesky factor. All of
that is a kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.fields import Field
from lunar_runtime.kernels.library import run
from lunar_runtime.refinement.bending import second_differences_back


def solve_thin_plate(
    information: Field, pull: Field, stiffness: float, *, start: Field | None = None, cycles: int
) -> Field:
    """The surface that minimises the sum above.

    Args:
        information: (H, W), not negative; 0 = nothing was measured.
        pull: (H, W), information · measured.
        stiffness: Positive.
        start: (H, W) first guess; None = 0.
        cycles: At most. On refinement's own sums of 256 × 256 px, three leave a tenth of the
            surface's deviation where little was measured, five 1-2 %, eight 0.1-0.5 %.

    Returns:
        (H, W) float32.
    """
    height, width = information.shape
    fields = [
        None if field is None else np.ascontiguousarray(field, np.float32)
        for field in (information, pull, start)
    ]
    surface = np.empty((height, width), np.float32)
    run("thin_plate", *fields, surface, height, width, float(stiffness), cycles)
    return surface


class PlateNoise(NamedTuple):
    """Of one draw, each of unit variance.

    Attributes:
        xx: (H, W - 2) of the second differences along rows.
        yy: (H - 2, W) along columns.
        xy: (H - 1, W - 1) across.
        measured: (H, W) of the measurements.
    """

    xx: Field
    yy: Field
    xy: Field
    measured: Field


def plate_noise(shape: tuple[int, int], rng: np.random.Generator, count: int) -> list[PlateNoise]:
    """Of so many draws of an (H, W) plate."""
    height, width = shape

    def noise(rows: int, columns: int) -> Field:
        return rng.standard_normal((rows, columns), np.float32)

    return [
        PlateNoise(
            noise(height, width - 2), noise(height - 2, width), noise(height - 1, width - 1),
            noise(height, width),
        )
        for _ in range(count)
    ]  # fmt: skip


def sample_thin_plate(
    information: Field, stiffness: float, noise: list[PlateNoise], *, cycles: int
) -> Field:
    """Random surfaces with the covariance of `solve_thin_plate`'s error.

    Perturb and solve (Papandreou and Yuille 2010): noise on every measurement and on every second
    difference, each of its own variance.

    Args:
        information: (H, W), as in `solve_thin_plate`.
        stiffness: Positive.
        noise: Of each surface; it is used up, and the list is empty then.
        cycles: At most, of each.

    Returns:
        (N, H, W) float32.
    """
    spread = np.sqrt(information)

    def drawn(of: PlateNoise) -> Field:
        of.xy[:] *= np.float32(np.sqrt(2.0))
        pull = second_differences_back(of.xx, of.yy, of.xy, information.shape)
        pull *= np.float32(np.sqrt(stiffness))
        of.measured[:] *= spread
        pull += of.measured
        return solve_thin_plate(information, pull, stiffness, cycles=cycles)

    found = np.stack(at_once(drawn, noise))
    noise.clear()
    return found
