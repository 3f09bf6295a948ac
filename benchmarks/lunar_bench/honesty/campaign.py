"""A campaign: clean situations, and as many damaged ones as wanted, each drawn from its number.

A situation depends on the seed, its number and the pairs alone: not on how many others are run.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

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
_WITH_UP, _WITHOUT_UP = 0, 1


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
            return self._run_clean(int(identity[1:]))[0]
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
        return self._clean(int(number))

    @property
    def _clean_count(self) -> int:
        return len(_CLEAN_GIVINGS) * len(self.pairs)

    def _clean(self, number: int) -> tuple[Situation, Label]:
        index, turn = divmod(number, len(_CLEAN_GIVINGS))
        given = _CLEAN_GIVINGS[turn][index % len(_CLEAN_GIVINGS[turn])]
        pair = self.pairs[index]
        situation = clean_situation(pair)
        situation = replace(situation, told=situation.told.only(given))
        return situation, Label(f"c{number}", CLEAN, pair.name, given)

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
        """The slopes of an undamaged pair, where up is told as in a damaged one.

        Slopes need up and the cameras; a damage that tells no cameras is compared with those told.
        """
        told_up = "up_left" in GIVINGS[given] or "left" not in GIVINGS[given]
        turn = _WITH_UP if told_up else _WITHOUT_UP
        return self._run_clean(len(_CLEAN_GIVINGS) * index + turn)[1]

    def _run_clean_once(self, number: int) -> tuple[SituationRecord, NDArray[np.float32]]:
        situation, label = self._clean(number)
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
