"""How the error grows with what makes a pair hard: baseline, sun, noise, overlap.

One nadir view of each rendered ground is matched with right views that differ in one thing at a
time; the rest stays at `B/H` 0.2, the same sun, 1 DN of noise and the same target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.geometry.cameras import Intrinsics

from lunar_bench.refinement.refinement import PairResult, measure_pair
from lunar_bench.sensors.machine import Machine, describe_machine

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
        absrel: Method -> median relative error of depth, whole view.
        slope_mae_deg: Method -> slope error, whole view.
    """

    value: float
    refined: float
    absrel: dict[str, float]
    slope_mae_deg: dict[str, float]


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


Change = Callable[["PairSpec", float], "PairSpec"]


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
    bundle: Path | None, grounds: int, seed: int
) -> Iterator[tuple[str, Point, RefinementSweep]]:
    """Render and measure; yields every point and the curves so far."""
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
                yield name, point, RefinementSweep(data, runtime.bundle.digest, curves, machine)


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
    def median(method: str, name: str) -> float:
        # Where the geometry gave nothing there is nothing to count; the others always do.
        values = [
            getattr(result.figures[method]["all"], name)
            for result in found
            if method in result.figures
        ]
        return float(np.median(values)) if values else float("nan")

    return Point(
        value,
        float(np.mean([result.reason is None for result in found])),
        {method: median(method, "absrel") for method in METHODS},
        {method: median(method, "slope_mae_deg") for method in METHODS},
    )


def plot_sweep(sweep: RefinementSweep, path: Path) -> None:
    """Draw the curves: depth error above, slope error below, one column a quantity."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    colours = {"null": "0.6", "network": "tab:orange", "geometry": "tab:green", "fused": "tab:blue"}
    columns = [(name, points) for name, points in sweep.curves.items() if points]
    figure, axes = plt.subplots(
        2,
        len(columns),
        figsize=(3.6 * len(columns), 6),
        squeeze=False,
        sharey="row",
        layout="constrained",
    )
    for (name, points), (depth, slope) in zip(columns, axes.T, strict=True):
        x = range(len(points))  # evenly: some values lie close together
        for method, colour in colours.items():
            style = {"color": colour, "marker": "o", "markersize": 3, "label": method}
            if method == "geometry":
                style |= {"linestyle": "--"}
            depth.plot(x, [100 * point.absrel[method] for point in points], **style)
            slope.plot(x, [point.slope_mae_deg[method] for point in points], **style)
        for at, point in zip(x, points, strict=True):
            depth.annotate(
                f"{point.refined:.0%}", (at, 1), xycoords=("data", "axes fraction"),
                ha="center", va="bottom", fontsize=7,
            )  # fmt: skip
        slope.set_xlabel(name)
        for axis in (depth, slope):
            axis.set_yscale("log")
            axis.set_xticks(x, [f"{point.value:g}" for point in points])
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(NullFormatter())
            axis.grid(True, alpha=0.2)
    axes[0, 0].set_ylabel("AbsRel, %")
    axes[1, 0].set_ylabel("slope error, deg")
    axes[0, 0].legend(fontsize=8)
    figure.suptitle(
        f"{sweep.data}; above: share of the pairs refined (geometry: medians of those alone)",
        fontsize=9,
    )
    figure.savefig(path, dpi=110, format="png")
    plt.close(figure)
