"""`lunar-infer`'s work: one pair or many, inferred, written and told."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from collections.abc import Sequence as Listed
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import click
import msgspec

from lunar_runtime.commands.command_line import echo, fail, with_flags
from lunar_runtime.commands.summary import summary, summary_lines
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
from lunar_runtime.files.printable import printable
from lunar_runtime.geometry.rig import Rig, read_rig
from lunar_runtime.guard.health import Health
from lunar_runtime.guard.sequence import Altimeter, Sequence
from lunar_runtime.inference.geometry_only import infer_geometry_only
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.inference.result_grids import LONGEST_PX
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.landing import find_landing
from lunar_runtime.report.outputs import check_out, write_result
from lunar_runtime.report.records import Report
from lunar_runtime.report.report import encode_report

_COMMON_PX = 512


@dataclass(frozen=True)
class Job:
    """Everything that is the same for all pairs of a call.

    Attributes:
        runtime: What infers; None is the geometry alone, which never is without refinement.
        options: What is asked of every pair.
        rig: Of the pairs that bring none of their own.
        folder: Where the pairs' folders go.
        overwrite: Replace results that are there.
        strict: Refuse a result that is guessed.
        lander: A vehicle to try on the ground.
        aim: Pixel of the left image at which it aims.
        at_once: Pairs of many that are under way together. One alone leaves cores idle.
        deadline_ms: Of every pair, from its call to its result; None = it has none.
        health: Is told of every pair; None = nobody is.
        sequence: Watches the pairs; None = nothing does.
        altimeter: What it says; None = there is none.
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

    def run(self, pair: PairFiles) -> Report:
        """Infer one pair and write its result.

        Raises:
            InputError: The pair or its rig cannot be used.
            UsageError: The lander cannot be tried on it.
            OutputError: Its folder exists, or cannot be written.
            DeadlineError: Nothing could be answered in time.
        """
        folder = self.folder / pair.out
        check_out(folder, overwrite=self.overwrite)
        with self._recorded() as record:  # what is not written is recorded as refused
            result = self._infer(pair)
            if self.strict and result.verdict == "guessed":
                reasons = "; ".join(result.verdict_reasons)
                raise InputError(f"guessed: {reasons}; `strict` refuses it")
            landing = None
            if self.lander is not None:
                start = time.perf_counter()
                landing = find_landing(result, self.lander, aim_px=self.aim)
                elapsed_ms = (time.perf_counter() - start) * 1e3
                result = replace(result, timings_ms={**result.timings_ms, "landing": elapsed_ms})
            report = write_result(result, folder, overwrite=self.overwrite, landing=landing)
            record(result)
        return report

    def _recorded(self) -> AbstractContextManager[Callable[[StereoResult], None]]:
        if self.health is None:
            return nullcontext(lambda _: None)
        return self.health.pair()

    def _infer(self, pair: PairFiles) -> StereoResult:
        rig = self.rig if pair.rig is None else read_rig(pair.rig)
        options = dict(vars(self.options))
        if self.runtime is None:
            del options["refine"]
            result = infer_geometry_only(pair.left, pair.right, rig, masks=pair.masks, **options)
        else:
            result = self.runtime.infer(
                pair.left,
                pair.right,
                rig,
                masks=pair.masks,
                deadline_ms=self.deadline_ms,
                **options,
            )
        return result if self.sequence is None else self.sequence.watch(result, self.altimeter)


def learn_costs(runtime: StereoRuntime, pair: PairFiles, options: InferOptions) -> None:
    """Learn what pairs of this one's size cost, or of a common size where it cannot be read."""
    try:
        width, height = read_image(pair.left, options.window and options.window[0]).size
    except InputError:  # the pair's own error comes in its turn
        width = height = _COMMON_PX
    shrink = min(1.0, LONGEST_PX / max(width, height))
    runtime.learn_costs(round(width * shrink), round(height * shrink), view=options.view)


def run_one(job: Job, pair: PairFiles, *, as_json: bool) -> None:
    """Run one pair and print its report.

    Raises:
        InputError: The pair cannot be used.
        OutputError: The result cannot be written.
    """
    report = job.run(pair)
    for line in [_json(report)] if as_json else summary(report):
        _print(line, as_json=as_json)


def run_many(job: Job, pairs: Listed[PairFiles], *, as_json: bool, tool: str) -> int:
    """Run pairs, print a line for each and its notes, and go on where one cannot be used.

    Args:
        job: What to do with each.
        pairs: Which.
        as_json: Print reports and failures as JSON.
        tool: In front of every error.

    Returns:
        The exit code: 0, or 3 where a pair failed.
    """
    failed = guessed = 0
    with _shown(pairs) as shown, closing(_outcomes(job, shown)) as outcomes:
        for pair, outcome in outcomes:
            if isinstance(outcome, Report):
                guessed += outcome.verdict == "guessed"
                for line in [_json(outcome)] if as_json else summary_lines(outcome):
                    _print(line, as_json=as_json)
                continue
            failed += 1
            message = with_flags(str(outcome), click.get_current_context().command)
            fail(tool, message if str(pair.left) in message else f"{pair.left}: {message}")
            if as_json:
                click.echo(_json_failure(pair, outcome))
    if not as_json:
        done = len(pairs) - failed
        how = f" ({done - guessed} measured, {guessed} guessed)" if done else ""
        echo(f"{done} of {len(pairs)} pairs done{how}, in {job.folder}")
    if failed:
        fail(tool, f"{failed} of {len(pairs)} pairs failed")
    return InputError.exit_code if failed else 0


def _outcomes(
    job: Job, pairs: Iterator[PairFiles]
) -> Generator[tuple[PairFiles, Report | LunarError], None, None]:
    """Every pair with its report or error, in order; `job.at_once` are under way."""
    under_way: deque[tuple[PairFiles, Future[Report]]] = deque()
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


def _outcome(pair: PairFiles, future: Future[Report]) -> tuple[PairFiles, Report | LunarError]:
    try:
        return pair, future.result()
    except (InputError, UsageError, OutputError, DeadlineError) as error:
        if is_out_of_memory(error):  # the next pair would have no more of it
            raise
        return pair, error  # of this pair; the next may be good


@contextmanager
def _shown(pairs: Listed[PairFiles]) -> Iterator[Iterator[PairFiles]]:
    """The pairs, with a bar on a terminal that says how many are done."""
    if not sys.stderr.isatty():
        yield iter(pairs)
        return
    from rich.console import Console
    from rich.progress import Progress

    # With stdout in a file, rich must not carry it over to the terminal's stderr.
    with Progress(
        console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    ) as progress:
        yield iter(progress.track(pairs))


def _print(line: str, *, as_json: bool) -> None:
    (click.echo if as_json else echo)(line)


def _json(report: Report) -> str:
    return encode_report(report).decode()


def _json_failure(pair: PairFiles, error: Exception) -> str:
    failure = {
        "status": "failed",
        "left": {"path": printable(pair.left)},
        "right": {"path": printable(pair.right)},
        "error": printable(error),
    }
    return msgspec.json.encode(failure).decode()
