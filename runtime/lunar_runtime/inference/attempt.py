"""One pair with a deadline, rung by rung, until one is done."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from lunar_runtime.errors import BackendError
from lunar_runtime.inference.costs import Costs
from lunar_runtime.inference.ladder import Rung, rungs
from lunar_runtime.inference.result import ModelInfo, StereoResult
from lunar_runtime.inference.work import PairWork
from lunar_runtime.refinement.acceptance import NotRefinedError
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
        failure: Of the network, or why the images do not refine; None = there was none.
    """

    def __init__(self, costs: Costs, work: PairWork, network: Network, ends_at: float) -> None:
        self.passed_over: list[str] = []
        self.failure: BackendError | NotRefinedError | None = None
        self._costs, self._work, self._network, self._ends_at = costs, work, network, ends_at

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
                self.passed_over.append(f"{rung}: {expected:.0f} ms expected, {left:.0f} left")
                continue
            try:
                return self.run(rung), rung
            except OutOfTimeError as error:
                self.passed_over.append(f"{rung}: {error}")
            except (BackendError, NotRefinedError) as error:
                self.failure = error
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
            self._network.see(self._work, self._left_ms())
            self._costs.add(*self._network_stage(), _since_ms(start))
        stage, pixels = self._stage(rung)
        budget = Budget(
            self._ends_at, lambda place: self._costs.expect_ms(f"{stage}, {place}", pixels) or 0.0
        )
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
            return work.alone(network.model)
        if not rung.refines:
            why = "there is no time for it"
            return work.kept(network.model, why, network.longer_px)
        return work.refined(network.model if rung.runs_network else None, step=rung.step)

    def _ruled_out(self, rung: Rung) -> bool:
        """What failed is not tried again at a lower resolution."""
        if isinstance(self.failure, BackendError):
            return rung.runs_network
        return isinstance(self.failure, NotRefinedError) and rung.refines

    def _left_ms(self) -> float:
        return (self._ends_at - time.perf_counter()) * 1e3

    def _expected_ms(self, rung: Rung) -> float:
        stages = [self._stage(rung)]
        if rung.runs_network and self._work.maps is None:
            stages.append(self._network_stage())
        expected = [self._costs.expect_ms(*stage) for stage in stages]
        return sum(NEVER if one is None else one for one in expected)

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
