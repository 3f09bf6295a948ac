"""When a network runs the pair whose outputs are known, and what came of it.

The golden pair goes the way of every pair: the same library, the same threads, the same copies of
the weights, also those that nothing else can look at. It does not see what its pair does not use:
of harmful single bits in the weights it notices nine in ten.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from lunar_runtime.errors import GateError, UsageError

if TYPE_CHECKING:  # the command line takes choices and defaults from here, without NumPy
    import numpy as np
    from numpy.typing import NDArray

    from lunar_runtime.bundles.bundle import Bundle

#: `load`: before the first pair; `period`: then too, and before every so many pairs; `never`.
SelfTest = Literal["load", "period", "never"]
SELF_TESTS: tuple[SelfTest, ...] = get_args(SelfTest)
#: Pairs from one test to the next. The network's time grows by a hundredth.
EVERY = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SelfTestRecord:
    """The state of the self-test.

    Attributes:
        mode: When it runs.
        every: Pairs from one test to the next, in mode `period`.
        passed: How many were passed.
        failed: How many were not, before the network was loaded again.
        pairs_since: Pairs computed since the last that was passed.
        last_ms: How long the last took; 0 before the first.
    """

    mode: SelfTest
    every: int = EVERY
    passed: int = 0
    failed: int = 0
    pairs_since: int = 0
    last_ms: float = 0.0


class SelfTester:
    """Tests a network where it is due.

    Args:
        check: Runs the golden pair; raises GateError where it is off.
        reload: Loads the network again from its verified file; False where it cannot.
        mode: When to test.
        every: Pairs from one test to the next.

    Raises:
        UsageError: There is no such mode, or `every` is not positive.
    """

    def __init__(
        self,
        check: Callable[[], object],
        reload: Callable[[], bool],
        mode: SelfTest,
        every: int = EVERY,
    ) -> None:
        if mode not in SELF_TESTS:
            raise UsageError(f"`self_test` {mode}: choose one of {', '.join(SELF_TESTS)}")
        if every < 1:
            raise UsageError(f"`self_test_every` {every}: needs to be 1 or more pairs")
        self._check, self._reload = check, reload
        self._one_at_a_time = threading.Lock()
        self.record = SelfTestRecord(mode, every)

    @property
    def due(self) -> bool:
        """Whether the next pair has to wait for a test."""
        record = self.record
        if record.mode == "never":
            return False
        return not record.passed or (record.mode == "period" and record.pairs_since >= record.every)

    def test_if_due(self) -> None:
        """Run the golden pair if it is time to.

        Raises:
            GateError: An output is off, and still is after the network was loaded again.
        """
        with self._one_at_a_time:
            if self.due:
                self._test()

    def count_pair(self) -> None:
        """One more pair was computed."""
        with self._one_at_a_time:
            self.record = replace(self.record, pairs_since=self.record.pairs_since + 1)

    def _test(self) -> None:
        started = time.perf_counter()
        try:
            self._check()
        except GateError as error:
            self.record = replace(self.record, failed=self.record.failed + 1)
            _log.warning("self-test failed, loading the network again: %s", error)
            if not self._reload():
                raise
            self._check()
        took = 1e3 * (time.perf_counter() - started)
        self.record = replace(
            self.record, passed=self.record.passed + 1, pairs_since=0, last_ms=took
        )


def require_golden(
    bundle: Bundle,
    run: Callable[[NDArray[np.uint8], NDArray[np.uint8]], dict[str, NDArray[np.float32]]],
    where: str,
) -> dict[str, float]:
    """Run a bundle's golden pair, and hold the outputs to those that it must give.

    Args:
        bundle: That has the pair.
        run: The network.
        where: It runs, for the error.

    Returns:
        Per output, the mean relative error.

    Raises:
        GateError: One is larger than the manifest allows.
    """
    from lunar_runtime.bundles.parity import relative_error

    golden = bundle.golden()
    outputs = run(golden.left, golden.right)
    start, step = golden.step // 2, golden.step
    errors = {
        name: relative_error(outputs[name][:, start::step, start::step], expected)[1]
        for name, expected in golden.outputs.items()
    }
    for name, error in errors.items():
        if not error <= golden.tolerances[name]:
            raise GateError(
                f"{bundle.path}: on {where}, {name} is off by {error:.2g} on average, "
                f"{golden.tolerances[name]:.2g} is allowed; use another backend or version of it"
            )
    return errors
