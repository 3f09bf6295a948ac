"""Curves of the refinement's error, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lunar_runtime.files.atomic import atomic_path
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lunar_bench.refinement.sweep import RefinementSweep


def plot_sweep(sweep: RefinementSweep, path: Path) -> None:
    """Draw the curves: depth error above, slope error below, one column a quantity.

    Raises:
        OutputError: It cannot be written.
    """
    colours = {"null": "0.6", "network": "tab:orange", "geometry": "tab:green", "fused": "tab:blue"}
    columns = [(name, points) for name, points in sweep.curves.items() if points]
    figure = Figure(figsize=(3.6 * len(columns), 6), layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False, sharey="row")
    for (name, points), (depth, slope) in zip(columns, axes.T, strict=True):
        x = range(len(points))  # evenly: some values lie close together
        for method, colour in colours.items():
            style = {"color": colour, "marker": "o", "markersize": 3, "label": method}
            if method == "geometry":
                style |= {"linestyle": "--"}
            absrel = np.array([point.absrel[method] for point in points], np.float64)  # None: NaN
            slopes = np.array([point.slope_mae_deg[method] for point in points], np.float64)
            depth.plot(x, 100 * absrel, **style)
            slope.plot(x, slopes, **style)
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
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
