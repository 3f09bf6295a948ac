"""Results of `lunar-bench peers` as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from lunar_bench.peers.compare import PeersReport
from lunar_bench.peers.growth import GrowthReport


def peer_lines(report: PeersReport) -> Iterator[str]:
    """A table, one line a peer."""
    height, width = report.size
    yield (
        f"{report.data}, {len(report.pairs)} pairs of {width}x{height}, {report.threads} threads; "
        f"ours takes {report.ours_ms:.0f} ms"
    )
    yield (
        f"{'':15} {'told':20} {'depth %':>8} {'slope deg':>9} {'coverage':>8} "
        f"{'ours there':>14} {'pairs':>5} {'time':>5} {'MiB':>5}"
    )
    for peer in report.peers:
        memory = "" if peer.peak_rss_mib is None else f"{peer.peak_rss_mib:.0f}"
        yield (
            f"{peer.name:15} {peer.told:20} {100 * peer.absrel:8.3f} {peer.slope_mae_deg:9.2f} "
            f"{peer.coverage:8.0%} {100 * peer.ours_absrel:8.3f} {peer.ours_slope_mae_deg:5.2f} "
            f"{peer.done:5} {peer.time_ratio:5.2f} {memory:>5}"
        )


def growth_lines(report: GrowthReport) -> Iterator[str]:
    """A table, one line a peer."""
    yield f"{report.pair}, {report.threads} threads: ms of the processor's time by side in px"
    yield f"{'':15}" + "".join(f"{size:8}" for size in report.sizes) + "  exponent in pixels"
    for name, times in report.cpu_ms.items():
        cells = "".join(f"{'-' if ms is None else f'{ms:.0f}':>8}" for ms in times)
        yield f"{name:15}{cells}  {report.exponent[name]:.2f}"
