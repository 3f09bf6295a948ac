"""A result's condition: nominal, or degraded and to what.

An error instead of a result is the third: refused. Nothing else comes out of a pair, so that no
result is less than was asked for without saying so.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from lunar_runtime.inference.result import StereoResult

Condition = Literal["nominal", "degraded"]


class Judged(NamedTuple):
    """A condition.

    Attributes:
        condition: `nominal`: what was asked for, measured, in time, and no monitor tripped.
        degraded_to: What is left, in words; None where it is nominal.
    """

    condition: Condition
    degraded_to: str | None


def condition_of(result: StereoResult) -> Judged:
    """Judge a result by its rung, its refinement, its monitors and its verdict."""
    left = _left(result)
    return Judged("nominal" if left is None else "degraded", left)


def _left(result: StereoResult) -> str | None:
    flown, refinement = result.flown, result.refinement
    if flown is not None and flown.age_s is not None:
        return f"an earlier pair's result, {flown.age_s:.1f} s old"
    if refinement is None or not refinement.done:
        return "the network's word"
    if flown is not None and (flown.rung, flown.step) != ("refined", 1):
        return flown.rung_words()
    dropped = any(alarm.monitor in ("network", "prior") for alarm in result.alarms)
    if dropped and result.model is None:
        return "the images alone"
    if result.alarms:
        return f"a guess: {result.alarms[0].saw}"
    if result.verdict == "guessed":
        return f"a guess: {result.verdict_reasons[0]}"
    return "a late result" if flown is not None and not flown.met else None
