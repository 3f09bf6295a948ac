"""Dense matches: the right image seen through a surface, and what is left between it and the left.

The right image is warped onto the left one through the present surface; where the surface is right
the two agree up to light and noise. `measure_flow` finds what is left in two dimensions (dense
inverse search, Kroeger et al. 2016), from pixels down to about 0.1; `linearise` then compares
brightness along the epipolar line alone, which a plate through all pixels turns into hundredths.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import at_once, begun
from lunar_runtime.geometry.epipolar import EpipolarField, RelativePose
from lunar_runtime.geometry.fields import Field, half, resized, twice, within
from lunar_runtime.geometry.views import Pair
from lunar_runtime.kernels.library import run
from lunar_runtime.refinement.likeness import correlate, normalise, support
from lunar_runtime.refinement.match_noise import measure_match_noise

_SLOPE = np.array([[-0.5, 0, 0.5]], np.float32)
_MARGIN_PX = 2  # bicubic interpolation looks that far
_REACH = np.ones((5, 5), np.uint8)  # of it, and of the gradient, around a pixel
_FLOW_SIGMA_PX = 8.0  # of the local normalisation before optical flow, in the images' pixels
_LIGHT_SIGMA_PX = 5.0  # the same before comparing brightness: shading varies between the views
_CORRELATION_SIGMA_PX = 5.0
_GAIN, _MOST = 40, np.float32(128)  # grey levels of a normalised image for flow: ±3.2 sigma
# Of patches of 8 px, on the flow's grid: how far apart. With 3 px surfaces are as near (72 pairs).
_STRIDE_PX = 4
# Steps of a patch, and of smoothing the flow forth and back; before the last round and in it. As
# many are kept as gained anything: 10 and 5 of smoothing, or 3 and 2 back before the last round,
# gave the same poses and surfaces (72 pairs).
_STEPS = {False: 6, True: 5}
_SMOOTHING = {False: (3, 0), True: (7, 3)}
# Flow that does not lead back is an occlusion or a guess; both on the flow's grid.
_FORTH_AND_BACK_PX = 0.25
_TRUST_PX = 0.15


class Flow(NamedTuple):
    """Dense matches of the left view, on a grid of half its resolution: (h, w) = (⌈H/2⌉, ⌈W/2⌉).

    Attributes:
        u: (h, w) right pixel's x, in pixels of the right image.
        v: (h, w) its y.
        trust: (h, w) in [0, 1]: 0 = no match, or nothing there to match.
        inside: (h, w) bool, where the surface projects into the right image; valid in both.
        correlation: (h, w) local correlation of left and warped right image *before* the flow.
        surface: (h, w) inverse depth through which they were matched.
    """

    u: Field
    v: Field
    trust: Field
    inside: NDArray[np.bool_]
    correlation: Field
    surface: Field


class Brightness(NamedTuple):
    """Brightness residuals, linear in the relative change of the inverse depth.

    Attributes:
        information: (H, W) of one pixel's residual on that change.
        pull: (H, W) information · the change that would explain the residual.
        inside: (H, W) bool, as in `Flow`.
        correlation: (H, W) local correlation of left and warped right image.
        warped: (H, W) grey levels of the right image through the surface.
        hidden: Share of the pixels that both images would show, but for their masks.
    """

    information: Field
    pull: Field
    inside: NDArray[np.bool_]
    correlation: Field
    warped: Field
    hidden: float = 0.0


def measure_flow(
    pair: Pair, pose: RelativePose, inverse_depth: Field, *, thorough: bool = True
) -> Flow:
    """Match the images through a surface.

    The plate that the matches go into has half of the images' resolution, so all of it is on that
    grid, but for the right image's warp: sampled at half the resolution, it cost the pose a factor
    of 2.5 (16 pairs).

    Args:
        pair: Float32 grey levels, (H, W) and (h', w').
        pose: Of the right camera.
        inverse_depth: The surface, baseline / Z, on a grid of any size over the left view.
        thorough: Whether the pose or the surface rests on it; else it only starts the next round.
    """
    pair = Pair(pair.left.halved(), pair.right)
    left = pair.left.grey
    surface = resized(inverse_depth, left.shape)
    u, v = EpipolarField.of(pair, pose).project(surface)
    inside = _inside(u, v, pair)
    warped = half(_seen(pair.right.grey, *_at(twice(u), twice(v))))
    (a, _), (b, _) = normalise((left, warped), inside, _FLOW_SIGMA_PX / 2)
    correlation = begun(partial(correlate, a, b, inside, _CORRELATION_SIGMA_PX / 2))
    levels = [_levels(image, inside) for image in (a, b)]
    (forth_x, forth_y), (back_x, back_y) = at_once(
        lambda way: _inverse_search(*way, thorough=thorough),
        zip(levels, levels[::-1], _SMOOTHING[thorough], strict=True),
    )
    x, y = np.empty_like(forth_x), np.empty_like(forth_y)
    np.add(forth_x, np.arange(left.shape[1], dtype=np.float32), out=x)
    np.add(forth_y, np.arange(left.shape[0], dtype=np.float32)[:, None], out=y)

    def supported() -> Field:
        # In shadow the flow is smooth and leads back, and means nothing: what it joins is not
        # alike.
        found = np.asarray(cv2.remap(b, x, y, cv2.INTER_LINEAR), np.float32)
        return support(correlate(a, found, inside, _CORRELATION_SIGMA_PX / 2))

    alike = begun(supported)
    lost = np.zeros_like(x)
    for forth, back in ((forth_x, back_x), (forth_y, back_y)):
        forth += cv2.remap(
            back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=99.0
        )
        lost += np.square(forth, out=forth)
    matched_u, matched_v = (
        interpolated(np.where(inside, values, np.float32(np.nan)), x, y) for values in (u, v)
    )
    good = inside & (lost < _FORTH_AND_BACK_PX**2) & _inside(matched_u, matched_v, pair)
    lost *= np.float32(-(_TRUST_PX**-2))
    trust = within(np.exp(lost, out=lost), good)
    trust *= alike()
    return Flow(
        within(matched_u, good),
        within(matched_v, good),
        trust,
        inside,
        correlation(),
        surface,
    )


def _inverse_search(
    one: Field, other: Field, smoothing: int, *, thorough: bool
) -> tuple[Field, Field]:
    """Flow from one image to the other: (h, w) to the right, and (h, w) down.

    Args:
        one: (h, w) see `_levels`.
        other: (h, w).
        smoothing: Steps that refine the patches' flow by the evenness of all of it.
        thorough: As in `measure_flow`.
    """
    u, v = np.empty_like(one), np.empty_like(one)
    run("inverse_search", one, other, *one.shape, _STRIDE_PX, _STEPS[thorough], smoothing, u, v)
    return u, v


def interpolated(values: Field, x: Field, y: Field) -> Field:
    """Bilinear interpolation of a smooth field at OpenCV's pixels (x, y); NaN beyond the edges.

    `cv2.remap` rounds to 1/32 px: OpenCV 4 always, 5.0 where there are two channels. A flow that is
    less was none then, and the pose that it should correct seemed known ten times too well.
    """
    near_x, near_y = (np.rint(at * 32) / np.float32(32) for at in (x, y))
    found = cv2.remap(
        values, near_x, near_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=np.nan
    )
    for at, near, kernel in ((x, near_x, _SLOPE), (y, near_y, _SLOPE.T)):
        found += cv2.filter2D(values, cv2.CV_32F, kernel) * (at - near)
    return np.asarray(found, np.float32)


def linearise(pair: Pair, field: EpipolarField, inverse_depth: Field) -> Brightness:
    """Compare brightness through a surface, along the epipolar lines.

    The gradient is taken in the right image, half a pixel to either side along the line. Shading
    that differs between the views is removed with the local mean and contrast, and patches that are
    not alike (shadow) say nothing. The rest counts by its noise (`match_noise`).

    Args:
        pair: Float32 grey levels, (H, W) and (h, w).
        field: Of its two cameras.
        inverse_depth: (H, W) the surface, baseline / Z.
    """
    # Every line frees or overwrites what it can: the largest peak of a pair's memory is here.
    left, right = pair.left.grey, pair.right.grey
    u, v, du, dv = field.follow(inverse_depth)
    pixels, framed = np.empty_like(u), np.empty(u.shape, np.bool_)
    run("half_steps", u, v, du, dv, u.size, float(_MARGIN_PX), *right.shape, pixels, framed)
    x, y = u, v
    inside = _valid(framed, x, y, pair)
    hidden = float(np.mean(framed) - np.mean(inside)) if inside is not framed else 0.0
    del u, v, framed
    warped = _seen(right, x, y)
    coming = begun(partial(_change, right, x, y, du, dv))
    del x, y, du, dv
    (a, _), (b, contrast) = normalise((left, warped), inside, _LIGHT_SIGMA_PX)
    correlation = correlate(a, b, inside, _CORRELATION_SIGMA_PX)
    alike = support(correlation)
    gradient = coming()
    del coming
    gradient /= contrast
    residual = a
    residual -= b
    del b
    usable = inside & np.isfinite(gradient) & (alike > 0)
    if not usable.any():
        empty = np.zeros_like(left)
        return Brightness(empty, empty, inside, correlation, warped, hidden)
    noise = measure_match_noise(residual, contrast, gradient, usable)
    weight = noise.weight(residual, contrast, gradient)
    gradient *= pixels
    gradient *= inverse_depth  # per relative change
    del contrast, pixels
    weight *= alike
    weight, gradient = within(weight, usable), within(gradient, usable)
    weight *= gradient
    pull = weight * residual
    weight *= gradient
    return Brightness(weight, pull, inside, correlation, warped, hidden)


def _change(image: Field, x: Field, y: Field, du: Field, dv: Field) -> Field:
    """(H, W) how an image differs from half a step behind (x, y) to half a step ahead.

    Args:
        image: (h, w).
        x: (H, W) OpenCV's pixels; used up.
        y: (H, W) likewise.
        du: (H, W) half of the step; used up.
        dv: (H, W) likewise.
    """
    for at, step in ((x, du), (y, dv)):
        at += step
    change = _seen(image, x, y)
    for at, step in ((x, du), (y, dv)):
        step *= 2
        at -= step
    change -= _seen(image, x, y)
    return change


def _in_frame(u: Field, v: Field, pair: Pair) -> NDArray[np.bool_]:
    """Where right pixels (u, v) are in the right image, masked or not."""
    height, width = pair.right.shape
    with np.errstate(invalid="ignore"):
        return (
            (u > _MARGIN_PX)
            & (v > _MARGIN_PX)
            & (u < width - _MARGIN_PX)
            & (v < height - _MARGIN_PX)
        )


def _inside(u: Field, v: Field, pair: Pair) -> NDArray[np.bool_]:
    """Where right pixels (u, v) of valid left ones are in the right image, on valid pixels."""
    framed = _in_frame(u, v, pair)
    if pair.left.valid is None and pair.right.valid is None:
        return framed
    return _valid(framed, *_at(u, v), pair)


def _valid(framed: NDArray[np.bool_], x: Field, y: Field, pair: Pair) -> NDArray[np.bool_]:
    """What is valid of left pixels that are seen in the right image, at OpenCV's pixels (x, y)."""
    result = framed
    if pair.left.valid is not None:
        result = result & pair.left.valid
    if pair.right.valid is not None:
        # What interpolation looks at must be valid, too.
        reach = cv2.erode(pair.right.valid.astype(np.uint8), _REACH)
        seen = cv2.remap(reach, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE) > 0
        result = result & seen
    return result


def _levels(image: Field, mask: NDArray[np.bool_]) -> Field:
    """A normalised image for optical flow, in grey levels; 0 outside the mask."""
    levels = image * np.float32(_GAIN)
    np.clip(levels, -_MOST, _MOST, out=levels)
    return within(levels, mask)


def _at(u: Field, v: Field) -> tuple[Field, Field]:
    """Pixels as OpenCV counts them; NaN far outside."""
    x, y = (values - np.float32(0.5) for values in (u, v))
    for values in (x, y):
        if np.isnan(values.sum()):
            np.nan_to_num(values, copy=False, nan=-9)
    return x, y


def _seen(image: Field, x: Field, y: Field) -> Field:
    """An image at OpenCV's pixels (x, y)."""
    seen = cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.float32)
