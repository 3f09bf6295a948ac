"""`lunar-infer`'s work: one pair or many, inferred, written and told."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from collections.abc import Sequence as Listed
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.requests import request_digest
from lunar_runtime.errors import (
    DeadlineError,
    InputError,
    LunarError,
    OutputError,
    UsageError,
    is_out_of_memory,
)
from lunar_runtime.files.images import read_image
from lunar_runtime.files.pair_lists import PairFiles
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.rig_file import read_rig
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.report.result_names import check_out

if TYPE_CHECKING:  # what comes after reading is imported when it is needed
    from lunar_runtime.guard.health import Health
    from lunar_runtime.guard.sequence import Altimeter, Sequence
    from lunar_runtime.inference.pipeline import StereoRuntime
    from lunar_runtime.inference.result import StereoResult
    from lunar_runtime.landing.lander import Lander
    from lunar_runtime.report.records import Report

_COMMON_PX = 512

#: What a batch goes on after: the fault is the pair's, and the next may be good.
OF_THE_PAIR = (InputError, UsageError, OutputError, DeadlineError)


class Done(NamedTuple):
    """A pair's report, and whether its result was there before."""

    report: Report
    before: bool = False


#: A pair, and its report or error.
Outcome = tuple[PairFiles, Done | LunarError]


@dataclass(frozen=True)
class Job:
    """Everything that is the same for all pairs of a call.

    Attributes:
        runtime: What infers; None is the geometry alone, which never is without refinement.
        options: What is asked of every pair.
        rig: Of the pairs that bring none of their own.
        folder: Where the pairs' folders go.
        overwrite: Replace results that are there.
        resume: Keep a result that is there if it is whole and of the same request; replace one
            that is damaged.
        strict: Refuse a result that is guessed.
        lander: A vehicle to try on the ground.
        aim: Pixel of the left image at which it aims.
        at_once: Pairs of many that are under way together. One alone leaves cores idle.
        deadline_ms: Of every pair, from its call to its result; None = it has none.
        health: Is told of every pair; None = nobody is.
        sequence: Watches the pairs; None = nothing does.
        altimeter: What it says; None = there is none.
        alone: There is one pair: what the network holds is given back before the rest of it.
    """

    runtime: StereoRuntime | None
    options: InferOptions
    rig: Rig | None
    folder: Path
    overwrite: bool
    strict: bool = False
    at_once: int = 1
    lander: Lander | None = None
    aim: tuple[float, float] | None = None
    deadline_ms: float | None = None
    health: Health | None = None
    sequence: Sequence | None = None
    altimeter: Altimeter | None = None
    resume: bool = False
    alone: bool = False

    def run(self, pair: PairFiles) -> Done:
        """Infer one pair and write its result, unless it is to be kept.

        Raises:
            InputError: The pair or its rig cannot be used.
            UsageError: The lander cannot be tried on it.
            OutputError: Its folder exists, or cannot be written.
            DeadlineError: Nothing could be answered in time.
        """
        folder = self.folder / pair.out
        if self.resume:
            from lunar_runtime.report.whole import whole_report

            there = whole_report(folder, self.request(pair), overwrite=self.overwrite)
            if there is not None:
                self._check_strict(there.verdict, there.verdict_reasons)
                return Done(there, before=True)
        overwrite = self.overwrite or self.resume  # what is left there is damaged
        check_out(folder, overwrite=overwrite)
        with self._recorded() as record:  # what is not written is recorded as refused
            result = self._infer(pair)
            self._check_strict(result.verdict, result.verdict_reasons)
            landing = None
            if self.lander is not None:
                from lunar_runtime.landing.landing import find_landing

                start = time.perf_counter()
                landing = find_landing(result, self.lander, aim_px=self.aim)
                elapsed_ms = (time.perf_counter() - start) * 1e3
                result = replace(result, timings_ms={**result.timings_ms, "landing": elapsed_ms})
            request = self.request(pair)
            from lunar_runtime.report.outputs import write_result

            report = write_result(
                result, folder, overwrite=overwrite, landing=landing, request=request
            )
            record(result)
        return Done(report)

    def request(self, pair: PairFiles) -> str:
        """What is asked for with this pair, as a digest; see `request_digest`."""
        rig = self._rig(pair)
        bundle = None if self.runtime is None else self.runtime.bundle.digest
        asked = {"options": self.options, "rig": rig, "lander": self.lander, "aim": self.aim}
        return request_digest(pair, bundle, asked)

    def _rig(self, pair: PairFiles) -> Rig | None:
        return self.rig if pair.rig is None else read_rig(pair.rig)

    def _check_strict(self, verdict: str, reasons: Listed[str]) -> None:
        if self.strict and verdict == "guessed":
            raise InputError(f"guessed: {'; '.join(reasons)}; `strict` refuses it")

    def _recorded(self) -> AbstractContextManager[Callable[[StereoResult], None]]:
        if self.health is None:
            return nullcontext(lambda _: None)
        return self.health.pair()

    def _infer(self, pair: PairFiles) -> StereoResult:
        rig = self._rig(pair)
        options = dict(vars(self.options))
        if self.runtime is None:
            from lunar_runtime.inference.geometry_only import infer_geometry_only

            del options["refine"]
            result = infer_geometry_only(pair.left, pair.right, rig, masks=pair.masks, **options)
        else:
            result = self.runtime.infer(
                pair.left,
                pair.right,
                rig,
                masks=pair.masks,
                deadline_ms=self.deadline_ms,
                last=self.alone and self.deadline_ms is None,
                **options,
            )
        return result if self.sequence is None else self.sequence.watch(result, self.altimeter)


def learn_costs(runtime: StereoRuntime, pair: PairFiles, options: InferOptions) -> None:
    """Learn what pairs of this one's size cost, or of a common size where it cannot be read."""
    try:
        width, height = read_image(pair.left, options.window and options.window[0]).size
    except InputError:  # the pair's own error comes in its turn
        width = height = _COMMON_PX
    shrink = min(1.0, options.longest_px / max(width, height))
    runtime.learn_costs(round(width * shrink), round(height * shrink), view=options.view)


def prepare_writing() -> None:
    """Import what writes and tells a result, and load its letters: for a moment of waiting."""
    import_module("lunar_runtime.commands.summary")
    import_module("lunar_runtime.report.outputs")
    from lunar_runtime.report.canvas import load_letters

    load_letters()


def run_one(job: Job, pair: PairFiles, *, as_json: bool) -> None:
    """Run one pair and print its report.

    Raises:
        InputError: The pair cannot be used.
        OutputError: The result cannot be written.
    """
    report = replace(job, alone=True).run(pair).report
    from lunar_runtime.commands.summary import summary
    from lunar_runtime.report.report import encode_report

    if as_json:
        click.echo(encode_report(report).decode())
        return
    for line in summary(report):
        echo(line)


def outcomes(job: Job, pairs: Listed[PairFiles]) -> Generator[Outcome, None, None]:
    """Every pair with its report or error, in order; `job.at_once` are under way."""
    under_way: deque[tuple[PairFiles, Future[Done]]] = deque()
    with ThreadPoolExecutor(job.at_once, "pair") as workers:
        try:
            for pair in pairs:
                under_way.append((pair, workers.submit(job.run, pair)))
                if len(under_way) > job.at_once:
                    yield _outcome(*under_way.popleft())
            while under_way:
                yield _outcome(*under_way.popleft())
        finally:  # of what ends the batch: no further pair is begun
            workers.shutdown(wait=False, cancel_futures=True)


def _outcome(pair: PairFiles, future: Future[Done]) -> Outcome:
    try:
        return pair, future.result()
    except OF_THE_PAIR as error:
        if is_out_of_memory(error):  # the next pair would have no more of it
            raise
        return pair, error  # of this pair; the next may be good
