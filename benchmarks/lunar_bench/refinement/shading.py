"""What shading adds to stereo, arm by arm, and what the noise that is measured on the pair adds.

Every arm has the same pair in turn, so errors and times compare within a pair. They are: `alike`,
stereo to which the noise of all pixels is one, so that resampling changes the plate's scale;
`stereo`, with the noise by contrast, steepness and sharing pixels; `inside`, shading in the overlap
alone; `everywhere`, as it ships.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import lunar_runtime.refinement.dense_match as dense_match
import lunar_runtime.refinement.solver as solver
import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair, known_pair
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.geometry.views import View
from lunar_runtime.refinement.match_noise import MatchNoise, measure_match_noise
from lunar_runtime.refinement.other_light import OtherLight
from lunar_runtime.refinement.shading import Plated, Shading, ShadingTold, shade
from numpy.typing import NDArray

from lunar_bench.record.machine import Machine
from lunar_bench.refinement.figures import Figures, Truth
from lunar_bench.refinement.roughness import roughness_over_truth
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads

#: Size of the rendered pairs, pixels.
SIZE_PX = 512
_ALBEDO = (0.10, 0.20)  # RMS of the albedo, on every second rendered pair
_KINDS = ("nadir", "oblique", "dynamic")
MEASURE = measure_match_noise.__name__  #: what `dense_match` knows the noise's measurement by

Shade = Callable[[View, Field, NDArray[np.bool_], Plated, Sequence[OtherLight]], Shading]
Measure = Callable[[Field, Field, Field, NDArray[np.bool_]], MatchNoise]


def _nowhere(
    view: View,
    warped: Field,
    inside: NDArray[np.bool_],
    plated: Plated,
    others: Sequence[OtherLight] = (),
    draws: int = 0,
) -> Shading:
    return Shading(plated.departure, ShadingTold("left out", 0.0, 0.0))


def _inside(
    view: View,
    warped: Field,
    inside: NDArray[np.bool_],
    plated: Plated,
    others: Sequence[OtherLight] = (),
    draws: int = 0,
) -> Shading:
    height, width = view.shape
    decided = np.repeat(np.repeat(plated.decided, 2, axis=0), 2, axis=1)[:height, :width]
    return shade(replace(view, valid=decided), warped, inside, plated, others, draws)


def _alike(residual: Field, contrast: Field, change: Field, alike: NDArray[np.bool_]) -> MatchNoise:
    """One noise for all pixels, none of them shared."""
    return MatchNoise(0.0, float(robust_sigma(residual[alike])) ** 2, 0.0, 1.0)


class Arm(NamedTuple):
    """What the refinement does: its shading, and the noise of its match."""

    shade: Shade
    noise: Measure = measure_match_noise


#: The first is what the others' slope errors are compared with.
ARMS: dict[str, Arm] = {
    "stereo": Arm(_nowhere),
    "alike": Arm(_nowhere, _alike),
    "inside": Arm(_inside),
    "everywhere": Arm(shade),
}


class ShadedPair(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pair: arm -> what came of it.

    Attributes:
        pair: Its name.
        reason: Why shading added nothing, or why the pair was not refined; None = it did.
        explained: Share of the brightness that slopes explain where they were not fitted.
        figures: Arm -> region (`all`, `inside` and `outside` what the images decide) -> figures.
        refine_ms: Arm -> time of everything besides the network.
        cpu_ms: Arm -> processor time of the whole pair, the network on one thread included.
        roughness: Arm -> side of a window, pixels -> roughness inside over the truth's.
    """

    pair: str
    reason: str | None
    explained: float
    figures: dict[str, dict[str, Figures]]
    refine_ms: dict[str, float]
    cpu_ms: dict[str, float] = {}
    roughness: dict[str, dict[str, float]] = {}


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
    with opencv_threads(1), StereoRuntime.load(bundle, threads=1) as runtime:
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
    processor: dict[str, float] = {}
    rough: dict[str, dict[str, float]] = {}
    regions: dict[str, NDArray[np.bool_]] = {}
    reason, explained = None, 0.0
    runtime.infer(pair.left, pair.right, intrinsics=pair.camera_left)  # the first takes longer
    for name, arm in ARMS.items():
        with _with(arm):
            started = time.process_time()
            found = runtime.infer(pair.left, pair.right, intrinsics=pair.camera_left)
            processor[name] = 1e3 * (time.process_time() - started)
        assert found.refinement is not None
        if not found.refinement.done:
            return ShadedPair(pair.name, found.refinement.reason, 0.0, {}, {})
        refined = found.views["left"].refined
        if not regions and refined is not None:  # the first arm's, for all
            regions = truth.regions(refined)
        figures[name] = truth.figures(found.pointmap_left, regions)
        if "inside" in regions:
            rough[name] = roughness_over_truth(found.pointmap_left[..., 2], pair, regions["inside"])
        times[name] = sum(v for k, v in found.timings_ms.items() if k not in ("network", "read"))
        told = found.refinement.shading["left"]
        reason, explained = told.reason, told.explained
    return ShadedPair(pair.name, reason, explained, figures, times, processor, rough)


@contextmanager
def _with(arm: Arm) -> Iterator[None]:
    """Have the refinement take its shading and its noise from other functions."""
    places = ((vars(solver), "shade", arm.shade), (vars(dense_match), MEASURE, arm.noise))
    before = [names[name] for names, name, _ in places]
    for names, name, function in places:
        names[name] = function
    try:
        yield
    finally:
        for (names, name, _), function in zip(places, before, strict=True):
            names[name] = function


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
