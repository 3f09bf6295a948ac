"""What stages cost on this machine, as it is now: quantiles of what they took lately."""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque

#: Share of the pairs that a stage's expected time is enough for.
IN_TIME = 0.95

# Of every stage and size: half a minute of pairs, so that a load which ends is forgotten.
_REMEMBERED = 40
# Pairs that do without a stage because of its cost; then its slowest time is forgotten, or the only
# one is believed a little less, so that a stage which was slow once is tried again.
_PASSED_OVER = 5
_LESS = 0.8


class Costs:
    """Times of stages by size; threads may share one."""

    def __init__(self) -> None:
        self._took: dict[tuple[str, int], deque[float]] = defaultdict(
            lambda: deque(maxlen=_REMEMBERED)
        )
        self._passed_over: dict[tuple[str, int], int] = defaultdict(int)
        self._lock = threading.Lock()

    @property
    def known(self) -> bool:
        """Whether anything was learned."""
        return bool(self._took)

    def add(self, stage: str, pixels: int, took_ms: float) -> None:
        """Learn what a stage took at a size."""
        with self._lock:
            self._took[stage, pixels].append(took_ms)
            self._passed_over[stage, pixels] = 0

    def pass_over(self, stage: str, pixels: int) -> None:
        """A pair did without a stage because of what it was expected to cost."""
        with self._lock:
            key = stage, pixels
            self._passed_over[key] += 1
            took = self._took.get(key)
            if not took or self._passed_over[key] % _PASSED_OVER:
                return
            if len(took) > 1:
                took.remove(max(took))
            else:
                took[0] *= _LESS

    def expect_ms(self, stage: str, pixels: int, share: float = IN_TIME) -> float | None:
        """Time that is enough for `share` of the pairs; None where the stage never ran.

        Of a size that never ran it is the nearest one's, in proportion to the pixels.
        """
        with self._lock:
            sizes = [size for name, size in self._took if name == stage]
            if not sizes:
                return None
            nearest = min(sizes, key=lambda size: abs(math.log(size / pixels)))
            took = sorted(self._took[stage, nearest])
        at = min(len(took) - 1, math.ceil(share * len(took)) - 1)
        return took[at] * pixels / nearest
