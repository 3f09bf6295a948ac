"""Options that several commands take, and what follows from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lunar_distill.data.data import Checked
    from lunar_distill.data.pairs import PairSource

EXISTING = click.Path(path_type=Path, exists=True)
F = TypeVar("F", bound=Callable[..., Any])

DATA = (
    click.option(
        "--data",
        type=EXISTING,
        multiple=True,
        help="Folder of shards, or of scenes in StereoLunar's layout; may be repeated.",
    ),
    click.option(
        "--render", "render_seed", type=click.IntRange(0), metavar="SEED",
        help="Instead of --data: render new pairs while training.",
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out damaged pairs, and count them."),
    click.option(
        "--size", "size_px", type=int, default=128, show_default=True, help="Image side, px."
    ),
)  # fmt: skip
TRAINING = (
    click.option("--batch", "batch_size", type=click.IntRange(1), default=16, show_default=True),
    click.option(
        "--accumulate", type=click.IntRange(1), default=1, show_default=True,
        help="Batches a step, shared by all processes of torchrun.",
    ),
    click.option("--pairs", "total_pairs", type=click.IntRange(1), default=100_000,
                 show_default=True, help="Pairs to see in all."),
    click.option("--warmup", "warmup_steps", type=click.IntRange(1), default=300,
                 show_default=True, help="Steps."),
    click.option("--clip", "clip_norm", type=click.FloatRange(0, min_open=True), default=1.0,
                 show_default=True, help="Largest gradient norm."),
    click.option("--ema", type=click.FloatRange(0, 1), default=0.998, show_default=True,
                 help="Decay of the averaged weights."),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option("--bf16/--fp32", default=None,
                 help="Precision of the arithmetic (default: bf16 where the processor has it)."),
    click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True),
    click.option("--minutes", type=float, help="Stop after so long; run again to go on."),
    click.option("--threads", type=click.IntRange(1), help="CPU threads (default: all)."),
    click.option("--loaders", type=click.IntRange(0), default=0, show_default=True,
                 help="Processes that prepare pairs; 0: a thread. A GPU wants several. Each "
                 "keeps two batches in /dev/shm."),
    click.option("--save-every", type=click.IntRange(1), default=500, show_default=True,
                 help="Steps between checkpoints."),
    click.option("--held-out", type=EXISTING, help="Pairs with depth to be measured on meanwhile."),
    click.option("--held-out-pairs", type=click.IntRange(1), default=64, show_default=True),
    click.option("--examine-every", type=click.IntRange(1), default=500, show_default=True,
                 help="Steps between measurements on --held-out."),
)  # fmt: skip


def with_options(*groups: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    """Add groups of options to a command, in their order."""

    def add(command: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


def open_source(
    data: tuple[Path, ...], render_seed: int | None, size_px: int, skip_bad: bool
) -> PairSource:
    """The training pairs that the command line names.

    Raises:
        UsageError: None or both kinds of source; a size that the networks cannot take.
    """
    from lunar_runtime.errors import UsageError

    from lunar_distill.data.sources import FreshPairs

    if size_px % 32 or size_px < 32:
        raise UsageError(f"--size {size_px}: must be a multiple of 32")
    if bool(data) == (render_seed is not None):
        raise UsageError("give one of --data DIR and --render SEED")
    if render_seed is not None:
        return FreshPairs(render_seed, size_px)
    from lunar_distill.data.data import open_data

    return report_skipped(open_data(data, size_px, skip_bad=skip_bad)).pairs


def report_skipped(checked: Checked) -> Checked:
    """Say what `--skip-bad` left out; of several processes, the first one does."""
    if os.environ.get("RANK", "0") != "0":
        return checked
    for offender in checked.offenders:
        click.echo(f"skipped {offender}", err=True)
    if checked.offenders:
        click.echo(f"{len(checked.offenders)} skipped, {len(checked.pairs)} left", err=True)
    return checked


def native_bf16(device: str) -> bool:
    """Whether bfloat16 is multiplied in hardware; where it is not, it is several times slower."""
    import torch

    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported())
