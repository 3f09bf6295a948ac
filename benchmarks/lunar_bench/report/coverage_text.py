"""Expected errors against real ones, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from lunar_bench.refinement.coverage import Coverage, Covered, PairCoverage

_MAPS = ("depth inside", "depth outside", "slope inside", "slope outside")
_ASTRAY_SIGMAS = 4
HEADER = f"{'':34} {'told':9}" + "".join(f"   {name}: 1 s, 2 s, rank" for name in _MAPS)


def pair_lines(result: PairCoverage) -> Iterator[str]:
    """A pair, told in one way."""
    if result.reason is not None:
        yield f"{result.pair:34} {result.told:9}   {result.reason}"
        return
    yield _line(result.pair, result.told, result.maps)


def mean_lines(result: Coverage) -> Iterator[str]:
    """Means over the pairs, a line for each way of telling."""
    for told, maps in result.means.items():
        count = sum(pair.told == told and pair.reason is None for pair in result.pairs)
        yield _line(f"means of {count}", told, maps)
        yield _poses_line(told, result.pairs)


def _poses_line(told: str, pairs: list[PairCoverage]) -> str:
    of_this = [pair for pair in pairs if pair.told == told and pair.pose_sigmas is not None]
    off = [pair for pair in of_this if (pair.pose_sigmas or 0) > _ASTRAY_SIGMAS]
    measured = sum(pair.verdict == "measured" for pair in off)
    return (
        f"{'':34} {told:9}   poses over {_ASTRAY_SIGMAS} sigmas off: {len(off)} of {len(of_this)}, "
        f"{measured} of them called measured"
    )


def _line(label: str, told: str, maps: dict[str, Covered]) -> str:
    columns = "".join(_column(maps.get(name)) for name in _MAPS)
    return f"{label:34} {told:9}{columns}".rstrip()


def _column(found: Covered | None) -> str:
    if found is None:
        return f"{'':>32}"
    return f"{found.one_sigma:>20.2f} {found.two_sigma:.2f} {found.ranking:+.2f} "
