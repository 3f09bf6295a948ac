"""Ground that is hard to look at, and told rightly: plains with little on them, ripples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from lunar_calib.render.renderer import render_pair
from lunar_calib.specs.pair_sampling import sample_spec
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import known_pair
from lunar_runtime.geometry.plane import fit_plane
from numpy.typing import NDArray

from lunar_bench.honesty.damages.detector import eight_bits
from lunar_bench.honesty.situation import Draw, Situation, clean_situation

_FLOATS = NDArray[np.floating[Any]]


def plain(situation: Situation, draw: Draw) -> Situation:
    """A plain instead: a twentieth to a half of the relief, few craters, hardly a texture."""
    kind = draw.one_of("nadir", "oblique", "dynamic")
    seed, relief = int(draw.rng.integers(1 << 20)), draw.log_uniform(0.05, 0.5)
    spec = sample_spec(seed, situation.left.shape[0], draw.one_of("stereolunar", "realistic"), kind)
    terrain = replace(
        spec.terrain,
        relief_scale=relief,
        crater_density=draw.log_uniform(0.02, 0.2),
        fresh_craters=0,
        roughness=0.2,
    )
    pair = known_pair("plain", render_pair(replace(spec, terrain=terrain)))
    return clean_situation(pair).noting(seed=float(seed), relief=relief, kind=kind)


def ripples(situation: Situation, draw: Draw) -> Situation:
    """Brightness that repeats itself over the ground, as dunes or ploughed fields have it."""
    pair = draw.pair
    amplitude, period = draw.uniform(0.05, 0.4), draw.log_uniform(4, 60)
    turned, phase = draw.uniform(0, np.pi), draw.uniform(0, 2 * np.pi)
    left = true_pointmap(pair.depth, pair.camera_left)
    assert pair.depth_right is not None
    there = true_pointmap(pair.depth_right, pair.camera_right)
    back = np.linalg.inv(pair.right_from_left)
    right = there @ back[:3, :3].T + back[:3, 3]
    across = _along_ground(left, turned)
    length = period * float(np.nanmedian(left[..., 2])) / pair.camera_left.fx

    def rippled(image: NDArray[np.uint8], points: _FLOATS) -> NDArray[np.uint8]:
        wave = np.sin(2 * np.pi * (points @ across) / length + phase)
        return eight_bits(image * (1 + amplitude * np.nan_to_num(wave)))

    found = situation.having(
        left=rippled(situation.left, left), right=rippled(situation.right, right)
    )
    return found.noting(amplitude=amplitude, period_px=period)


def _along_ground(points: _FLOATS, turned: float) -> _FLOATS:
    """(3,) unit vector in the plane of the ground."""
    normal = fit_plane(points).normal
    first = np.cross(normal, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    return np.asarray(np.cos(turned) * first + np.sin(turned) * np.cross(normal, first))
