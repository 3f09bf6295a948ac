"""What shading adds to stereo, arm by arm: nothing of it, inside the overlap alone, everywhere.

Every arm has the same pair in turn, so errors and times compare within a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import lunar_runtime.refinement.solver as solver
import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair, known_pair
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.views import View
from lunar_runtime.refinement.other_light import OtherLight
from lunar_runtime.refinement.shading import Plated, Shading, ShadingTold, shade
from numpy.typing import NDArray

from lunar_bench.record.machine import Machine
from lunar_bench.refinement.figures import Figures, Truth
from lunar_bench.sensors.machine import describe_machine

#: Size of the rendered pairs, pixels.
SIZE_PX = 512
_ALBEDO = (0.10, 0.20)  # RMS of the albedo, on every second rendered pair
_KINDS = ("nadir", "oblique", "dynamic")

Shade = Callable[[View, Field, NDArray[np.bool_], Plated, Sequence[OtherLight]], Shading]


def _nowhere(
    view: View,
    warped: Field,
    inside: NDArray[np.bool_],
    plated: Plated,
    others: Sequence[OtherLight] = (),
) -> Shading:
    return Shading(plated.departure, ShadingTold("left out", 0.0, 0.0))


def _inside(
    view: View,
    warped: Field,
    inside: NDArray[np.bool_],
    plated: Plated,
    others: Sequence[OtherLight] = (),
) -> Shading:
    return shade(replace(view, valid=plated.decided), warped, inside, plated, others)


ARMS: dict[str, Shade] = {"stereo": _nowhere, "inside": _inside, "everywhere": shade}


class ShadedPair(msgspec.Struct, frozen=True):
    """One pair: arm -> what came of it.

    Attributes:
        pair: Its name.
        reason: Why shading added nothing, or why the pair was not refined; None = it did.
        explained: Share of the brightness that slopes explain where they were not fitted.
        figures: Arm -> region (`all`, `inside` and `outside` what the images decide) -> figures.
        refine_ms: Arm -> time of everything besides the network.
    """

    pair: str
    reason: str | None
    explained: float
    figures: dict[str, dict[str, Figures]]
    refine_ms: dict[str, float]


class ShadingAblation(msgspec.Struct, frozen=True):
    """All pairs, under every arm in turn.

    Attributes:
        data: What pairs.
        bundle_digest: SHA-256 of its manifest.
        slope_ratio: Arm -> region -> slope error over that of the first arm, geometric mean.
        pairs: Each one.
        machine: Where.
    """

    data: str
    bundle_digest: str
    slope_ratio: dict[str, dict[str, float]]
    pairs: list[ShadedPair]
    machine: Machine


def shaded_pairs(count: int, seed: int, size_px: int = SIZE_PX) -> Iterator[KnownPair]:
    """Rendered pairs: the geometries in turn, every second one with albedo, shadows and noise."""
    from lunar_calib.render.renderer import render_pair
    from lunar_calib.specs.pair_sampling import sample_spec

    for number in range(count):
        kind, albedo = _KINDS[number % 3], 0.0
        preset = "stereolunar"
        if number % 2:
            preset = "realistic"
            albedo = float(np.random.default_rng(seed + number).uniform(*_ALBEDO))
        spec = sample_spec(seed + number, size_px, preset, kind)
        imaging = replace(spec.imaging, albedo_contrast=albedo)
        name = f"{preset} {kind} {seed + number}, albedo {albedo:.0%}"
        yield known_pair(name, render_pair(replace(spec, imaging=imaging)))


def measure_shading(
    bundle: Path | None,
    pairs: Iterable[KnownPair],
    data: str,
    tell: Callable[[ShadedPair], None] = lambda _: None,
) -> ShadingAblation:
    """Run every arm on every pair.

    Args:
        bundle: Of the network; None = the one in the package.
        pairs: At least one.
        data: What they are, in words.
        tell: Told every pair's result.

    Raises:
        InputError: There is no pair.
    """
    machine = describe_machine()
    done: list[ShadedPair] = []
    with StereoRuntime.load(bundle) as runtime:
        for pair in pairs:
            done.append(_measure(runtime, pair))
            tell(done[-1])
        if not done:
            raise InputError(f"{data}: there is no pair to measure")
        ratios = slope_ratios(done, list(ARMS))
        return ShadingAblation(data, runtime.bundle.digest, ratios, done, machine)


def _measure(runtime: StereoRuntime, pair: KnownPair) -> ShadedPair:
    truth = Truth(pair)
    figures: dict[str, dict[str, Figures]] = {}
    times: dict[str, float] = {}
    regions: dict[str, NDArray[np.bool_]] = {}
    reason, explained = None, 0.0
    for name, arm in ARMS.items():
        with _shaded_by(arm):
            found = runtime.infer(pair.left, pair.right, intrinsics=pair.camera_left)
        assert found.refinement is not None
        if not found.refinement.done:
            return ShadedPair(pair.name, found.refinement.reason, 0.0, {}, {})
        refined = found.views["left"].refined
        if not regions and refined is not None:  # the first arm's, for all
            regions = truth.regions(refined)
        figures[name] = truth.figures(found.pointmap_left, regions)
        times[name] = sum(v for k, v in found.timings_ms.items() if k not in ("network", "read"))
        told = found.refinement.shading["left"]
        reason, explained = told.reason, told.explained
    return ShadedPair(pair.name, reason, explained, figures, times)


@contextmanager
def _shaded_by(arm: Shade) -> Iterator[None]:
    """Have the refinement take its shading from another function."""
    names = vars(solver)
    before = names["shade"]
    names["shade"] = arm
    try:
        yield
    finally:
        names["shade"] = before


def slope_ratios(pairs: list[ShadedPair], arms: Sequence[str]) -> dict[str, dict[str, float]]:
    """Arm -> region -> slope error over that of the first arm, geometric mean."""
    found: dict[str, dict[str, float]] = {}
    first = arms[0]
    for arm in arms:
        for region in ("all", "inside", "outside"):
            logs = [
                np.log(
                    pair.figures[arm][region].slope_mae_deg
                    / pair.figures[first][region].slope_mae_deg
                )
                for pair in pairs
                if region in pair.figures.get(arm, {})
            ]
            if logs:
                found.setdefault(arm, {})[region] = round(float(np.exp(np.mean(logs))), 4)
    return found
