"""How far a network's word is off, and confidence as one scale for networks and images.

A network's own confidence orders the pixels of one image. Across images it says nothing: the
packaged network gives noise 5.3 and ground 6.1. So only its order is kept, around an error that was
measured on pairs with truth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import StudentRecord
from lunar_runtime.geometry.robust import middle

# The relative error of the depth that 68 % of the pixels stay below, scale fitted by the median.
# Of the packaged network: 4.4 % on StereoLunar, 2.7 % on rendered pairs, 4.6 % under two suns
# (medians of 12, 24 and 24 pairs).
_MEASURED = {"a9b4a9d41646cce5fde31dd963f7b07568aa978b6e72dc08d7cf299baf8fa645": 0.045}

#: Of a network that nobody measured: the worst of those 60 pairs has 11 %.
UNKNOWN_DEPTH_ERROR = 0.11

# The surest tenth of a network's pixels errs half as much as all, and no less than this: no word of
# a network is as sure as what images measured.
_LEAST_SIGMA = 0.02

# Confidence is 1 + this / sigma: 1 % of the depth gives 2, and 0.1 % gives 11.
_CONFIDENCE_AT_SIGMA = 0.01


def depth_error_of(student: StudentRecord) -> float:
    """The relative error of the depth that is expected of a network, by its weights."""
    return _MEASURED.get(student.checkpoint_sha256 or "", UNKNOWN_DEPTH_ERROR)


def network_sigma(own_confidence: NDArray[np.float32], depth_error: float) -> NDArray[np.float32]:
    """Expected error of a network's points, as a fraction of Z.

    Error goes with the inverse of the network's confidence over the image's median: a tenth of the
    lowest errs 1.4 times, a tenth of the highest 0.5 times as much as all.

    Args:
        own_confidence: (H, W), as the network gave it; NaN stays.
        depth_error: Of the network.
    """
    finite = own_confidence[np.isfinite(own_confidence)]
    typical = middle(finite) if finite.size else 1.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sigma = np.float32(depth_error * typical) / own_confidence
        return np.asarray(np.hypot(sigma, np.float32(_LEAST_SIGMA)), np.float32)


def confidence_of(sigma: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 + 0.01 / sigma, sigma being the expected relative error of the depth.

    Of a network alone it stays below 1.5.
    """
    return np.asarray(1 + np.float32(_CONFIDENCE_AT_SIGMA) / sigma, np.float32)
