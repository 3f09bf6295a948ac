"""The chosen site, kept from view to view until there is a reason to change."""

from __future__ import annotations

import numpy as np

from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.sites import Places

#: By how much another site's score must exceed the kept one's.
BETTER = 0.1
#: So many views in a row.
PATIENCE = 2


class SiteChoice:
    """Hysteresis between the sites of successive views.

    A place is chosen where P(safe) is the lander's, and kept while the expected share of unsafe
    ground is at most twice as large. It is given up at once below that; and where in two views in a
    row some other place's score is better by a tenth.
    """

    def __init__(self, lander: Lander) -> None:
        self._least = 1 - 2 * (1 - lander.safe_probability)
        self._patience = 0
        self.changes = 0
        #: x and y of the chosen place, metres in the world; None = there is none.
        self.place: tuple[float, float] | None = None

    def keep(self, places: Places) -> int | None:
        """Which place comes first in this view's list: its flat index; None = no place is safe."""
        best = int(np.argmax(places.score))
        there = self._where(places)
        if there is not None and self._holds(places, there, best):
            return there
        self._patience = 0
        if not np.isfinite(places.score.flat[best]):
            self.place = None
            return None
        if self.place is not None:
            self.changes += 1
        self.place = float(places.x.flat[best]), float(places.y.flat[best])
        return best

    def _where(self, places: Places) -> int | None:
        """The tried place that is nearest to the kept one; None where none is near."""
        if self.place is None:
            return None
        away = np.hypot(places.x - self.place[0], places.y - self.place[1])
        nearest = int(np.argmin(away))
        return nearest if float(away.flat[nearest]) <= places.step_m else None

    def _holds(self, places: Places, there: int, best: int) -> bool:
        probability = float(places.hazards.safe_probability.flat[there])
        if not probability >= self._least:
            return False
        gain = float(places.score.flat[best]) - places.worth(there)
        self._patience = self._patience + 1 if gain > BETTER else 0
        return self._patience < PATIENCE
