"""Time over the number of views, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lunar_runtime.files.atomic import atomic_path
from matplotlib.figure import Figure

from lunar_bench.cost.sliding import SlidingResult


def plot_sliding(result: SlidingResult, path: Path) -> None:
    """Time over views as a PNG: measured points and their lines.

    Raises:
        OutputError: It cannot be written.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, sequence in result.sequences.items():
        wall = sequence.wall
        views = np.array(list(wall.ms))
        line = wall.ms_per_pair * (views - 1) + wall.ms_at_once
        (drawn,) = axes.plot(views, line / 1e3, linewidth=1)
        axes.plot(
            views, np.array(list(wall.ms.values())) / 1e3, "o", color=drawn.get_color(),
            label=f"{name}: {wall.ms_per_pair:.0f} ms a pair",
        )  # fmt: skip
    axes.set(xlabel="views", ylabel="seconds", xlim=(0, None), ylim=(0, None))
    axes.set_title(
        f"{result.student} {result.outputs}, {result.size[0]}×{result.size[1]}, "
        f"{result.threads} threads", fontsize=10,
    )  # fmt: skip
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
