"""Whether confidence tells where the error is."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

BINS = 10


class ConfidenceRanking(msgspec.Struct, frozen=True):
    """How the order of confidences fits the order of errors. Only orders matter, not values.

    Attributes:
        error_by_tenth: Median error in each tenth of the pixels, the least confident first. A
            useful confidence makes it fall.
        rank_correlation: Spearman's, of confidence and error: -1 = the surer, the better; 0 = says
            nothing.
        ause: Area under the sparsification error: leave out the least confident share, take the
            mean error of the rest over that of all, less the same with the largest errors left out,
            and integrate over the share. 0 = as good as knowing the errors.
        ause_random: The same of a confidence that says nothing: the value to beat.
    """

    error_by_tenth: list[float]
    rank_correlation: float
    ause: float
    ause_random: float


def rank_by_confidence(error: NDArray[Any], confidence: NDArray[Any]) -> ConfidenceRanking:
    """Compare the orders of (N,) errors and confidences.

    Args:
        error: Not negative; e.g. the relative error of depth.
        confidence: Of any scale; larger = surer.

    Raises:
        InputError: The shapes differ, or there are fewer than ten finite values.
    """
    error, confidence = np.asarray(error, np.float64), np.asarray(confidence, np.float64)
    if error.ndim != 1 or error.shape != confidence.shape:
        raise InputError(f"errors {error.shape} and confidences {confidence.shape} must be alike")
    keep = np.isfinite(error) & np.isfinite(confidence)
    # Shuffled, so that equal confidences are in no order, least of all that of the pixels.
    keep = np.random.default_rng(0).permutation(np.flatnonzero(keep))
    if len(keep) < BINS:
        raise InputError(f"a ranking needs {BINS} pixels with an error; there are {len(keep)}")
    error, confidence = error[keep], confidence[keep]
    surest_last = error[np.argsort(confidence, kind="stable")]
    best = _sparsified(np.sort(error)[::-1])
    return ConfidenceRanking(
        error_by_tenth=[float(np.median(tenth)) for tenth in np.array_split(surest_last, BINS)],
        rank_correlation=_spearman(confidence, error),
        ause=float(np.mean(_sparsified(surest_last) - best)),
        ause_random=float(np.mean(1 - best)),
    )


def _sparsified(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of what is left when the first 0, 1, … are left out, over the mean of all."""
    left = np.cumsum(ordered[::-1])[::-1] / np.arange(len(ordered), 0, -1)
    return left / left[0] if left[0] > 0 else np.ones_like(left)


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > 0 else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions in ascending order; equal values share the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: NDArray[np.float64] = last - (counts - 1) / 2
    return mean[group]
