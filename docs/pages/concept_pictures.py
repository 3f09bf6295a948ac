"""The pictures of README and of the page *Concepts*, made by the tool from the example pair.

    python docs/pages/concept_pictures.py        writes docs/pictures/*.jpg

Needs the extra `ground` (matplotlib). Everything drawn comes from `StereoRuntime.infer` on
examples/pair, or from the true depth beside it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from lunar_runtime import StereoResult, StereoRuntime, read_rig, write_result
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
PAIR = ROOT / "examples/pair"
OUT = ROOT / "docs/pictures"
ALTITUDE_M = 13163.0
INK = "#37474f"

Array = NDArray[np.floating]


def main() -> None:
    """Run the pair and draw every picture."""
    rig = read_rig(PAIR / "rig.json")
    with StereoRuntime.load() as runtime:
        files = PAIR / "left.png", PAIR / "right.png"
        refined = runtime.infer(*files, rig, altitude_m=ALTITUDE_M)
        alone = runtime.infer(*files, rig, altitude_m=ALTITUDE_M, refine="off")
    draw_preview(refined)
    true_depth = np.load(PAIR / "truth.npz")["depth_left"]
    plt.rcParams.update({"font.size": 9, "axes.titlesize": 9})
    for part in ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"):
        plt.rcParams[part] = INK
    draw_pointmap(refined)
    draw_scale_and_up(refined)
    draw_slope(refined)
    draw_expected_error(refined, true_depth)
    draw_network_and_refined(alone, refined, true_depth)


def draw_preview(result: StereoResult) -> None:
    """The tool's own preview, for README."""
    with TemporaryDirectory() as folder:
        write_result(result, Path(folder) / "result")
        preview = plt.imread(Path(folder) / "result/preview.png")
    below_the_title = preview[int(0.17 * len(preview)) :, :, :3]
    OUT.mkdir(exist_ok=True)
    plt.imsave(OUT / "demo.jpg", below_the_title, pil_kwargs={"quality": 85})


def draw_pointmap(result: StereoResult) -> None:
    """The points in space, coloured by their pixels, with both cameras."""
    step = 2
    points = _on_the_ground(result, result.pointmap_left)[::step, ::step] / 1e3
    figure, axes = plt.subplots(figsize=(7.2, 3.9))
    seen = _seen_from_aside(points)
    grey = result.left.grey[::step, ::step]
    farthest_first = np.argsort(-points[..., 1].ravel())
    across, height = seen.reshape(-1, 2)[farthest_first].T
    shade = grey.ravel()[farthest_first]
    axes.scatter(across, height, c=shade, cmap="gray", s=2.2, linewidths=0)
    for (name, camera), lift in zip(_cameras(result).items(), (0.3, -1.0), strict=True):
        at = _seen_from_aside(_on_the_ground(result, camera) / 1e3)
        axes.plot(*at, "s", color="#d84315", ms=6)
        axes.text(at[0] + 0.3, at[1] + lift, f"{name} camera", color="#d84315")
        if name == "left":
            for corner in (seen[0, 0], seen[0, -1], seen[-1, 0], seen[-1, -1]):
                axes.plot(*np.stack([at, corner]).T, color="#d84315", lw=0.6, alpha=0.7)
    axes.set_aspect("equal")
    axes.set_axis_off()
    save(figure, "pointmap")


def _seen_from_aside(points: Array) -> Array:
    """(..., 3) points on the ground's axes, projected in parallel to (..., 2)."""
    turn, lift = np.radians(55), np.radians(24)
    x, y, z = np.moveaxis(points, -1, 0)
    across = x * np.cos(turn) + y * np.sin(turn)
    away = -x * np.sin(turn) + y * np.cos(turn)
    return np.stack([across, z * np.cos(lift) + away * np.sin(lift)], axis=-1)


def draw_scale_and_up(result: StereoResult) -> None:
    """A cut through the scene: cameras, ground, baseline, altitude and up."""
    assert result.plane is not None
    ground = _on_the_ground(result, result.pointmap_left)
    middle = ground[:, ground.shape[1] // 2]
    order = np.argsort(middle[:, 1])
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    axes.fill_between(middle[order, 1] / 1e3, -1.4, middle[order, 2] / 1e3, color="#cfd8dc")
    axes.plot(middle[order, 1] / 1e3, middle[order, 2] / 1e3, color=INK, lw=1)
    axes.axhline(0, color=INK, lw=0.6, ls=":")
    cameras = {k: _on_the_ground(result, v)[1:] / 1e3 for k, v in _cameras(result).items()}
    for name, (y, z) in cameras.items():
        axes.plot(y, z, "s", color="#d84315", ms=6)
        side = "right" if y < np.mean([c[0] for c in cameras.values()]) else "left"
        shift = -0.4 if side == "right" else 0.4
        axes.text(y + shift, z + 0.1, f"{name} camera", ha=side, color="#d84315")
    left, right = cameras["left"], cameras["right"]
    axes.plot(*np.stack([left, right]).T, color="#d84315", lw=1)
    _arrow(axes, left, (left[0], 0.0), "#1565c0")
    axes.text(left[0] + 0.25, left[1] / 2, "altitude above\nthe scene's plane", color="#1565c0")
    middle_of = (np.asarray(left) + right) / 2
    axes.annotate(
        "baseline",
        tuple(middle_of),
        (middle_of[0] + 1.6, middle_of[1] - 1.9),
        color="#d84315",
        arrowprops={"arrowstyle": "-", "color": "#d84315", "lw": 0.6},
    )
    foot = (float(np.quantile(middle[:, 1], 0.8)) / 1e3, 0.0)
    _arrow(axes, foot, (foot[0], 3.2), "#2e7d32")
    axes.text(foot[0] + 0.25, 2.6, "up", color="#2e7d32")
    axes.text(foot[0] + 1.2, 0.25, "scene's plane", fontsize=8)
    axes.set(xlabel="along the ground, km", ylabel="height, km", xlim=(-6, 25), ylim=(-1.4, 15.5))
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, "scale_and_up")


def draw_slope(result: StereoResult) -> None:
    """Image, slope, and what is steeper than 15 degrees."""
    figure, (image, slope, steep) = plt.subplots(1, 3, figsize=(7.2, 2.6))
    _grey(image, result, "left image")
    _map(figure, slope, result.slope, "slope, degrees", "magma", (0, 40))
    _grey(steep, result, "steeper than 15°")
    over = np.where(result.slope > 15, 1.0, np.nan)
    steep.imshow(over, cmap="autumn", vmin=0, vmax=1.4, alpha=0.55)
    save(figure, "slope")


def draw_expected_error(result: StereoResult, true_depth: Array) -> None:
    """Confidence, the expected error of the depth, and the real one."""
    view = result.views["left"]
    assert view.depth_sigma is not None
    real = np.abs(view.depth - true_depth)
    figure, (first, second, third) = plt.subplots(1, 3, figsize=(7.2, 2.6))
    _map(figure, first, view.confidence, "confidence", "cividis", None)
    _map(figure, second, view.depth_sigma, "expected error of depth, m", "viridis", (0, 120))
    _map(figure, third, real, "real error of depth, m", "viridis", (0, 120))
    save(figure, "expected_error")


def draw_network_and_refined(alone: StereoResult, refined: StereoResult, truth: Array) -> None:
    """The slope from the network alone, refined by the images, and the true one."""
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6))
    true_slope = _slope_of(truth, refined)
    _map(figure, axes[0], alone.slope, "network alone", "magma", (0, 40))
    _map(figure, axes[1], refined.slope, "refined by the images", "magma", (0, 40))
    _map(figure, axes[2], true_slope, "truth", "magma", (0, 40))
    figure.suptitle("slope, degrees", y=0.99, fontsize=9)
    save(figure, "network_and_refined")


def _cameras(result: StereoResult) -> dict[str, Array]:
    """(3,) positions of both cameras, left camera's frame."""
    assert result.pose is not None
    left_from_right = np.linalg.inv(result.pose.right_from_left)
    return {"left": np.zeros(3), "right": left_from_right[:3, 3]}


def _on_the_ground(result: StereoResult, points: Array) -> Array:
    """Points of the left camera's frame in a frame with z up and its origin below the camera."""
    assert result.plane is not None
    up = np.asarray(result.plane.normal, float)
    forward = np.array([0.0, 0.0, 1.0])
    y = forward - (forward @ up) * up
    y /= np.linalg.norm(y)
    axes = np.stack([np.cross(y, up), y, up])
    height: Array = points @ axes.T
    height[..., 2] = result.plane.height(points)
    return height


def _slope_of(depth: Array, result: StereoResult) -> Array:
    """The slope of a depth map under the result's left camera and up."""
    from lunar_runtime.geometry.slope import slope_deg

    K = result.camera_left.intrinsics
    rows, columns = np.indices(depth.shape)
    rays = [(columns + 0.5 - K.cx) / K.fx, (rows + 0.5 - K.cy) / K.fy, np.ones_like(depth)]
    points = (np.stack(rays, axis=-1) * depth[..., None]).astype(np.float32)
    slope: Array = slope_deg(points, result.up.vector, 2.0)
    return slope


def _grey(axes: Axes, result: StereoResult, title: str) -> None:
    axes.imshow(result.left.grey, cmap="gray")
    axes.set_title(title)
    axes.set_axis_off()


def _map(
    figure: Figure,
    axes: Axes,
    values: Array,
    title: str,
    colours: str,
    limits: tuple[float, float] | None,
) -> None:
    low, high = limits or tuple(np.nanpercentile(values, [2, 98]))
    drawn = axes.imshow(values, cmap=colours, vmin=low, vmax=high)
    figure.colorbar(drawn, ax=axes, orientation="horizontal", pad=0.03, fraction=0.05)
    axes.set_title(title)
    axes.set_axis_off()


def _arrow(
    axes: Axes, start: Array | tuple[float, float], end: tuple[float, float], colour: str
) -> None:
    style = {"arrowstyle": "->", "color": colour, "lw": 1.2}
    axes.annotate("", end, (float(start[0]), float(start[1])), arrowprops=style)


def save(figure: Figure, name: str) -> None:
    """Write a picture to docs/pictures."""
    OUT.mkdir(exist_ok=True)
    figure.savefig(
        OUT / f"{name}.jpg",
        dpi=130,
        bbox_inches="tight",
        pad_inches=0.06,
        pil_kwargs={"quality": 88},
    )
    plt.close(figure)


if __name__ == "__main__":
    main()
