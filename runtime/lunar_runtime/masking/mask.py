"""A mask that remembers why: which pixels are left out of everything, and for what reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: (H, W) bool of the left and of the right image, False where a pixel is no measurement of the
#: ground; None = all are.
ValidPair = tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]

#: Why a pixel is masked -> what that means.
REASONS: Mapping[str, str] = {
    "file": "the file's own: alpha, nodata, NaN, special values, a masked array",
    "mask file": "the mask that was given beside the image",
    "constant": "one value with a straight edge: wedges, frames, lost lines and blocks",
    "sky": "black and even, from the border on",
    "saturated": "at the top of the range, some pixels wide",
    "fixed": "the same in both images although the ground moved",
}


@dataclass(frozen=True)
class Mask:
    """Valid pixels, and the share that each reason took.

    Attributes:
        valid: (h, w) bool, False where a pixel is left out; None = none is.
        shares: Reason -> share of the image, each pixel counted for its first reason.
    """

    valid: NDArray[np.bool_] | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    def without(self, reason: str, invalid: NDArray[np.bool_] | None) -> Mask:
        """The same, less what is invalid for one more reason; None = nothing."""
        if invalid is None or not invalid.any():
            return self
        new = invalid if self.valid is None else invalid & self.valid
        share = float(np.count_nonzero(new)) / new.size
        if not share:
            return self
        valid = np.asarray(~invalid if self.valid is None else self.valid & ~invalid, np.bool_)
        shares = {**self.shares, reason: self.shares.get(reason, 0.0) + share}
        return Mask(valid, shares)

    def known(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N,) the values of valid pixels."""
        return values.ravel() if self.valid is None else values[self.valid]
