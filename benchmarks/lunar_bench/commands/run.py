"""`lunar-bench run`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from lunar_runtime.commands.command_line import INTERRUPTED, echo
from lunar_runtime.commands.options import (
    FILE,
    PATH,
    backend,
    device,
    json_output,
    overwrite,
    threads,
    trust,
    verbose,
)

from lunar_bench.commands.options import BUNDLES
from lunar_bench.cost.in_turn.options import MeasureOptions

if TYPE_CHECKING:
    from lunar_runtime.inference.options import Refine

_BASELINES = ("eager", "eager-same", "teacher", "onnxruntime")


@click.command()
@BUNDLES
@backend
@device
@threads
@trust
@click.option(
    "--pairs",
    type=PATH,
    help="Images: a folder or CSV file, as for lunar-infer.  [default: the first bundle's golden "
    "pair]",
)
@click.option(
    "--refine",
    type=click.Choice(["auto", "on", "off"]),
    default=MeasureOptions.refine,
    show_default=True,
    help="As lunar-infer's.",
)
@click.option("--network-only", is_flag=True, help="Leave out geometry and writing.")
@click.option(
    "--baseline",
    "baselines",
    type=click.Choice(_BASELINES),
    multiple=True,
    help="Also run, in turn with the bundles: the bundle's network in PyTorch with all its outputs "
    "(eager) or the bundle's (eager-same), the teacher in PyTorch, or the bundle's graph in ONNX "
    "Runtime as it comes. Several are allowed. OpenVINO is no baseline: `--backend openvino`, or a "
    "bundle made for it beside another one.",
)
@click.option(
    "--ckpt",
    type=FILE,
    help="Weights of the eager baselines.  [default: random ones; time does not depend on them]",
)
@click.option("--iterations", type=click.IntRange(1), help="Rounds.")
@click.option(
    "--duration",
    type=float,
    help=f"Seconds, all candidates together.  [default: {MeasureOptions.duration_s:g}; 5 rounds]",
)
@click.option("--sustained", type=float, metavar="MIN", help="A long run: drift and memory slope.")
@click.option("--deadline-ms", type=float, help="Count the runs that take longer.")
@click.option(
    "--warmup",
    type=click.FloatRange(0),
    default=MeasureOptions.warmup_s,
    show_default=True,
    help="Seconds at most; 0: only the first run, which belongs to loading.",
)
@click.option(
    "--starts",
    type=click.IntRange(0),
    default=MeasureOptions.starts,
    show_default=True,
    help="Warm starts in a fresh process, besides the cold one and the one whose memory is "
    "watched; 0: none of them.",
)
@click.option(
    "--roofline/--no-roofline", default=MeasureOptions.roofline, help="FLOPs, bytes and peaks."
)
@click.option(
    "--accuracy",
    "accuracies",
    type=FILE,
    multiple=True,
    help="Saved by `lunar-bench accuracy`, with some of the bundles: for the plot of accuracy "
    "against time.",
)
@click.option("--out", type=PATH, help="Folder for JSON, Markdown, plots.")
@overwrite("the results that are there")
@json_output("the result")
@verbose
def run(
    bundles: tuple[Path, ...],
    backend: str,
    device: str,
    threads: int | None,
    pairs: Path | None,
    refine: Refine,
    network_only: bool,
    baselines: tuple[str, ...],
    ckpt: Path | None,
    iterations: int | None,
    duration: float | None,
    sustained: float | None,
    deadline_ms: float | None,
    warmup: float,
    starts: int,
    roofline: bool,
    accuracies: tuple[Path, ...],
    trust: Path | None,
    require_signature: bool | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Measure BUNDLEs and baselines in turn: time of every stage, start, memory, energy.

    Ctrl-C ends the run early; what was measured is kept, marked partial.

    Exit codes: 0 done, 2 wrong usage, 3 unusable bundle or images, 4 backend or device missing,
    130 interrupted.
    """
    if sum(given is not None for given in (iterations, duration, sustained)) > 1:
        raise click.UsageError("Give one of --iterations, --duration and --sustained.")
    for name, value in (("duration", duration), ("sustained", sustained)):
        if value is not None and value <= 0:
            raise click.UsageError(f"--{name} {value:g}: needs to be positive.")
    if ckpt is not None and not {"eager", "eager-same"} & set(baselines):
        raise click.UsageError("--ckpt is for --baseline eager and eager-same.")
    if backend.startswith("tensorrt") and device == "cpu":
        raise click.UsageError(f"--backend {backend} runs on the GPU; leave --device cpu out.")
    from lunar_runtime import Bundle

    from lunar_bench.accuracy.points import read_accuracy
    from lunar_bench.cost.in_turn.session import run_side_by_side
    from lunar_bench.record.run_file import encode_run
    from lunar_bench.report.folder import check_report_folder, write_report
    from lunar_bench.report.tables import markdown

    if out is not None:
        check_report_folder(out, overwrite=overwrite)
    points = [point for path in accuracies for point in read_accuracy(path)]
    opened = [
        Bundle.open(path, trust=trust, require_signature=require_signature) for path in bundles
    ]
    options = MeasureOptions(
        backend=backend,
        device=device,
        threads=threads,
        pairs=pairs,
        refine=refine,
        network_only=network_only,
        baselines=tuple(dict.fromkeys(baselines)),
        checkpoint=ckpt,
        iterations=iterations,
        duration_s=MeasureOptions.duration_s if duration is None else duration,
        sustained_min=sustained,
        deadline_ms=deadline_ms,
        warmup_s=warmup,
        starts=starts,
        roofline=roofline,
    )
    # Results of every round are written to the disk that the report goes to.
    scratch = None if out is None else next(p for p in out.resolve().parents if p.is_dir())
    with _interrupted_once():
        with _progress() as tell:
            record = run_side_by_side(opened, options, accuracy=points, scratch=scratch, tell=tell)
        missing = None if out is None else write_report(record, out, overwrite=overwrite)
    if missing:
        echo(f"lunar-bench: {missing}", err=True)
    click.echo(encode_run(record).decode() if as_json else markdown(record), nl=False)
    return INTERRUPTED if record.status == "partial" else 0


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """The first Ctrl-C ends the run; a second one must not cost the result that is being written.

    `timeout` and job schedulers send the signal to the process and to its group.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # a job in the background is not meant to hear it
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("opening") as status:
        yield status.update
