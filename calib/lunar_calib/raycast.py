"""First intersection of rays with a curved heightfield.

The surface is z = h(x, y) - (x² + y²) / 2R about the site, h bilinear between the nodes. Rays
are traced from the ceiling downwards with steps that cannot jump over the surface (the gap
divided by the fastest it can close given the steepest slope), then Newton's method in float64
takes the rest. Rays for which that fails (grazing ones at silhouettes) are marched finely.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_calib.spec import MOON_RADIUS_M
from lunar_calib.terrain import Terrain

TOLERANCE_M = 0.003
"""Largest height error of an accepted intersection; float32 heights resolve 0.2 mm at 3 km."""

_MAX_TRACE_STEPS = 64
_NEWTON_STEPS = 4
_FALLBACK_STEPS = 256
_ROW = 256

Doubles = NDArray[np.float64]


def sample_height(
    terrain: Terrain, x: Doubles, y: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """Exact bilinear height and slope at positions on the periodic grid.

    OpenCV's remap rounds positions to 1/32 cell on some builds, which is metres here.

    Args:
        terrain: The heightfield.
        x, y: Positions in metres from node (0, 0), one shape.

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
        directions: x, y, z of the directions, three arrays of one shape.

    Returns:
        float64 of that shape: t with origin + t · direction on the surface; NaN for a miss.
    """
    shape = directions[0].shape
    count = directions[0].size
    if count == 0:
        return np.zeros(shape)
    # Whole rows of `_ROW` rays: OpenCV refuses maps wider than 32 767.
    dx, dy, dz = (np.pad(d.reshape(-1), (0, -count % _ROW), mode="edge") for d in directions)
    # Height of the ray over the reference sphere: c + b t + a t², with a, b per ray.
    a = (dx * dx + dy * dy) / (2 * MOON_RADIUS_M)
    b = dz + (origin_m[0] * dx + origin_m[1] * dy) / MOON_RADIUS_M
    c = origin_m[2] + (origin_m[0] ** 2 + origin_m[1] ** 2) / (2 * MOON_RADIUS_M)

    def crossing(level: float) -> Doubles:
        under = b * b - 4 * a * (c - level)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(2 * (c - level) / (-b + np.sqrt(under)))

    start, end = crossing(terrain.high_m), crossing(terrain.low_m)
    start = np.where(np.isfinite(start), np.maximum(start, 0), np.nan)
    hits = np.isfinite(start) & (b < 0)
    # A ray that enters the layer but never leaves it downwards turns at the vertex.
    end = np.where(np.isfinite(end), end, -b / (2 * a))
    t0 = np.where(hits, start, 1.0)
    t1 = np.where(hits, np.maximum(end, t0), 1.0)

    t = _trace(terrain, site_m, origin_m, (dx, dy), (a, b, c), t0, t1)
    t, gap = _newton(terrain, site_m, origin_m, (dx, dy), (a, b, c), t)
    failed = hits & ~(np.abs(gap) < TOLERANCE_M)
    failed |= hits & ((t < t0 - 1) | (t > t1 + 1))
    if failed.any():
        i = np.flatnonzero(failed)
        t[i] = _march(
            terrain, site_m, origin_m, (dx[i], dy[i]), (a[i], b[i], c), t0[i], t1[i]
        )
    t[~hits] = np.nan
    return t[:count].reshape(shape)


def _trace(
    terrain: Terrain,
    site_m: tuple[float, float],
    origin_m: Doubles,
    d_xy: tuple[Doubles, Doubles],
    abc: tuple[Doubles, Doubles, float],
    t0: Doubles,
    t1: Doubles,
) -> Doubles:
    """Safe steps from above; float32 and OpenCV's sampling, good to a few centimetres."""
    f = np.float32
    grid = (-1, _ROW)
    inv = 1 / terrain.cell_m
    ux, uy = ((d * inv).astype(f).reshape(grid) for d in d_xy)
    ox, oy = f((origin_m[0] + site_m[0]) * inv), f((origin_m[1] + site_m[1]) * inv)
    a, b = (v.astype(f).reshape(grid) for v in abc[:2])
    c = f(abc[2])
    t, t_end = t0.astype(f).reshape(grid), t1.astype(f).reshape(grid)
    speed = np.hypot(*d_xy).astype(f).reshape(grid)
    step = 1 / (f(terrain.steepest) * speed - b - f(2) * a * t)
    near = f(0.02 * terrain.cell_m)
    for i in range(_MAX_TRACE_STEPS):
        h = cv2.remap(
            terrain.height_m,
            ux * t + ox,
            uy * t + oy,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        gap = c + t * (b + t * a) - h
        t += gap * step
        np.minimum(t, t_end, out=t)
        if i % 4 == 3 and np.count_nonzero(np.abs(gap) > near) <= t.size // 500:
            break
    return t.reshape(-1).astype(np.float64)


def _newton(
    terrain: Terrain,
    site_m: tuple[float, float],
    origin_m: Doubles,
    d_xy: tuple[Doubles, Doubles],
    abc: tuple[Doubles, Doubles, float],
    t: Doubles,
) -> tuple[Doubles, Doubles]:
    """Newton steps on the exact bilinear surface; returns t and the remaining gap."""
    x0, y0 = origin_m[0] + site_m[0], origin_m[1] + site_m[1]
    t, left = t.copy(), np.full(t.shape, np.inf)
    active: slice | NDArray[np.intp] = slice(None)
    for _ in range(_NEWTON_STEPS + 1):
        dx, dy, a, b, ta = (v[active] for v in (*d_xy, *abc[:2], t))
        h, hx, hy = sample_height(terrain, x0 + ta * dx, y0 + ta * dy)
        gap = abc[2] + ta * (b + ta * a) - h
        left[active] = gap
        rate = -(b + 2 * a * ta - hx * dx - hy * dy)
        # Near a silhouette the ray runs along the surface; small steps keep it on this side.
        step = gap / np.maximum(rate, 0.1 * (np.hypot(dx, dy) - b))
        going = np.flatnonzero(np.abs(gap) >= TOLERANCE_M / 2)
        if going.size == 0:
            break
        t[active] = ta + step
        active = going if isinstance(active, slice) else active[going]
    return t, left


def _march(
    terrain: Terrain,
    site_m: tuple[float, float],
    origin_m: Doubles,
    d_xy: tuple[Doubles, Doubles],
    abc: tuple[Doubles, Doubles, float],
    t0: Doubles,
    t1: Doubles,
) -> Doubles:
    """Uniform march to the first sign change, then bisection; for the few hard rays."""
    dx, dy = d_xy
    a, b, c = abc
    x0, y0 = origin_m[0] + site_m[0], origin_m[1] + site_m[1]

    def gap_at(t: Doubles) -> Doubles:
        h = sample_height(terrain, x0 + t * dx, y0 + t * dy)[0]
        return np.asarray(c + t * (b + t * a) - h)

    low, high = t0.copy(), t1.copy()
    found = np.zeros(t0.shape, bool)
    previous = t0.copy()
    for i in range(1, _FALLBACK_STEPS + 1):
        t = t0 + (t1 - t0) * (i / _FALLBACK_STEPS)
        below = (gap_at(t) <= 0) & ~found
        low[below], high[below] = previous[below], t[below]
        found |= below
        previous = t
    for _ in range(36):
        middle = (low + high) / 2
        above = gap_at(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(found, (low + high) / 2, np.nan)
