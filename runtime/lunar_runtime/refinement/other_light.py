"""The same ground under another sun: an image from elsewhere, seen through the surface.

Matching compares brightness, so that images under different suns are no pair. With a pose from
elsewhere and the surface of a pair under one sun, an image under another is brought into the view;
its brightness then tells slopes along its own light. Poses are off by pixels: what the surface
foretells of the brightness is compared with the image, and the image moved as a whole.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import EpipolarField, Floats, RelativePose
from lunar_runtime.geometry.fields import Field, blurred
from lunar_runtime.geometry.views import OtherView, View
from lunar_runtime.refinement.light import Ground, Light
from lunar_runtime.refinement.seen_light import LEAST_LIT, LitImage, lit_image

_COARSER = 1.5  # pixels of the other image a pixel of the view, from which on it is shrunk
_HIGH_PASS_PX = 8.0  # of the brightness, before it is compared
_ROUNDS = 3  # a light that was fitted to an image out of place foretells half of the move
_STEPS = 4
_MOST_PX = 16.0  # of a move, on the plate's grid: more is another place


class OtherLight(NamedTuple):
    """At the view's resolution.

    Attributes:
        grey: (H, W) grey levels through the surface; 0 where it does not show the ground.
        inside: (H, W) bool, where it does.
    """

    grey: Field
    inside: NDArray[np.bool_]

    @classmethod
    def through(cls, view: View, other: OtherView, surface: Field) -> OtherLight:
        """See an image through a surface.

        Args:
            view: That the surface is of.
            other: The image.
            surface: (H, W) inverse depth, baseline / Z.
        """
        grey, camera = other.grey.astype(np.float32, copy=False), other.intrinsics
        pose = RelativePose(other.R, other.t)
        u, v = EpipolarField(view.intrinsics, camera, pose, *view.shape).project(surface)
        wide = float(np.nanmedian(np.hypot(np.diff(u, axis=1), np.diff(v, axis=1))))
        if wide > _COARSER:
            size = tuple(max(1, round(side / wide)) for side in grey.shape[::-1])
            zoom = size[0] / grey.shape[1], size[1] / grey.shape[0]
            grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)
            u, v = u * np.float32(zoom[0]), v * np.float32(zoom[1])
        at = np.nan_to_num(u, nan=-9) - np.float32(0.5), np.nan_to_num(v, nan=-9) - np.float32(0.5)
        seen = cv2.remap(grey, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        height, width = grey.shape
        inside = (at[0] >= 0) & (at[0] <= width - 1) & (at[1] >= 0) & (at[1] <= height - 1)
        return cls(np.where(inside, np.asarray(seen, np.float32), np.float32(0)), inside)

    def registered(
        self, ground: Ground, known: NDArray[np.bool_]
    ) -> tuple[LitImage, tuple[float, float]]:
        """On the plate's corners, moved to where its brightness is that of the surface.

        Returns:
            The image, and how far right and down it lay, pixels of the view.
        """
        image = lit_image(self.grey, self.inside)
        chosen = image.lit & known
        if np.count_nonzero(chosen) < LEAST_LIT:
            return image, (0.0, 0.0)
        move = np.zeros(2)
        for _ in range(_ROUNDS):
            told = Light.fit(image.grey, ground, chosen).brightness(ground)
            mask = blurred(chosen.astype(np.float32), 3.0)
            move = move + _move(_fine(told, mask), _fine(image.grey, mask))
            if not np.hypot(*move) < _MOST_PX:
                return lit_image(self.grey, self.inside), (0.0, 0.0)
            grey, inside = (
                _moved(one, 2 * move) for one in (self.grey, self.inside.astype(np.float32))
            )
            image = lit_image(grey, inside == 1)
            chosen = image.lit & known
            if np.count_nonzero(chosen) < LEAST_LIT:
                break
        x, y = (2 * move).tolist()
        return image, (x, y)


def _move(told: Field, seen: Field) -> Floats:
    """How far right and down of `told` `seen` lies."""
    (x, y), _ = cv2.phaseCorrelate(told, seen)
    move = np.rint(np.array([x, y]))
    right, down = np.gradient(told)[::-1]
    square = np.array([[np.vdot(a, b) for b in (right, down)] for a in (right, down)], np.float64)
    for _ in range(_STEPS):  # to least squares: the phases of a smoothed surface are biased
        rest = _moved(seen, move) - told
        pull = np.array([np.vdot(right, rest), np.vdot(down, rest)], np.float64)
        move = move - np.linalg.lstsq(square, pull, rcond=None)[0]
    return np.asarray(move)


def _moved(values: Field, move: Floats) -> Field:
    """What lies so far right and down, at every place."""
    there = np.array([[1, 0, move[0]], [0, 1, move[1]]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(values, there, values.shape[::-1], flags=how), np.float32)


def _fine(values: Field, mask: Field) -> Field:
    """Less its mean around, faded out where it does not count."""
    total = np.maximum(blurred(mask, _HIGH_PASS_PX), np.float32(0.05))
    return np.asarray((values - blurred(values * mask, _HIGH_PASS_PX) / total) * mask, np.float32)
