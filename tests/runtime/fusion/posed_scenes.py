"""Ground of known shape seen by cameras whose poses are known, with errors of a known kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lunar_runtime.fusion.ground_map import GroundMap, MapUpdate
from lunar_runtime.fusion.posed_view import PosedView, PoseSigma, pose_frame
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.landing.ground_grid import GridSource, GroundGrid
from numpy.typing import NDArray

Ground = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
SIZE = 160
CAMERA = Intrinsics(200.0, 200.0, SIZE / 2, SIZE / 2)
SIGMA = PoseSigma(0.05, 0.02)
DRAWS = 8


def pose(
    x: float = 0.0, y: float = 0.0, height: float = 100.0, tilt_deg: float = 0.0, roll: float = 0.0
) -> NDArray[np.float64]:
    """(4, 4) of a camera that looks down; tilted about its x axis, rolled in degrees."""
    down = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    t, r = np.radians(tilt_deg), np.radians(roll)
    tilt = np.array([[1, 0, 0], [0, np.cos(t), -np.sin(t)], [0, np.sin(t), np.cos(t)]])
    turn = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = down @ tilt @ turn
    matrix[:3, 3] = [x, y, height]
    return matrix


def depths(ground: Ground, world_from_left: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W) Z at which the pixels' rays first meet the ground: marched, then halved."""
    rays = pixel_rays(CAMERA, SIZE, SIZE).astype(np.float64) @ world_from_left[:3, :3].T
    start = world_from_left[:3, 3]

    def below(z: NDArray[np.float64]) -> NDArray[np.bool_]:
        x, y, h = (start[i] + z * rays[..., i] for i in range(3))
        return np.asarray(h <= ground(x, y))

    step = start[2] / 300
    far = np.full(rays.shape[:2], 0.7 * start[2])
    hit = below(far)
    for _ in range(600):
        far = np.where(hit, far, far + step)
        hit |= below(far)
        if hit.all():
            break
    near = far - step
    for _ in range(40):
        middle = (near + far) / 2
        inside = below(middle)
        near, far = np.where(inside, near, middle), np.where(inside, middle, far)
    return far


def posed(
    ground: Ground,
    at: NDArray[np.float64],
    *,
    told: NDArray[np.float64] | None = None,
    sigma: PoseSigma = SIGMA,
    noise: float = 1e-4,
    seed: int = 0,
    bend: tuple[float, float] = (0.0, 0.0),
    lit: NDArray[np.bool_] | None = None,
) -> PosedView:
    """A view of ground from a place.

    Args:
        ground: Its height.
        at: (4, 4) where the camera is.
        told: Where the vehicle believes it to be; None = there.
        sigma: Of that belief.
        noise: Relative, of the depth and of its draws, alike over 4 by 4 px.
        seed: Of the noise.
        bend: Relative, of the depth from the middle column to the outermost: what it is, and the
            standard deviation that the draws tell.
        lit: (H, W); None = everywhere.
    """
    rng = np.random.default_rng(seed)
    errors = rng.normal(0, noise, (DRAWS + 1, SIZE // 4, SIZE // 4))
    across = np.linspace(-1, 1, SIZE // 4) ** 2
    drawn = rng.normal(0, 1, DRAWS)
    sizes = np.array([bend[0], *bend[1] * drawn / np.sqrt(np.mean(drawn**2))])
    errors += sizes[:, None, None] * across
    true, draws = errors[0], np.repeat(np.repeat(errors[1:], 2, axis=1), 2, axis=2)
    z = depths(ground, at) * (1 + np.repeat(np.repeat(true, 4, axis=0), 4, axis=1))
    points = (pixel_rays(CAMERA, SIZE, SIZE) * z[..., None]).astype(np.float32)
    frame = pose_frame(at if told is None else told)
    source = GridSource(
        points, CAMERA, frame.axes[2], draws.astype(np.float32), np.ones((SIZE, SIZE), np.bool_)
    )
    return PosedView(source, np.ones((SIZE, SIZE), np.bool_) if lit is None else lit, frame, sigma)


def mapped(
    ground_map: GroundMap, update: MapUpdate, cell_m: float = 0.01
) -> tuple[GroundGrid, NDArray[np.bool_]]:
    """The map around a view, as fine as it is."""
    return ground_map.grid(ground_map.around(update, cell_m), update, CAMERA)[:2]


def misses(grid: GroundGrid, known: NDArray[np.bool_], ground: Ground) -> NDArray[np.floating]:
    """(n,) heights of known cells less the ground's."""
    x, y = np.meshgrid(*(side.astype(np.float64) for side in grid.centres()))
    return np.asarray((grid.height - ground(x, y))[known])
