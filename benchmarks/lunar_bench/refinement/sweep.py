"""How the error grows with what makes a pair hard: baseline, sun, noise, overlap.

One nadir view of each rendered ground is matched with right views that differ in one thing at a
time; the rest stays at `B/H` 0.2, the same sun, 1 DN of noise and the same target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.geometry.cameras import Intrinsics

from lunar_bench.record.machine import Machine
from lunar_bench.refinement.measure import PairResult, measure_pair
from lunar_bench.sensors.machine import describe_machine

if TYPE_CHECKING:
    from lunar_calib.specs.pair_spec import PairSpec

METHODS = ("null", "network", "geometry", "fused")
_SIZE_PX = 256
_BASELINE = 0.2  # of the altitude
_NOISE_DN = 1.0
_FOOTPRINT = 0.828  # ground width over altitude, 45°


class Point(msgspec.Struct, frozen=True):
    """Medians over the grounds at one value of what is varied.

    Attributes:
        value: Of the quantity.
        refined: Share of the pairs that were refined.
        absrel: Method -> median relative error of depth, whole view; None = it gave nothing.
        slope_mae_deg: Method -> slope error, whole view; likewise.
    """

    value: float
    refined: float
    absrel: dict[str, float | None]
    slope_mae_deg: dict[str, float | None]


class RefinementSweep(msgspec.Struct, frozen=True):
    """Curves: what is varied -> points.

    Attributes:
        data: What pairs.
        bundle_digest: SHA-256 of its manifest.
        curves: See above.
        machine: Where.
    """

    data: str
    bundle_digest: str
    curves: dict[str, list[Point]]
    machine: Machine


def _moved(spec: PairSpec, baseline: float, aside: float = 0.0) -> PairSpec:
    """Left straight down, right a baseline to the east and aimed at, or north of, the target."""
    from lunar_calib.specs.pair_spec import CameraSpec

    height = spec.left.position_m[2]
    up = (0.0, 1.0, 0.0)
    left = CameraSpec((0.0, 0.0, height), up_hint=up)
    aim = (0.0, aside * _FOOTPRINT * height, 0.0)
    return replace(spec, left=left, right=CameraSpec((baseline * height, 0.0, height), aim, up))


def _noisy(spec: PairSpec, noise_dn: float) -> PairSpec:
    return replace(spec, imaging=replace(spec.imaging, read_noise_dn=noise_dn))


#: Name with unit -> values and the pair of specs, (left's, right's), at each of them.
QUANTITIES: dict[str, tuple[tuple[float, ...], Callable[[PairSpec, float], PairSpec]]] = {
    "baseline / height": ((0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7), lambda s, v: _moved(s, v)),
    "sun azimuth difference, deg": (
        (0, 5, 10, 20, 40, 80, 160),
        lambda s, v: replace(_moved(s, _BASELINE), sun_azimuth_deg=s.sun_azimuth_deg + v),
    ),
    "read noise, DN": ((0, 1, 2, 4, 8, 16), lambda s, v: _noisy(_moved(s, _BASELINE), v)),
    "overlap": (
        (1.0, 0.8, 0.6, 0.4, 0.3, 0.2),
        lambda s, v: _moved(s, _BASELINE, 1 - v),
    ),
}


def measure_sweep(
    bundle: Path | None,
    grounds: int,
    seed: int,
    tell: Callable[[str, Point], None] = lambda _, __: None,
) -> RefinementSweep:
    """Render and measure.

    Args:
        bundle: Of the network; None = the one in the package.
        grounds: How many are rendered for every point.
        seed: Of the first one.
        tell: Told the name of the quantity and the point, of every point.
    """
    curves: dict[str, list[Point]] = {name: [] for name in QUANTITIES}
    machine = describe_machine()
    data = f"{grounds} rendered grounds, {_SIZE_PX} px, from seed {seed}"
    with StereoRuntime.load(bundle) as runtime:
        for name, (values, _) in QUANTITIES.items():
            for value in values:
                found = [
                    measure_pair(runtime, swept_pair(name, value, seed + number), METHODS)
                    for number in range(grounds)
                ]
                point = _point(value, found)
                curves[name].append(point)
                tell(name, point)
        return RefinementSweep(data, runtime.bundle.digest, curves, machine)


def swept_pair(name: str, value: float, seed: int) -> KnownPair:
    """One ground with one quantity of `QUANTITIES` at a value."""
    from lunar_calib.choices import Preset
    from lunar_calib.render.renderer import render_pair
    from lunar_calib.render.terrain import synthesise_terrain
    from lunar_calib.specs.pair_sampling import sample_spec

    base = sample_spec(seed, _SIZE_PX, Preset.REALISTIC, "nadir")
    base = _noisy(replace(base, sun_elevation_deg=max(base.sun_elevation_deg, 20.0)), _NOISE_DN)
    spec = QUANTITIES[name][1](base, value)
    terrain = synthesise_terrain(spec.terrain)
    pair = render_pair(spec, terrain)
    left = pair.left
    if spec.sun_azimuth_deg != base.sun_azimuth_deg:
        left = render_pair(replace(spec, sun_azimuth_deg=base.sun_azimuth_deg), terrain).left
    return KnownPair(
        f"{name} {value:g}, seed {seed}",
        left.image,
        pair.right.image,
        left.depth_m,
        Intrinsics.from_matrix(left.intrinsics),
        Intrinsics.from_matrix(pair.right.intrinsics),
        pair.right_from_left,
    )


def _point(value: float, found: list[PairResult]) -> Point:
    def median(method: str, name: str) -> float | None:
        # Where the geometry gave nothing there is nothing to count; the others always do.
        values = [
            getattr(result.figures[method]["all"], name)
            for result in found
            if method in result.figures
        ]
        return float(np.median(values)) if values else None

    return Point(
        value,
        float(np.mean([result.reason is None for result in found])),
        {method: median(method, "absrel") for method in METHODS},
        {method: median(method, "slope_mae_deg") for method in METHODS},
    )
