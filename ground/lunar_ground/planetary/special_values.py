"""Stored values that are no measurements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_ground.planetary.sample_types import SampleType


@dataclass(frozen=True)
class SpecialValues:
    """Which stored values are no measurements.

    Attributes:
        constants: Values that each mean none, or saturation.
        least: Smaller values are no measurements; None = no bound.
        most: Larger values are none; None = no bound.
    """

    constants: frozenset[int | float] = frozenset()
    least: int | float | None = None
    most: int | float | None = None

    @classmethod
    def of(
        cls, sample: SampleType, constants: Iterable[str], least: str | None, most: str | None
    ) -> SpecialValues:
        """Those that a label names.

        Args:
            sample: How samples are stored.
            constants: As texts.
            least: Smallest valid value.
            most: Largest valid value. Both bounds count only if they leave a range.

        Raises:
            FormatError: One is no number.
        """
        values = {sample.constant(text) for text in constants}
        low = None if least is None else sample.constant(least)
        high = None if most is None else sample.constant(most)
        if low is not None and high is not None and not low < high:
            low = high = None
        return cls(frozenset(v for v in values if v is not None), low, high)

    def valid(self, numbers: NDArray[Any]) -> NDArray[np.bool_]:
        """Where values are measurements; NaN nowhere is one."""
        valid = ~np.isnan(numbers) if numbers.dtype.kind == "f" else np.ones(numbers.shape, bool)
        for constant in self.constants:
            valid &= numbers != constant
        with np.errstate(invalid="ignore"):  # NaN is larger than nothing
            if self.least is not None:
                valid &= numbers >= self.least
            if self.most is not None:
                valid &= numbers <= self.most
        return np.asarray(valid, np.bool_)
