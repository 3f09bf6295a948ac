"""A baseline in a process of its own: loaded, run once on the bundle's golden pair, and gone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lunar_runtime import Bundle

from lunar_bench.cost.in_turn.baselines import load_baseline


def baseline_arguments(
    name: str, bundle: Bundle, device: str, threads: int | None, checkpoint: Path | None
) -> list[str]:
    """What `main` takes, for `load_baseline`'s arguments."""
    return [name, str(bundle.path), device, str(threads or ""), str(checkpoint or "")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Load and run it; arguments are those of `baseline_arguments`."""
    name, path, device, threads, checkpoint = sys.argv[1:] if arguments is None else arguments
    bundle = Bundle.open(path)
    baseline = load_baseline(
        name,
        bundle,
        device,
        int(threads) if threads else None,
        Path(checkpoint) if checkpoint else None,
    )
    assert baseline.network is not None
    golden = bundle.golden()
    baseline.network(golden.left[None, None], golden.right[None, None])
