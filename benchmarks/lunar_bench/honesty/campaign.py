"""A campaign: clean situations, and as many damaged ones as wanted, each drawn from its number.

A situation depends on the seed, its number and the pairs alone: not on how many others are run.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import UsageError
from numpy.typing import NDArray

from lunar_bench.honesty.kinds import KINDS
from lunar_bench.honesty.record import SituationRecord
from lunar_bench.honesty.run import Label, run_situation
from lunar_bench.honesty.situation import GIVINGS, Draw, Situation, clean_situation

CLEAN = "clean"

# What is told of every clean pair: with up; without; with a length to agree with the pose's.
_CLEAN_GIVINGS = (("rig",), ("cameras, altitude", "cameras, baseline"), ("rig, altitude",))
_INSTEAD = (
    "cameras"  # told of an undamaged pair to compare with, where a damaged one has no cameras
)


class Campaign:
    """Pairs, a network and a seed: from the number of a situation to its record."""

    def __init__(
        self,
        runtime: StereoRuntime,
        pairs: Sequence[KnownPair],
        seed: int,
    ) -> None:
        self.runtime, self.pairs, self.seed = runtime, pairs, seed
        suns = any(" sun " in pair.name for pair in pairs)
        self.kinds = [name for name, kind in KINDS.items() if suns or not kind.suns]
        self._run_clean = functools.cache(self._run_clean_once)

    def clean_ids(self) -> Iterator[str]:
        """Of the clean situations: some of every pair."""
        yield from (f"c{number}" for number in range(self._clean_count))

    def run(self, identity: str) -> SituationRecord:
        """Make one situation and run it.

        Raises:
            UsageError: There is no such situation.
        """
        situation, label = self.situation(identity)
        if label.kind == CLEAN:
            record = self._run_clean(*self._clean(identity))[0]
            return msgspec.structs.replace(record, id=identity)
        return run_situation(self.runtime, situation, label)[0]

    def situation(self, identity: str) -> tuple[Situation, Label]:
        """Make one situation.

        Args:
            identity: `17`, or `c17` for a clean one.

        Raises:
            UsageError: There is no such situation.
        """
        number = identity.removeprefix("c")
        if not number.isdecimal():
            raise UsageError(
                f"`only` {identity}: write a number, or c and a number for a clean one"
            )
        if not identity.startswith("c"):
            return self._damaged(int(number))
        if int(number) >= self._clean_count:
            raise UsageError(f"`only` {identity}: there are {self._clean_count} clean situations")
        index, given = self._clean(identity)
        return self._undamaged(index, given), Label(identity, CLEAN, self.pairs[index].name, given)

    @property
    def _clean_count(self) -> int:
        return len(_CLEAN_GIVINGS) * len(self.pairs)

    def _clean(self, identity: str) -> tuple[int, str]:
        """Which pair a clean situation is of, and what is told of it."""
        index, turn = divmod(int(identity.removeprefix("c")), len(_CLEAN_GIVINGS))
        return index, _CLEAN_GIVINGS[turn][index % len(_CLEAN_GIVINGS[turn])]

    def _undamaged(self, index: int, given: str) -> Situation:
        situation = clean_situation(self.pairs[index])
        return replace(situation, told=situation.told.only(given))

    def _damaged(self, number: int) -> tuple[Situation, Label]:
        rng = np.random.default_rng([self.seed, number])
        name = self._kind(number)
        kind = KINDS[name]
        suited = [i for i, pair in enumerate(self.pairs) if not kind.suns or " sun " in pair.name]
        index = suited[int(rng.integers(len(suited)))]
        pair = self.pairs[index]
        draw = Draw(rng, pair, self.pairs)
        given = draw.one_of(*kind.givings)
        undamaged = clean_situation(pair, self._clean_slope(index, given))
        situation = kind.damage(undamaged, draw)
        situation = replace(situation, told=situation.told.only(given))
        return situation, Label(str(number), name, pair.name, given)

    def _kind(self, number: int) -> str:
        """Every kind once in each round, in an order of the round's own."""
        turn, place = divmod(number, len(self.kinds))
        order = np.random.default_rng([self.seed, turn, 1]).permutation(len(self.kinds))
        return self.kinds[int(order[place])]

    def _clean_slope(self, index: int, given: str) -> NDArray[np.float32]:
        """The slopes of an undamaged pair of which as much is told as of a damaged one.

        What is not told is no damage, but for the cameras, which slopes need.
        """
        told = given if "left" in GIVINGS[given] else _INSTEAD
        return self._run_clean(index, told)[1]

    def _run_clean_once(
        self, index: int, given: str
    ) -> tuple[SituationRecord, NDArray[np.float32]]:
        situation = self._undamaged(index, given)
        label = Label(CLEAN, CLEAN, self.pairs[index].name, given)
        record, result = run_situation(self.runtime, situation, label)
        if result is None:
            return record, np.full(situation.left.shape, np.nan, np.float32)
        slope = result.views["left"].slope
        if slope.shape != situation.left.shape:
            raise UsageError(
                f"{label.pair}: {slope.shape} slopes of {situation.left.shape} px; hazards are "
                "compared pixel by pixel, so give pairs of up to 1024 px"
            )
        return record, slope
