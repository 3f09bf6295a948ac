"""Maps as short texts: numbers to 16-bit codes, codes to differences, differences deflated.

The page unpacks them in `static/unpack.js`. A code of 0 is NaN. Others stand for values:
`lo + (code − 1) · step`, or `lo · exp((code − 1) · step)`. Each code is predicted as left + above −
above left; the rest is folded to a small positive number and split into low and high bytes.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_ground.page.layers import Layer

_MOST = 65534  # codes beside NaN's
_FEWEST = 1000  # steps of a logarithmic map: a network's confidences may lie within a few per cent


@dataclass(frozen=True)
class Packed:
    """A map that the page can unpack.

    Attributes:
        data: Base64.
        lo: Value of code 1.
        step: Between codes.
        log: Whether steps are relative.
        error: Largest difference to the value that was packed; relative where `log`.
    """

    data: str
    lo: float
    step: float
    log: bool
    error: float

    def for_page(self) -> dict[str, object]:
        """As the page's scripts read it."""
        return {"data": self.data, "lo": self.lo, "step": self.step, "log": self.log}


def pack(values: NDArray[Any], layer: Layer) -> Packed:
    """Pack a map as finely as its layer says, with 65534 steps at most.

    Args:
        values: (H, W); not finite = NaN. Of a logarithmic layer what is not positive is NaN too.
        layer: Says how.
    """
    values = np.asarray(values, np.float64)
    log = layer.kept == "log"
    good = np.isfinite(values) & ((values > 0) if log else True)
    known = np.log(values[good]) if log else values[good]
    lo, hi = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    coarsest = (hi - lo) / _FEWEST if log else layer.step
    step = max(min(layer.step, coarsest), (hi - lo) / _MOST)
    if step == 0:  # one value
        step = 1.0
    codes = np.zeros(values.shape, np.uint16)
    codes[good] = 1 + np.minimum(np.rint((known - lo) / step), _MOST)
    return Packed(
        data=base64.b64encode(zlib.compress(_planes(codes), 9)).decode(),
        lo=float(np.exp(lo)) if log else lo,
        step=step,
        log=log,
        error=step / 2 if known.size and hi > lo else 0.0,
    )


def pack_table(table: NDArray[np.uint8]) -> str:
    """Base64 of a colour table's bytes."""
    return base64.b64encode(np.ascontiguousarray(table).tobytes()).decode()


def _planes(codes: NDArray[np.uint16]) -> bytes:
    """Differences to the prediction, folded, low bytes before high bytes."""
    padded = np.zeros((codes.shape[0] + 1, codes.shape[1] + 1), np.int32)
    padded[1:, 1:] = codes
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    rest = (padded[1:, 1:] - left - above + corner).astype(np.int16)  # modulo 65536
    wide = rest.astype(np.int32)
    folded = np.where(wide >= 0, 2 * wide, -2 * wide - 1).astype(np.uint16)
    return (folded & 255).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()
