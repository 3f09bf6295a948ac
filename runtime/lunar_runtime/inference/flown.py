"""Which rung of the ladder a result stands on, and why."""

from __future__ import annotations

from typing import NamedTuple

from lunar_runtime.inference.ladder import RungName


class Flown(NamedTuple):
    """How a pair with a deadline was answered.

    Attributes:
        rung: See `ladder`.
        step: Pixels of the full result that one of its pixels stands for, along a side.
        deadline_ms: That was given.
        took_ms: From the call to the result.
        passed_over: Better rungs, each with the reason why not.
        age_s: Of an earlier pair's result: since that pair was given; None = it is this pair's.
    """

    rung: RungName
    step: int
    deadline_ms: float
    took_ms: float
    passed_over: tuple[str, ...] = ()
    age_s: float | None = None

    @property
    def met(self) -> bool:
        """Whether the result was there in time."""
        return self.took_ms <= self.deadline_ms

    def rung_name(self) -> str:
        """As the ladder spells it: `coarse 1/2`."""
        return self.rung if self.step == 1 else f"{self.rung} 1/{self.step}"

    def rung_words(self) -> str:
        """The same in words, with the age."""
        name = self.rung if self.step == 1 else f"{self.rung}, 1/{self.step} of the pixels a side"
        return name if self.age_s is None else f"{name}, {self.age_s:.1f} s old"

    def words(self) -> str:
        """The rung in a few words, with its time and without its reasons."""
        late = "" if self.met else f", {self.took_ms - self.deadline_ms:.0f} ms late"
        return f"{self.rung_words()}; {self.took_ms:.0f} of {self.deadline_ms:g} ms{late}"
