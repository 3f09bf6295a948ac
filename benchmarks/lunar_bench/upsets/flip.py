"""One flipped bit: where it is, and what it made of a value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_bench.record.base import Record


class Flip(Record, frozen=True):
    """A bit that is turned over.

    Attributes:
        id: As in `weights-17`.
        site: `weights`, `activations`, `inputs`, `outputs` or `refinement`.
        pair: Number of the pair that it is tried on.
        where: The tensor or array.
        element: Of its values, row by row.
        bit: 0 is the lowest.
        dtype: Of the value.
        before: The value.
        after: What the flip makes of it; None where that is no finite number.
    """

    id: str
    site: str
    pair: int
    where: str
    element: int
    bit: int
    dtype: str
    before: float
    after: float | None

    @property
    def alone(self) -> bool:
        """Whether it is tried alone: the exponent's highest bit, which does harm often."""
        kind = np.dtype(self.dtype)
        return kind.kind == "f" and self.bit == 8 * kind.itemsize - 2


def flipped(value: Any, bit: int) -> Any:
    """A NumPy scalar with one bit turned over."""
    words = np.array([value]).view(f"u{value.itemsize}")
    words ^= words.dtype.type(1 << bit)
    return words.view(value.dtype)[0]


def flip_in_place(values: NDArray[np.generic], element: int, bit: int) -> None:
    """Turn over one bit of a contiguous array."""
    words = values.reshape(-1).view(f"u{values.dtype.itemsize}")
    words[element] ^= words.dtype.type(1 << bit)


def make_flip(
    identity: str,
    pair: int,
    where: str,
    values: NDArray[np.generic],
    element: int,
    rng: np.random.Generator,
) -> Flip:
    """A random bit of a value of an array.

    Args:
        identity: `site-number`.
        pair: Number of its pair.
        where: Name of the array.
        values: The array.
        element: Of its values.
        rng: Tells the bit.
    """
    value = values.reshape(-1)[element]
    bit = int(rng.integers(8 * value.itemsize))
    after = float(flipped(value, bit))
    return Flip(
        id=identity,
        site=identity.rpartition("-")[0],
        pair=pair,
        where=where,
        element=element,
        bit=bit,
        dtype=str(value.dtype),
        before=float(value),
        after=after if np.isfinite(after) else None,
    )
