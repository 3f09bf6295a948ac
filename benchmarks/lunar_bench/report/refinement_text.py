"""Results of the refinement as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lunar_bench.refinement.apollo import ApolloResult
from lunar_bench.refinement.figures import Figures
from lunar_bench.refinement.measure import METHODS, REGIONS, PairResult, RefinementAccuracy
from lunar_bench.refinement.profile import Growth, RefinementProfile
from lunar_bench.refinement.shading import ShadedPair, ShadingAblation
from lunar_bench.refinement.sweep import Point

_GEOMETRIES = ("nadir", "oblique", "dynamic")
_TIMES = {"refine_ms": "besides the network, ms", "cpu_ms": "of one processor, all, ms"}

HEADER = (
    f"{'':34} {'method':10}" + "".join(f"   {region:>7}: AbsRel % slope deg" for region in REGIONS)
    + "   inside: rims deg"
)  # fmt: skip


def pair_lines(result: PairResult) -> Iterator[str]:
    """A pair: one line a method, then what was found."""
    yield from _figure_lines(result.pair, result.figures)
    if result.reason is not None:
        yield f"{'':34} not refined: {result.reason}"
        return
    pose = (
        f"{'':34} inside {result.inside_fraction:.0%}, rotation off {result.rotation_error_deg:.3f}"
        f" deg, epipolar residual {result.epipolar_px:.3f} px"
    )
    if result.scale_error is None:
        yield f"{pose}; too little inside for more"
        return
    yield (
        f"{pose}, scale off {100 * result.scale_error:+.2f} %, error / expected "
        f"{result.error_per_sigma:.2f} (slope {result.slope_error_per_sigma:.2f})"
    )


def median_lines(result: RefinementAccuracy) -> Iterator[str]:
    """Medians over the pairs, and the worst fused one."""
    refined = sum(pair.reason is None for pair in result.pairs)
    label = f"medians of {len(result.pairs)}, {refined} refined"
    yield from _figure_lines(label, result.medians)
    for region in REGIONS:
        fused = [
            pair.figures["fused"][region]
            for pair in result.pairs
            if region in pair.figures["fused"]
        ]
        if fused:
            yield (
                f"{'worst fused, ' + region:34} AbsRel {100 * max(f.absrel for f in fused):.3f} %, "
                f"slope {max(f.slope_mae_deg for f in fused):.2f} deg"
            )
    worse = [
        pair.pair
        for pair in result.pairs
        if pair.figures["fused"]["all"].absrel > 1.001 * pair.figures["network"]["all"].absrel
    ]
    yield f"fused worse than the network (whole view): {', '.join(worse) or 'no pair'}"


def point_line(name: str, point: Point) -> str:
    """One value of a sweep."""
    errors = "  ".join(
        f"{method} {100 * _number(absrel):.3f} % {_number(point.slope_mae_deg[method]):.2f} deg"
        for method, absrel in point.absrel.items()
    )
    return f"{name + ' ' + format(point.value, 'g'):34} refined {point.refined:4.0%}  {errors}"


def apollo_lines(result: ApolloResult) -> Iterator[str]:
    """The Apollo pair."""
    yield (
        f"{result.pair}: epipolar residual {result.epipolar_px:.3f} px, inside "
        f"{result.inside_fraction:.0%}, rotation {result.rotation_error_deg:.3f} deg and direction "
        f"{result.direction_error_deg:.3f} deg from the archive's pose"
    )
    yield (
        f"{result.matches} archived matches; distance from the archive's own epipolar lines "
        f"{result.archive_epipolar_px:.3f} px"
    )
    for name, m in result.methods.items():
        lines = "" if m.matches_epipolar_px is None else f", matches {m.matches_epipolar_px:.3f} px"
        yield (
            f"  {name:10} depth {100 * m.depth_median:.3f} %, aligned {100 * m.aligned_median:.3f}"
            f" %{lines}, at {m.covered:.0%} of the matches"
        )


def profile_lines(result: RefinementProfile) -> Iterator[str]:
    """Times, then the parts."""
    low, high = result.besides_network.quartiles_ms
    yield (
        f"{result.pair}, {result.size[0]}x{result.size[1]}, {result.threads} threads: besides the "
        f"network {result.besides_network.median_ms:.0f} ms (quartiles {low:.0f} - {high:.0f}), "
        f"the network {result.network.median_ms:.0f} ms"
    )
    for part in result.parts:
        yield f"  {part.part:40} {part.ms:7.1f} ms  {part.calls:3} calls"
    if result.growth is not None:
        yield from _growth_lines(result.growth)


def _growth_lines(growth: Growth) -> Iterator[str]:
    for one in growth.sizes:
        pixel = 1e6 * one.cpu_ms / (one.size[0] * one.size[1])
        yield (
            f"{one.size[0]}x{one.size[1]}: refinement alone {one.cpu_ms:.0f} ms of one processor, "
            f"{pixel:.0f} ns a pixel"
        )
    yield f"exponent in pixels {growth.exponent:.2f}; of its parts:"
    for part, exponent in sorted(growth.parts.items(), key=lambda one: -one[1]):
        yield f"  {part:40} {exponent:.2f}"


def _figure_lines(label: str, figures: dict[str, dict[str, Figures]]) -> Iterator[str]:
    for method in METHODS:
        if method not in figures:
            continue
        columns = ""
        for region in REGIONS:
            found = figures[method].get(region)
            columns += (
                " " * 29
                if found is None
                else f"{100 * found.absrel:19.3f} {found.slope_mae_deg:9.2f}"
            )
        inside = figures[method].get("inside")
        rims = "" if inside is None else f"{_number(inside.rim_mae_deg):19.2f}"
        yield f"{label:34} {method:10}{columns}{rims}".rstrip()
        label = ""


def _number(value: float | None) -> float:
    """NaN for what there is none of; it is printed as `nan`."""
    return float("nan") if value is None else value


def shaded_line(pair: ShadedPair) -> str:
    """One pair: slope errors of every arm, inside and outside."""
    if not pair.figures:
        return f"{pair.pair:<44} not refined: {pair.reason}"
    parts = []
    for region in ("inside", "outside"):
        errors = [
            figures[region].slope_mae_deg for figures in pair.figures.values() if region in figures
        ]
        if errors:
            parts.append(f"{region} " + " ".join(f"{error:5.2f}" for error in errors))
    text = f"{pair.pair:<44} slope error, deg: {', '.join(parts)}"
    return text if pair.reason is None else f"{text}; off: {pair.reason}"


def ratio_lines(result: ShadingAblation) -> list[str]:
    """Every arm over the first."""
    first = next(iter(result.slope_ratio), "")
    return [
        f"{arm:<12} slope error over that of {first}: "
        + ", ".join(f"{region} {ratio:.3f}" for region, ratio in regions.items())
        for arm, regions in result.slope_ratio.items()
    ]


def rough_lines(result: ShadingAblation) -> list[str]:
    """Roughness over the truth's, every arm: median of the pairs, by the side of the window."""
    lines = []
    for arm in result.slope_ratio:
        found = [pair.roughness[arm] for pair in result.pairs if pair.roughness.get(arm)]
        sides = [] if not found else list(found[0])
        parts = [
            f"{side} px {np.median([one[side] for one in found if side in one]):.2f}"
            for side in sides
        ]
        lines.append(f"{arm:<12} roughness inside over the truth's: {', '.join(parts)}")
    return lines


def group_lines(result: ShadingAblation) -> list[str]:
    """By geometry and by sun: mean slope error of every arm in the whole view, and median times."""
    groups: dict[str, list[ShadedPair]] = {}
    for pair in result.pairs:
        words = pair.pair.replace("_", " ").lower().split()
        kind = next((word for word in words if word in _GEOMETRIES), None)
        sun = words[words.index("sun") + 1] if "sun" in words else None
        for name in (kind, None if sun is None else f"sun {sun}"):
            if name is not None and pair.figures:
                groups.setdefault(name, []).append(pair)
    lines = []
    for name, pairs in sorted(groups.items()):
        arms = [
            f"{arm} {np.mean([pair.figures[arm]['all'].slope_mae_deg for pair in pairs]):.2f}"
            for arm in pairs[0].figures
        ]
        times = _times(pairs, "cpu_ms" if pairs[0].cpu_ms else "refine_ms")
        lines.append(
            f"{name:<12} {len(pairs):>2} pairs, slope error, deg: {', '.join(arms)}; {times}"
        )
    done = [pair for pair in result.pairs if pair.figures]
    lines += [_times(done, what) for what in _TIMES if done and getattr(done[0], what)]
    return lines


def _times(pairs: list[ShadedPair], what: str) -> str:
    """Median of a time, arm by arm."""
    arms = [
        f"{arm} {np.median([getattr(pair, what)[arm] for pair in pairs]):.0f}"
        for arm in pairs[0].figures
    ]
    return f"{_TIMES[what]}: {', '.join(arms)}"
