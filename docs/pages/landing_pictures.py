"""The pictures of the guide *From a pair to a site*, made by the tool from the example pair.

    python docs/pages/landing_pictures.py        writes docs/pictures/landing*.jpg

Needs the extra `ground` (matplotlib). Maps and sites come from `find_landing`; the drawing of the
definitions puts a vehicle on ground of known shape with the runtime's own pads.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from concept_pictures import INK, PAIR, Array, save
from lunar_runtime import StereoRuntime, read_rig
from lunar_runtime.landing.hazards import CLASSES, HAZARDOUS, SAFE
from lunar_runtime.landing.lander import Lander, read_lander
from lunar_runtime.landing.landing import Landing, find_landing
from lunar_runtime.landing.stance import pad_directions
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Arc, Circle, Polygon

LANDER = Path(PAIR).parent / "lander.json"
_SAFE, _HAZARDOUS, _PADS, _LIMIT = "#1482c8", "#e66e1e", "#37474f", "#d84315"


def main() -> None:
    """Run the pair and draw both pictures."""
    plt.rcParams.update({"font.size": 9, "axes.titlesize": 9, "text.color": INK})
    with StereoRuntime.load() as runtime:
        rig = read_rig(PAIR / "rig.json")
        result = runtime.infer(PAIR / "left.png", PAIR / "right.png", rig)
    draw_landing(find_landing(result, read_lander(LANDER)))
    draw_definitions(Lander(footprint_diameter_m=10, pad_circle_diameter_m=8.6, pad_diameter_m=1,
                            slope_limit_deg=12, roughness_limit_m=0.6))  # fmt: skip


def draw_landing(landing: Landing) -> None:
    """From above: the image on the ground, classes with sites, P(safe)."""
    grid, hazards = landing.grid, landing.hazards
    xs, ys = (axis / 1e3 for axis in grid.centres())
    extent = (xs[0], xs[-1], ys[-1], ys[0])
    east, south = np.gradient(grid.height, axis=1), np.gradient(grid.height, axis=0)
    shade = np.clip(0.6 + (south - east) / grid.cell_m / 1.2, 0, 1)
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.9), sharey=True, layout="constrained")
    for panel in panels:
        panel.imshow(shade, cmap="gray", vmin=0, vmax=1, extent=extent)
        panel.set_aspect("equal")
    drawn = panels[0].imshow(grid.height, cmap="terrain", alpha=0.55, extent=extent)
    panels[0].set(title="the ground: heights, m", xlabel="x, km", ylabel="y, km")
    figure.colorbar(drawn, ax=panels[0], orientation="horizontal", fraction=0.05)
    shown = np.where(hazards.classes == CLASSES["unknown"], np.nan, hazards.classes)
    colours = ListedColormap([_SAFE, _HAZARDOUS])
    drawn = panels[1].imshow(
        shown, cmap=colours, vmin=SAFE - 0.5, vmax=HAZARDOUS + 0.5, alpha=0.5, extent=extent
    )
    bar = figure.colorbar(drawn, ax=panels[1], orientation="horizontal", fraction=0.05)
    bar.set_ticks([SAFE, HAZARDOUS], labels=["safe", "hazardous"])
    panels[1].set(title="classes (no colour: unknown), sites, margins", xlabel="x, km")
    for number, site in enumerate(landing.sites, start=1):
        x, y = site.x_m / 1e3, site.y_m / 1e3
        for radius, line in ((landing.lander.footprint_diameter_m / 2, 1.4), (site.margin_m, 0.6)):
            panels[1].add_patch(Circle((x, y), radius / 1e3, fill=False, ec="white", lw=line))
        panels[1].text(x, y + 0.25, str(number), color="white", fontsize=7, ha="center")
    drawn = panels[2].imshow(
        hazards.safe_probability, cmap="cividis", vmin=0, vmax=1, alpha=0.85, extent=extent
    )
    figure.colorbar(drawn, ax=panels[2], orientation="horizontal", fraction=0.05)
    panels[2].set(title="P(safe)", xlabel="x, km")
    save(figure, "landing")


def draw_definitions(lander: Lander) -> None:
    """A vehicle from aside and from above: pads, plane, slope, roughness, headings, footprint."""
    figure, (aside, above) = plt.subplots(
        1, 2, figsize=(9.6, 3.4), width_ratios=(2.2, 1), layout="constrained"
    )
    _from_aside(aside, lander)
    _from_above(above, lander)
    save(figure, "landing_definitions")


def _from_aside(axes: Axes, lander: Lander) -> None:
    """A cut along one diagonal: both of its pads carry."""
    x = np.linspace(-7.5, 7.5, 3001)
    ground = 0.16 * x + 0.12 * np.sin(1.7 * x) - 0.9 * np.exp(-((x - 1.9) ** 2) / 1.2)
    boulder = 0.85 - (x + 1.6) ** 2 * 1.5
    ground = np.where(boulder > 0, np.maximum(ground, 0.16 * x + boulder - 0.15), ground)
    radius, pad = lander.pad_radius_m, lander.pad_diameter_m / 2
    heights = [float(ground[np.abs(x - at) <= pad].max()) for at in (-radius, radius)]
    slope = (heights[1] - heights[0]) / (2 * radius)
    plane = sum(heights) / 2 + slope * x
    footprint = np.abs(x) <= lander.footprint_diameter_m / 2
    square = np.where(footprint, (ground - plane) / np.hypot(1, slope), -np.inf)
    top = int(square.argmax())
    axes.fill_between(x, -2.6, ground, color="#cfd8dc")
    axes.plot(x, ground, color=INK, lw=1)
    axes.plot(x, plane, color=_SAFE, lw=1.2)
    axes.text(4.6, float(plane[-1]) + 0.25, "plane of the pads", color=_SAFE, ha="left")
    for at, height in zip((-radius, radius), heights, strict=True):
        axes.plot([at - pad, at + pad], [height, height], color=_PADS, lw=4)
        axes.plot([at, at * 0.35], [height, 2.4 + slope * at * 0.35], color=_PADS, lw=1.2)
    corners = [(u, v + slope * u) for u, v in ((-1.9, 2.3), (1.9, 2.3), (1.4, 3.6), (-1.4, 3.6))]
    axes.add_patch(Polygon(corners, fc="#eceff1", ec=_PADS, lw=1.2))
    along = square[top] / np.hypot(1, slope)
    foot = (x[top] + slope * along, ground[top] - along)
    axes.plot([x[top], foot[0]], [ground[top], foot[1]], color=_LIMIT, lw=2)
    axes.annotate("roughness", (x[top], float(ground[top])), (-4.6, 1.9), color=_LIMIT,
                  arrowprops={"arrowstyle": "-", "color": _LIMIT, "lw": 0.6})  # fmt: skip
    left = -radius
    axes.plot([left, left + 6.6], [heights[0]] * 2, color=INK, lw=0.7, ls=":")
    axes.text(left + 5.9, heights[0] - 0.36, "level", fontsize=8, ha="center")
    angle = float(np.degrees(np.arctan(slope)))
    axes.add_patch(Arc((left, heights[0]), 12.6, 12.6, theta2=angle, color=_LIMIT, lw=2))
    axes.annotate("slope", (left + 6.28, heights[0] + 0.4), (3.4, -1.5), color=_LIMIT,
                  arrowprops={"arrowstyle": "-", "color": _LIMIT, "lw": 0.6})  # fmt: skip
    half = lander.footprint_diameter_m / 2
    _span(axes, (-half, half), -2.2, "footprint")
    axes.annotate("a pad rests on the\nhighest ground below it", (radius, heights[1] - 0.1),
                  (5.6, -0.9), ha="center", fontsize=8,
                  arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.6})  # fmt: skip
    axes.set(xlim=(-7.5, 7.5), ylim=(-2.6, 4.4))
    axes.set_aspect("equal")
    axes.set_axis_off()


def _span(axes: Axes, ends: tuple[float, float], y: float, words: str) -> None:
    axes.annotate("", (ends[1], y), (ends[0], y), arrowprops={"arrowstyle": "<->", "color": INK})
    axes.text(sum(ends) / 2, y + 0.14, words, ha="center", fontsize=8)


def _from_above(axes: Axes, lander: Lander) -> None:
    """All headings that are tried, one of them with its pads."""
    half, radius, pad = (
        lander.footprint_diameter_m / 2, lander.pad_radius_m, lander.pad_diameter_m / 2
    )  # fmt: skip
    axes.add_patch(Circle((0, 0), half, fc="#eceff1", ec=INK, lw=1))
    headings: list[Array] = [radius * pads for pads in pad_directions(lander.pads)]
    for heading in headings[1:]:
        axes.add_patch(Polygon(heading, fill=False, ec="#b0bec5", lw=0.8))
    first = headings[0]
    axes.add_patch(Polygon(first[:3], fc=_SAFE, alpha=0.2))
    axes.add_patch(Polygon(first, fill=False, ec=_PADS, lw=1.2))
    for number, (x, y) in enumerate(first):
        carries = number < 3
        axes.add_patch(Circle((x, y), pad, fc=_PADS if carries else "white", ec=_PADS, lw=1.2))
    axes.text(0, 1.2, "three pads carry", ha="center", color=_SAFE, fontsize=8)
    axes.text(0, -half - 1.1, f"{len(headings)} headings, the worst counts", ha="center")
    axes.set(xlim=(-half - 0.8, half + 0.8), ylim=(-half - 1.6, half + 0.5))
    axes.set_aspect("equal")
    axes.set_axis_off()


if __name__ == "__main__":
    main()
