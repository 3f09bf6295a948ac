"""One situation through the runtime, as `lunar-infer` runs a pair, and its record."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import LunarError
from lunar_runtime.inference.pair import Image

from lunar_bench.honesty.judge import Outcome, faults, measure
from lunar_bench.honesty.record import SituationRecord
from lunar_bench.honesty.situation import Situation


class Label(NamedTuple):
    """What a situation is called: see `SituationRecord`."""

    id: str
    kind: str
    pair: str
    given: str


def run_situation(
    runtime: StereoRuntime, situation: Situation, label: Label
) -> tuple[SituationRecord, StereoResult | None]:
    """Infer, and judge the answer.

    Returns:
        The record; and the result, None where there is none.
    """
    start = time.perf_counter()
    result: StereoResult | None = None
    outcome: Outcome
    wrong: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = _infer(runtime, situation)
    except LunarError as error:
        outcome, reasons = "refused", [f"{type(error).__name__}: {error}"]
    except Exception as error:  # a bug of the runtime's is a finding, not the campaign's end
        outcome, reasons = "crashed", [f"{type(error).__name__}: {error}"]
    else:
        reasons = list(result.verdict_reasons)
    seconds = time.perf_counter() - start
    figures = None
    if result is not None:
        figures = None if situation.ground is None else measure(result, situation.ground)
        outcome = "guessed"
        if result.verdict == "measured":
            wrong = faults(figures)
            outcome = "measured & wrong" if wrong else "measured & right"
    record = SituationRecord(
        id=label.id,
        kind=label.kind,
        pair=label.pair,
        given=label.given,
        parameters=situation.parameters,
        outcome=outcome,
        faults=wrong,
        reasons=reasons,
        warnings=[] if result is None else list(result.warnings),
        unit=None if result is None else result.unit,
        figures=figures,
        seconds=round(seconds, 2),
    )
    return record, result


def _infer(runtime: StereoRuntime, situation: Situation) -> StereoResult:
    told = situation.told
    with _images(situation) as images:
        return runtime.infer(
            *images, told.rig(), altitude_m=told.altitude_m, baseline_m=told.baseline_m
        )


@contextmanager
def _images(situation: Situation) -> Iterator[tuple[Image, Image]]:
    """What is handed over: the arrays, or paths of the files while they are there."""
    if situation.files is None:
        yield situation.left, situation.right
        return
    with tempfile.TemporaryDirectory() as folder:
        left, right = (Path(folder) / side for side in ("left", "right"))
        for path, content in zip((left, right), situation.files, strict=True):
            path.write_bytes(content)
        yield left, right
