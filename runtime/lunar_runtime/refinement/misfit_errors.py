"""What numbers of the cameras that are wrong do to a surface: more of its errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lunar_runtime.geometry.cameras import pixel_rays
from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.geometry.fields import Field, half, resized
from lunar_runtime.geometry.views import View
from lunar_runtime.refinement.misfit import Misfit
from lunar_runtime.refinement.sampson import moved
from lunar_runtime.refinement.surface import Surface
from lunar_runtime.refinement.told_numbers import changed

_COARSE = 16  # pixels: what wrong cameras do is smooth


def with_misfit(view: View, pose: RelativePose, surface: Surface, misfit: Misfit) -> Surface:
    """A surface whose expected errors contain what the wrong number does to it.

    Args:
        view: The surface's.
        pose: Of the other camera.
        surface: Of the view.
        misfit: What is wrong, and where the pose goes with it.
    """
    pattern = _pattern(view, pose, half(surface.inverse_depth), misfit)
    signs = np.where(np.arange(len(surface.draws)) % 2, 1, -1).astype(np.float32)
    sigma = np.hypot(surface.sigma, resized(np.abs(pattern), surface.sigma.shape))
    draws = surface.draws + signs[:, None, None] * pattern
    return replace(surface, sigma=np.asarray(sigma, np.float32), draws=draws)


def with_untested(
    view: View, pose: RelativePose, surface: Surface, numbers: tuple[Misfit, ...]
) -> Surface:
    """A surface whose sigma contains what the images leave open of the cameras.

    The shape alone: what all depths share is the scale's. Slopes hardly change.

    Args:
        view: The surface's.
        pose: Of the other camera.
        surface: Of the view.
        numbers: Each by one standard deviation.
    """
    height, width = surface.sigma.shape
    shape = max(4, height // _COARSE), max(4, width // _COARSE)
    coarse = resized(surface.inverse_depth, shape)
    square = sum((_pattern(view, pose, coarse, one) ** 2 for one in numbers), np.zeros_like(coarse))
    sigma = np.sqrt(surface.sigma**2 + resized(square.astype(np.float32), surface.sigma.shape))
    return replace(surface, sigma=np.asarray(sigma, np.float32))


def _pattern(view: View, pose: RelativePose, surface: Field, misfit: Misfit) -> Field:
    """(h, w) relative errors of Z, none in the median; at most the depth itself.

    Args:
        view: Whose camera it is.
        pose: Of the other camera.
        surface: (h, w) inverse depth on a grid over the view, of any size.
        misfit: See `with_misfit`.
    """
    rays = _seen_by_both(view, pose, surface)
    other = moved(pose, np.array(misfit.pose_step))
    found = changed(rays, misfit.number, misfit.own_change()).inverse_depth(other)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = surface / found.reshape(surface.shape)
        error = ratio / np.nanmedian(ratio) - 1
    return np.nan_to_num(np.clip(error, -1, 1)).astype(np.float32)


def _seen_by_both(view: View, pose: RelativePose, surface: Field) -> MatchedRays:
    height, width = surface.shape
    small = view.intrinsics.scaled(width / view.shape[1], height / view.shape[0])
    rays = pixel_rays(small, height, width).reshape(-1, 3).astype(np.float64)
    there = rays @ pose.R.T + surface.reshape(-1, 1) * pose.t
    return MatchedRays(rays, there / there[:, 2:], view.intrinsics.fx)
