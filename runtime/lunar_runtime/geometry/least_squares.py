"""Least squares of a few unknowns by thousands of measurements, weighted and robust."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import Floats
from lunar_runtime.kernels.library import run

_ITERATIONS = 20
_SETTLED = 1e-4  # relative change of the residuals' scale at which a fit ends
_WIDTH_SIGMAS = 2.0  # of the Cauchy weight
_LEAST_PIVOT = 1e-12  # of the largest: what has less is told by nothing


def normal_equations(A: Floats, b: Floats, weight: Floats | None = None) -> tuple[Floats, Floats]:
    """(K, K) A · diag(weight) · Aᵀ and (K,) A · diag(weight) · b.

    Args:
        A: (K, N), a row for each unknown.
        b: (N,).
        weight: (N,); None = 1.
    """
    count, length = A.shape
    product, pull = np.empty((count, count)), np.empty(count)
    run("normal_equations", *_whole(A, b, weight), count, length, product, pull)
    return product, pull


def robust_fit(
    A: Floats,
    b: Floats,
    weight: Floats | None = None,
    keep: NDArray[np.bool_] | None = None,
    *,
    start: Floats | None = None,
    iterations: int = _ITERATIONS,
    settled: float = _SETTLED,
    least_pivot: float = _LEAST_PIVOT,
) -> Floats:
    """Iteratively reweighted least squares under a Cauchy weight.

    Args:
        A: (K, N): long rows are quicker than tall columns.
        b: (N,) what the coefficients times A come to.
        weight: (N,) of every one of them; None = 1.
        keep: (K,) the rows of A that count; dropped ones give 0. None = all.
        start: (K,) coefficients whose residuals the first weights are of; None = the first fit is
            not reweighted.
        iterations: At most.
        settled: Relative change of the residuals' scale at which the fit ends.
        least_pivot: Of what nothing but rounding tells, the share of what is told best; it gives 0.

    Returns:
        (K,) coefficients.
    """
    chosen = np.ones(len(A), bool) if keep is None else keep
    coefficients = np.zeros(len(A))
    count = int(np.count_nonzero(chosen))
    solution = np.zeros(count) if start is None else np.array(start[chosen], np.float64)
    run(
        "robust_fit", *_whole(A if keep is None else A[chosen], b, weight), count, len(b), solution,
        int(start is not None), iterations, _WIDTH_SIGMAS, float(settled), float(least_pivot),
    )  # fmt: skip
    coefficients[chosen] = solution
    return coefficients


def _whole(*fields: Floats | None) -> list[Floats | None]:
    """As a kernel takes them."""
    return [None if one is None else np.ascontiguousarray(one, np.float64) for one in fields]
