"""First intersection of rays with a curved heightfield.

The surface is z = h(x, y) - (x² + y²) / 2R about the site, h bilinear between the nodes. Rays
are traced from the ceiling downwards with steps that cannot jump over the surface (the gap
divided by the fastest it can close given the steepest slope), then Newton's method in float64
takes the rest. Rays for which that fails (grazing ones at silhouettes) are marched finely.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.render.terrain import Terrain

TOLERANCE_M = 0.003
"""Largest height error of an accepted intersection; float32 heights resolve 0.2 mm at 3 km."""

_MAX_TRACE_STEPS = 64
_NEWTON_STEPS = 4
_FALLBACK_STEPS = 256
_ROW = 256
_COARSE = 4

Doubles = NDArray[np.float64]


def sample_height(terrain: Terrain, x: Doubles, y: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Exact bilinear height and slope at positions on the periodic grid.

    OpenCV's remap rounds positions to 1/32 cell on some builds, which is metres here.

    Args:
        terrain: The heightfield.
        x: Metres east of node (0, 0).
        y: Metres north of it, same shape.

    Returns:
        Height in metres, dh/dx, dh/dy, each float64 of that shape.
    """
    n = terrain.spec.cells
    u, v = x / terrain.cell_m, y / terrain.cell_m
    u0, v0 = np.floor(u), np.floor(v)
    fu, fv = u - u0, v - v0
    c0 = u0.astype(np.int32) % n
    r0 = v0.astype(np.int32) % n
    c1, r1 = (c0 + 1) % n, (r0 + 1) % n
    flat = terrain.height_m.reshape(-1)
    r0, r1 = r0 * n, r1 * n
    h00, h01 = flat[r0 + c0].astype(np.float64), flat[r0 + c1].astype(np.float64)
    h10, h11 = flat[r1 + c0].astype(np.float64), flat[r1 + c1].astype(np.float64)
    top, bottom = h00 + fu * (h01 - h00), h10 + fu * (h11 - h10)
    dx = (h01 - h00) + fv * ((h11 - h10) - (h01 - h00))
    return top + fv * (bottom - top), dx / terrain.cell_m, (bottom - top) / terrain.cell_m


@dataclass(frozen=True)
class _Rays:
    """Rays from one point over the grid: position x0 + t dx, y0 + t dy in metres from node (0, 0).

    Their height over the reference sphere is c + b t + a t²: the sphere falls away under them.
    """

    x0: float
    y0: float
    c: float
    dx: Doubles
    dy: Doubles
    a: Doubles
    b: Doubles

    def pick(self, where: slice | NDArray[np.intp]) -> _Rays:
        rays = (self.dx[where], self.dy[where], self.a[where], self.b[where])
        return _Rays(self.x0, self.y0, self.c, *rays)

    def reach(self, level_m: float) -> Doubles:
        """Ray parameter at a height over the sphere, coming down; NaN for never."""
        c = self.c - level_m
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(2 * c / (-self.b + np.sqrt(self.b**2 - 4 * self.a * c)))

    def gap(self, terrain: Terrain, t: Doubles) -> tuple[Doubles, Doubles]:
        """Height over the ground, and how fast it closes with t."""
        h, hx, hy = sample_height(terrain, self.x0 + t * self.dx, self.y0 + t * self.dy)
        gap = self.c + t * (self.b + t * self.a) - h
        return gap, hx * self.dx + hy * self.dy - self.b - 2 * self.a * t


def cast(
    terrain: Terrain,
    site_m: tuple[float, float],
    origin_m: Doubles,
    directions: list[Doubles],
) -> Doubles:
    """Ray parameter of the first hit.

    Args:
        terrain: The heightfield.
        site_m: The world origin's position on it.
        origin_m: (3,) common start of the rays, world frame, above the terrain.
        directions: x, y, z of the directions, three arrays of one shape. Images (both sides
            multiples of 8) are faster than lists of rays.

    Returns:
        float64 of that shape: t with origin + t · direction on the surface; NaN for a miss.
    """
    shape, count = directions[0].shape, directions[0].size
    if count == 0:
        return np.zeros(shape)
    # Whole rows of `_ROW` rays: OpenCV refuses maps wider than 32 767.
    dx, dy, dz = (np.pad(d.reshape(-1), (0, -count % _ROW), mode="edge") for d in directions)
    x, y, z = (float(v) for v in origin_m)
    rays = _Rays(
        x0=x + site_m[0],
        y0=y + site_m[1],
        c=z + (x * x + y * y) / (2 * MOON_RADIUS_M),
        dx=dx,
        dy=dy,
        a=(dx * dx + dy * dy) / (2 * MOON_RADIUS_M),
        b=dz + (x * dx + y * dy) / MOON_RADIUS_M,
    )
    start, end = rays.reach(terrain.high_m), rays.reach(terrain.low_m)
    hits = np.isfinite(start) & (rays.b < 0)
    # A ray that enters the layer but never leaves it downwards turns at the vertex.
    end = np.where(np.isfinite(end), end, -rays.b / (2 * np.maximum(rays.a, 1e-12)))
    t0 = np.where(hits, np.maximum(start, 0), 1.0)
    t1 = np.where(hits, np.maximum(end, t0), 1.0)
    if not hits.all():
        # Misses stay in the arrays as rays straight down, lest their steps overflow.
        dx, dy, a = (np.where(hits, v, 0.0) for v in (rays.dx, rays.dy, rays.a))
        rays = _Rays(rays.x0, rays.y0, rays.c, dx, dy, a, np.where(hits, rays.b, -1.0))

    near = t0
    if len(shape) == 2 and shape[0] % 8 == 0 and shape[1] % 8 == 0 and min(shape) >= 64:
        near = _start_near(terrain, rays, t0, t1, (shape[0], shape[1]))
    t, gap = _newton(terrain, rays, _trace(terrain, rays, near, t1))
    failed = hits & ~(np.abs(gap) < TOLERANCE_M)
    failed |= hits & ((t < t0 - 1) | (t > t1 + 1))
    if failed.any():
        i = np.flatnonzero(failed)
        t[i] = _march(terrain, rays.pick(i), t0[i], t1[i])
    t[~hits] = np.nan
    return np.asarray(t[:count].reshape(shape))


def _start_near(
    terrain: Terrain, rays: _Rays, t0: Doubles, t1: Doubles, shape: tuple[int, int]
) -> Doubles:
    """Where to start the rays of an image, from tracing every fourth of them.

    A ray starts before the nearest hit of the coarse rays around it, by as much as those differ
    and a fiftieth of the layer: narrower obstacles than four pixels stand no higher than that.
    """
    rows, cols = (np.append(np.arange(0, n, _COARSE), n - 1) for n in shape)
    picked = (rows[:, None] * shape[1] + cols[None]).reshape(-1)
    extra = -picked.size % _ROW
    picked = np.concatenate([picked, np.full(extra, picked[-1])])
    coarse = _trace(terrain, rays.pick(picked), t0[picked], t1[picked])
    coarse = coarse[: rows.size * cols.size].reshape(rows.size, cols.size)
    corners = np.stack([coarse[:-1, :-1], coarse[:-1, 1:], coarse[1:, :-1], coarse[1:, 1:]])
    nearest = corners.min(0)
    nearest -= corners.max(0) - nearest
    fine = np.repeat(np.repeat(nearest, _COARSE, 0), _COARSE, 1)
    start = t0.copy()
    inside = slice(0, shape[0] * shape[1])
    start[inside] = fine[: shape[0], : shape[1]].reshape(-1)
    return np.asarray(np.maximum(start - 0.02 * (t1 - t0), t0))


def _trace(terrain: Terrain, rays: _Rays, t0: Doubles, t1: Doubles) -> Doubles:
    """Safe steps from above; float32 and OpenCV's sampling, good to a few centimetres."""
    f, grid = np.float32, (-1, _ROW)
    inv = 1 / terrain.cell_m
    ux, uy = ((d * inv).astype(f).reshape(grid) for d in (rays.dx, rays.dy))
    ox, oy = f(rays.x0 * inv), f(rays.y0 * inv)
    a, b = rays.a.astype(f).reshape(grid), rays.b.astype(f).reshape(grid)
    c = f(rays.c)
    t, t_end = t0.astype(f).reshape(grid), t1.astype(f).reshape(grid)
    speed = np.hypot(rays.dx, rays.dy).astype(f).reshape(grid)
    step = 1 / (f(terrain.steepest) * speed - b - f(2) * a * t)
    near = f(0.02 * terrain.cell_m)
    for i in range(_MAX_TRACE_STEPS):
        u, v = ux * t + ox, uy * t + oy
        h = cv2.remap(terrain.height_m, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        gap = c + t * (b + t * a) - h
        t += gap * step
        np.minimum(t, t_end, out=t)
        if i % 2 and np.count_nonzero(np.abs(gap) > near) <= t.size // 500:
            break
    return np.asarray(t.reshape(-1), dtype=np.float64)


def _newton(terrain: Terrain, rays: _Rays, t: Doubles) -> tuple[Doubles, Doubles]:
    """Newton steps on the exact bilinear surface; returns t and the remaining gap."""
    t, left = t.copy(), np.full(t.shape, np.inf)
    active: slice | NDArray[np.intp] = slice(None)
    for _ in range(_NEWTON_STEPS + 1):
        some = rays.pick(active)
        gap, rate = some.gap(terrain, t[active])
        left[active] = gap
        going = np.flatnonzero(np.abs(gap) >= TOLERANCE_M / 2)
        if going.size == 0:
            break
        # Near a silhouette the ray runs along the surface; small steps keep it on this side.
        t[active] += gap / np.maximum(rate, 0.1 * (np.hypot(some.dx, some.dy) - some.b))
        active = going if isinstance(active, slice) else active[going]
    return t, left


def _march(terrain: Terrain, rays: _Rays, t0: Doubles, t1: Doubles) -> Doubles:
    """Uniform march to the first sign change, then bisection; for the few hard rays."""
    low, high, previous = t0.copy(), t1.copy(), t0
    found = np.zeros(t0.shape, bool)
    for i in range(1, _FALLBACK_STEPS + 1):
        t = t0 + (t1 - t0) * (i / _FALLBACK_STEPS)
        below = (rays.gap(terrain, t)[0] <= 0) & ~found
        low[below], high[below] = previous[below], t[below]
        found |= below
        previous = t
    for _ in range(36):
        middle = (low + high) / 2
        above = rays.gap(terrain, middle)[0] > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(found, (low + high) / 2, np.nan)
