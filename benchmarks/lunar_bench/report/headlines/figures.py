"""What headlines are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

#: A result as it lies on the disk.
Json = dict[str, Any]


def percent(fraction: float) -> str:
    """A fraction in percent, three digits."""
    return f"{100 * fraction:.3g} %"


def mean(rows: Iterable[Json], name: str) -> float:
    """Of one field over rows."""
    return float(np.mean([row[name] for row in rows]))
