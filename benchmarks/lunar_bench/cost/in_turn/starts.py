"""From nothing to the first result, in a process of its own: cold, warm, and watched."""

from __future__ import annotations

from collections.abc import Sequence

from lunar_runtime import Bundle

from lunar_bench.cost.fresh_process import evict_files, run_afresh
from lunar_bench.cost.in_turn import baseline_process
from lunar_bench.record.memory import FreshStart


def measure_start(bundle: Bundle, arguments: Sequence[str], warm: int) -> FreshStart:
    """Start `lunar-infer` on one pair afresh: once cold, then warm, then to watch its memory.

    Args:
        bundle: Whose files leave the page cache first.
        arguments: As for `lunar-infer`, without `--out`.
        warm: Runs after the cold one.

    Raises:
        InputError: A run failed.
    """
    evict_files(bundle)
    cold = run_afresh(arguments)
    again = [run_afresh(arguments) for _ in range(warm)]
    watched = run_afresh(arguments, watch=True)
    return FreshStart(
        cold_s=round(cold.seconds, 3),
        warm_s=[round(run.seconds, 3) for run in again],
        peak_rss_mib=round(max(run.peak_rss_mib for run in (cold, *again, watched)), 1),
        peak_pss_mib=None if watched.peak_pss_mib is None else round(watched.peak_pss_mib, 1),
    )


def measure_baseline_start(bundle: Bundle, arguments: Sequence[str]) -> FreshStart:
    """Start a baseline afresh, once.

    Args:
        bundle: Whose files leave the page cache first.
        arguments: As `baseline_arguments` makes them.

    Raises:
        InputError: It failed.
    """
    evict_files(bundle)
    run = run_afresh(arguments, module=baseline_process.__name__)
    return FreshStart(
        cold_s=round(run.seconds, 3),
        warm_s=[],
        peak_rss_mib=round(run.peak_rss_mib, 1),
        peak_pss_mib=None,
    )
