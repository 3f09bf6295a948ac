"""A view drawn to the map: within the expected errors of its pose and of its shape, no further.

The heights that the map knows decide the view's common errors (`common_errors`) by least squares,
with the expected ones as prior; beside them those of the map's own shape. The estimate is linear in
the heights. So it is applied to every draw of the errors too, and the draws tell what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.fusion.common_errors import ALL, POSE, SCALE, SHAPES, Common, Floats
from lunar_runtime.fusion.posed_view import PosedView, frame_pose, pose_frame
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.landing.cells import Cells
from lunar_runtime.landing.local_frame import LocalFrame
from lunar_runtime.landing.visible_surface import taken

_THIN = 4  # of the view's pixels, one of so many each way is compared
# Compared pixels whose local errors are as good as one: errors of a view are alike over some ten of
# its pixels. With 16 a far view's errors tilted and bent the next one, whose shape then erred by
# 1.02 of its own; two fused by 1.041 of the best (weights as their square), with 64 by 1.017,
# with 256 by 1.009.
_TOGETHER = 256.0
_STEPS = 8
_SETTLED = 1e-3  # of a cell: where the steps end
_LEAST = 200  # compared pixels, below which the pose stays as it was told
_EXACT = 1e-9  # metres, radians: the least expected error
# What a view is moved by: its own thirteen numbers, and the level and tilts of the map, to which it
# is drawn. The map's bends it does not take over.
_APPLIED = np.eye(ALL, ALL + SHAPES)
_APPLIED[POSE : POSE + 3, ALL : ALL + 3] = np.eye(3)
_RIDGE = 0.05  # of all shapes' expected error: what eight draws may miss of one


class MapPatch(NamedTuple):
    """What the map knows where a view looks.

    Attributes:
        cells: Where.
        height: (R, C) float32 metres; NaN = nothing.
        errors: (N, R, C) its draws.
    """

    cells: Cells
    height: Field
    errors: Field


@dataclass(frozen=True)
class Alignment:
    """How a view was moved.

    Attributes:
        frame: The map, as the moved camera sees it.
        numbers: (13,) the correction: of the pose, and metres of the view's shape.
        common: Where it turns.
        expected: (N, 13) draws of the common errors before.
        draws: (N, 13) what every draw still errs by.
        compared: Pixels that met the map.
        misfit_m: Robust deviation from it that is left.
    """

    frame: LocalFrame
    numbers: Floats
    common: Common
    expected: Floats
    draws: Floats
    compared: int
    misfit_m: float

    @property
    def scale(self) -> float:
        """What the view's distances are multiplied with."""
        return 1 + float(self.numbers[SCALE])

    def lift(self, x: Field, y: Field) -> Field:
        """(R, C) metres to add to the moved view's heights."""
        return np.asarray(self.common.shapes(x, y) @ self.numbers[POSE:], np.float32)

    def shape_errors(self, x: Field, y: Field) -> Field:
        """(N, R, C) metres: the part of the view's own draws that all cells share."""
        shapes = self.common.shapes(x, y).reshape(-1, ALL - POSE)
        return np.asarray((self.expected[:, POSE:] @ shapes.T).reshape(-1, *x.shape), np.float32)

    def errors(self, x: Field, y: Field, height: Field) -> Field:
        """(N, R, C) metres: what is left of the common errors.

        Args:
            x: (R, C) metres.
            y: (R, C) metres.
            height: (R, C) metres of the moved view; NaN = none.
        """
        right, up = (np.nan_to_num(slope) for slope in _slopes(height, float(x[0, 1] - x[0, 0])))
        points = np.stack([x, y, np.nan_to_num(height)], axis=-1, dtype=np.float64).reshape(-1, 3)
        levers = self.common.levers(points, right.ravel(), up.ravel())
        return np.asarray((self.draws @ levers.T).reshape(-1, *x.shape), np.float32)


def align(view: PosedView, patch: MapPatch | None, pose_draws: Floats) -> Alignment:
    """Draw a view to the map.

    Args:
        view: Refined.
        patch: What the map knows there; None = nothing.
        pose_draws: (N, 7) errors of the view's pose, in standard deviations.

    Raises:
        InputError: The view shows no ground that its images decided, in the light.
    """
    points, relative = _thinned(view)
    if not len(points):
        raise InputError(
            "the images decide no ground that is in the light; the map stays as it was"
        )
    common = Common.of(frame_pose(view.frame)[:3, 3], points)
    steps = view.sigma.steps()
    told = np.zeros((len(pose_draws), ALL))
    told[:, :POSE] = pose_draws * steps
    numbers = np.zeros(ALL)
    drawn = _drawn(points, relative, common)
    expected = told + np.pad(drawn, ((0, 0), (POSE, 0)))
    stay = Alignment(view.frame, numbers, common, expected, told, 0, 0.0)
    if patch is None:
        return stay
    slopes = _slopes(patch.height, patch.cells.side)
    met = _meet(points, numbers, common, patch, slopes)
    if len(met.residual) < _LEAST:
        return replace(stay, compared=len(met.residual))
    prior = np.zeros((ALL + SHAPES, ALL + SHAPES))
    prior[:ALL, :ALL] = _prior(drawn, steps)
    prior[ALL:, ALL:] = _told_by(_shapes_of(_map_errors(met, patch), met))
    last, gain = met, np.zeros((ALL, 0))
    for _ in range(_STEPS):
        last = met
        # The map's ground has errors of shape too: both are found together.
        levers = np.concatenate([last.levers, last.levers[:, POSE:]], axis=1)
        weighted = levers.T * last.weights()
        gain = _APPLIED @ np.linalg.solve(weighted @ levers + prior, weighted)
        found = gain @ (last.residual + last.levers @ numbers)
        step, numbers = found - numbers, found
        met = _meet(points, numbers, common, patch, slopes)
        if np.abs(last.levers @ step).max() < _SETTLED * patch.cells.side:
            break
    own = relative[:, last.chosen] * last.levers[:, SCALE] + told @ last.levers.T
    return replace(
        stay,
        frame=_turned(view.frame, numbers),
        numbers=numbers,
        draws=told + (_map_errors(last, patch) - own) @ gain.T,
        compared=len(met.residual),
        misfit_m=robust_sigma(met.residual),
    )


class _Met(NamedTuple):
    """Where moved pixels meet the map.

    Attributes:
        residual: (n,) map less view, metres.
        levers: (n, 13) of the common errors there.
        pixels: Two (1, m) of all pixels, in the patch.
        chosen: (m,) bool, those that meet the map.
    """

    residual: Floats
    levers: Floats
    pixels: tuple[Field, Field]
    chosen: NDArray[np.bool_]

    def weights(self) -> Floats:
        """(n,) of Cauchy's: residuals that a minority of outliers shares."""
        scale = max(robust_sigma(self.residual), _EXACT)
        return np.asarray(
            1 / (1 + (self.residual / (2 * scale)) ** 2) / (_TOGETHER * scale**2), np.float64
        )


def _meet(
    points: Floats, numbers: Floats, common: Common, patch: MapPatch, slopes: tuple[Field, Field]
) -> _Met:
    moved = common.moved(points, numbers)
    cells = patch.cells
    pixels = (
        ((moved[:, 0] - cells.x0) / cells.side + 0.5).astype(np.float32)[None],
        ((cells.y0 - moved[:, 1]) / cells.side + 0.5).astype(np.float32)[None],
    )
    height, right, up = (taken(plane, *pixels)[0] for plane in (patch.height, *slopes))
    chosen = np.isfinite(height) & np.isfinite(right) & np.isfinite(up)
    there = moved[chosen]
    levers = common.levers(there, right[chosen], up[chosen])
    return _Met(height[chosen] - there[:, 2], levers, pixels, chosen)


def _thinned(view: PosedView) -> tuple[Floats, Floats]:
    """(n, 3) pixels on the ground, and (N, n) relative errors of their distance."""
    thin = (slice(_THIN // 2, None, _THIN),) * 2
    source = view.source
    x, y, z = view.frame.from_camera(source.points[thin])
    good = np.isfinite(x) & view.lit[thin]
    if source.refined is not None:
        good &= source.refined[thin]
    points = np.stack([x, y, z], axis=-1)[good].astype(np.float64)
    if source.draws is None:
        return points, np.zeros((0, len(points)))
    first = _THIN // 4
    relative = source.draws[:, first :: _THIN // 2, first :: _THIN // 2]
    rows, columns = good.shape
    return points, relative[:, :rows, :columns][:, good].astype(np.float64)


def _drawn(points: Floats, relative: Floats, common: Common) -> Floats:
    """(N, 6) low-order shape of a view's draws, metres, over ground that counts as level."""
    level = np.zeros(len(points))
    levers = common.levers(points, level, level)
    errors = relative * levers[:, SCALE]
    return np.asarray(np.linalg.lstsq(levers[:, POSE:], errors.T, rcond=None)[0].T)


def _map_errors(met: _Met, patch: MapPatch) -> Floats:
    """(N, n) draws of the map where the view meets it."""
    found = np.stack([taken(one, *met.pixels)[0][met.chosen] for one in patch.errors])
    return np.asarray(np.nan_to_num(found), np.float64)


def _shapes_of(errors: Floats, met: _Met) -> Floats:
    """(N, 6) low-order shape of draws of the map, as the view sees it."""
    return np.asarray(np.linalg.lstsq(met.levers[:, POSE:], errors.T, rcond=None)[0].T)


def _prior(drawn: Floats, steps: Floats) -> Floats:
    """(13, 13) information on the common errors: told of the pose, drawn of the shape."""
    prior = np.zeros((ALL, ALL))
    prior[:POSE, :POSE] = np.diag(1 / np.maximum(steps, _EXACT) ** 2)
    prior[POSE:, POSE:] = _told_by(drawn)
    return prior


def _told_by(drawn: Floats) -> Floats:
    """(k, k) information of (N, k) draws."""
    spread = drawn.T @ drawn / max(1, len(drawn))
    least = max(_RIDGE**2 * float(np.trace(spread)), _EXACT**2)
    return np.asarray(np.linalg.inv(spread + least * np.eye(len(spread))))


def _slopes(height: Field, cell_m: float) -> tuple[Field, Field]:
    """Of a grid along x and along y; NaN beside holes."""
    down, right = np.gradient(height, np.float32(cell_m))
    return np.asarray(right, np.float32), np.asarray(-down, np.float32)


def _turned(frame: LocalFrame, numbers: Floats) -> LocalFrame:
    """The frame of a camera after its correction."""
    pose = frame_pose(frame)
    pose[:3, :3] = cv2.Rodrigues(numbers[3:6])[0] @ pose[:3, :3]
    pose[:3, 3] += numbers[:3]
    return pose_frame(pose)
