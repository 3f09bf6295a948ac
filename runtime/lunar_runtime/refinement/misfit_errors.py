"""What a number of the cameras that is wrong does to a surface: one more of its errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lunar_runtime.geometry.epipolar import EpipolarField, MatchedRays, RelativePose
from lunar_runtime.geometry.fields import Field, half, resized
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.camera_evidence import Misfit, changed
from lunar_runtime.refinement.sampson import moved
from lunar_runtime.refinement.surface import Surface


def with_misfit(pair: Pair, pose: RelativePose, surface: Surface, misfit: Misfit) -> Surface:
    """A surface whose expected errors contain what the wrong number does to it.

    Args:
        pair: Its left view is the surface's.
        pose: Of the right camera.
        surface: Of the left view.
        misfit: What is wrong, and where the pose goes with it.
    """
    pattern = _pattern(pair.halved(), pose, half(surface.inverse_depth), misfit)
    signs = np.where(np.arange(len(surface.draws)) % 2, 1, -1).astype(np.float32)
    sigma = np.hypot(surface.sigma, resized(np.abs(pattern), surface.sigma.shape))
    draws = surface.draws + signs[:, None, None] * pattern
    return replace(surface, sigma=np.asarray(sigma, np.float32), draws=draws)


def _pattern(pair: Pair, pose: RelativePose, surface: Field, misfit: Misfit) -> Field:
    """(⌈H/2⌉, ⌈W/2⌉) relative errors of Z, none in the median; at most the depth itself."""
    u, v = EpipolarField.of(pair, pose).project(surface)
    rows, columns = np.indices(surface.shape) + 0.5
    left, right = np.stack([columns, rows], axis=-1), np.stack([u, v], axis=-1)
    rays = MatchedRays.of(pair, left.reshape(-1, 2), right.reshape(-1, 2))
    other = moved(pose, np.array(misfit.pose_step))
    found = changed(rays, misfit.number, misfit.own_change()).inverse_depth(other)
    ratio = surface / found.reshape(surface.shape)
    error = ratio / np.nanmedian(ratio) - 1
    return np.nan_to_num(np.clip(error, -1, 1)).astype(np.float32)
