"""One pair with a deadline, rung by rung, until one is done."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from lunar_runtime.errors import BackendError, InputError
from lunar_runtime.inference import answers
from lunar_runtime.inference.alarm import Alarm
from lunar_runtime.inference.costs import Costs
from lunar_runtime.inference.ladder import Rung, rungs
from lunar_runtime.inference.result import ModelInfo, StereoResult
from lunar_runtime.inference.work import PairWork
from lunar_runtime.refinement.acceptance import NotRefinedError, OtherGroundError
from lunar_runtime.refinement.budget import Budget, OutOfTimeError, within

#: Of a pair that may take as long as it takes.
NEVER = math.inf


class Network(NamedTuple):
    """What a pair needs of a loaded network.

    Attributes:
        see: Has it look at the pair, within the milliseconds given.
        model: What it is.
        longer_px: Of its inputs' longer side.
    """

    see: Callable[[PairWork, float], None]
    model: ModelInfo
    longer_px: int


class Attempt:
    """See the module.

    Args:
        costs: Of the stages; what this pair's cost is added.
        work: The pair.
        network: The loaded network.
        ends_at: Of `time.perf_counter`, when the result must be there.

    Attributes:
        passed_over: Rungs that were not answered with, each with its reason.
        failure: Of the network, or why the images do not refine or show no common ground; None =
            there was none.
    """

    def __init__(self, costs: Costs, work: PairWork, network: Network, ends_at: float) -> None:
        self.passed_over: list[str] = []
        self.failure: BackendError | InputError | None = None
        self._costs, self._work, self._network, self._ends_at = costs, work, network, ends_at
        self._hopes = False

    def rungs(self) -> list[Rung]:
        """Of this pair, the best first."""
        work = self._work
        return list(rungs(work.options.refine, work.longer_px, cameras_told=work.cameras_told))

    def best(self) -> tuple[StereoResult, Rung] | None:
        """The result of the best rung that fits, and the rung; None where none does."""
        for rung in self.rungs():
            if self._ruled_out(rung):
                continue
            expected, left = self._expected_ms(rung), self._left_ms()
            if expected > left:
                self._costs.pass_over(*self._stage(rung))
                self.passed_over.append(f"{rung}: {expected:.0f} ms expected, {_in_words(left)}")
                continue
            result = self._tried(rung)
            if result is not None:
                return result, rung
        return None

    def quickest(self) -> tuple[StereoResult, Rung] | None:
        """The same of the rung that is expected to be the quickest, although that is too slow.

        What was expected may be wrong. It is given up once the time is over, whatever was expected.
        """
        there = [rung for rung in self.rungs() if not self._ruled_out(rung)]
        if not there or self._left_ms() <= 0:
            return None
        rung = min(there, key=self._expected_ms)
        self._hopes = True
        result = self._tried(rung)
        return None if result is None else (result, rung)

    def least_ms(self) -> float | None:
        """What the quickest rung is expected to take; None where none is left to be tried."""
        there = [self._expected_ms(rung) for rung in self.rungs() if not self._ruled_out(rung)]
        return min(there, default=None)

    def _tried(self, rung: Rung) -> StereoResult | None:
        try:
            return self.run(rung)
        except OutOfTimeError as error:
            self.passed_over.append(f"{rung}: {error}")
        except (BackendError, NotRefinedError) as error:
            self.failure = error
            if isinstance(error, BackendError) and not self._told_network():
                self._work.alarms += (Alarm("network", str(error)),)
            self.passed_over.append(f"{rung}: {error}")
        except OtherGroundError as error:
            if rung.name == "refined":
                raise
            # Fewer pixels show less: the pair may be one all the same.
            self.failure = self.failure or error
            self.passed_over.append(f"{rung}: {error}")
        return None

    def run(self, rung: Rung) -> StereoResult:
        """Have a rung's result, and remember what it cost.

        Raises:
            OutOfTimeError: It would be late.
            BackendError: The inference library failed.
            NotRefinedError: The images do not refine, and there is no network's word to keep.
        """
        if rung.runs_network and self._work.maps is None:
            start = time.perf_counter()
            self._network.see(self._work, self._network_ms())
            self._costs.add(*self._network_stage(), _since_ms(start))
            if self._work.maps is None:
                raise BackendError(self._work.alarms[-1].saw)
        stage, pixels = self._stage(rung)

        def still_ms(place: str) -> float:
            if self._hopes:
                return 0.0
            return self._costs.expect_ms(f"{stage}, {place}", pixels) or 0.0

        budget = Budget(self._ends_at, still_ms)
        start = time.perf_counter()
        try:
            with within(budget):
                result = self._result(rung)
        except OutOfTimeError:  # it would have taken longer than was expected of it
            expected = self._costs.expect_ms(stage, pixels) or 0.0
            self._costs.add(stage, pixels, max(expected, _since_ms(start)))
            raise
        if result.refinement is None or result.refinement.done or not rung.refines:
            self._costs.add(stage, pixels, _since_ms(start))
            for place, passed_at in budget.passed:
                self._costs.add(f"{stage}, {place}", pixels, _since_ms(passed_at))
        return result

    def _result(self, rung: Rung) -> StereoResult:
        work, network = self._work, self._network
        if work.options.refine == "off":
            return answers.alone(work, network.model)
        if not rung.refines:
            why = "there is no time for it"
            return answers.kept(work, network.model, why, network.longer_px)
        return answers.refined(work, network.model if rung.runs_network else None, step=rung.step)

    def _ruled_out(self, rung: Rung) -> bool:
        """What failed is not tried again at a lower resolution."""
        if isinstance(self.failure, BackendError):
            return rung.runs_network
        return isinstance(self.failure, NotRefinedError) and rung.refines

    def _told_network(self) -> bool:
        return any(alarm.monitor == "network" for alarm in self._work.alarms)

    def _left_ms(self) -> float:
        return (self._ends_at - time.perf_counter()) * 1e3

    def _expected_ms(self, rung: Rung) -> float:
        stages = [self._stage(rung)]
        if rung.runs_network and self._work.maps is None:
            stages.append(self._network_stage())
        expected = [self._costs.expect_ms(*stage) for stage in stages]
        return sum(NEVER if one is None else one for one in expected)

    def _network_ms(self) -> float:
        """Time that the network has: what is left, less what the images need to answer alone."""
        left = self._left_ms()
        alone = [self._expected_ms(one) for one in self.rungs() if not one.runs_network]
        return left - min(alone) if alone and 0 < left - min(alone) < NEVER else left

    def _network_stage(self) -> tuple[str, int]:
        return "network", self._network.longer_px**2

    def _stage(self, rung: Rung) -> tuple[str, int]:
        """What follows the network, by what it costs."""
        view = self._work.options.view
        if not rung.refines:
            kind = "alone" if self._work.options.refine == "off" else "kept"
            return f"{kind}, {view}", self._network.longer_px**2
        with_network = "network and " if rung.runs_network else ""
        return f"{with_network}images, {view}", self._work.pixels // rung.step**2


def _since_ms(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def _in_words(left_ms: float) -> str:
    return f"{left_ms:.0f} left" if left_ms >= 1 else "none left"
