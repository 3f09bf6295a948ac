"""Where the map lies in the world, as all views so far tell it.

The first view fixes the map; every later one is drawn to it. By how much tells how the view's own
place, level and tilt differ from the map's. The datum is the weighted mean of what all views say.
The draws of its error go the same way: errors of poses are alike in all views, as a star tracker's
or a filter's are, so that no number of views averages them out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lunar_runtime.fusion.common_errors import Common, Floats
from lunar_runtime.fusion.posed_view import frame_pose, pose_frame
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.local_frame import LocalFrame

_EXACT = 1e-9  # metres, or slope: the least expected error
_ACROSS = np.linspace(-0.7, 0.7, 5)  # of a view's reach, where its plane is taken


@dataclass(frozen=True)
class Datum:
    """From the map to the world: five numbers about a point.

    Attributes:
        pivot: (3,) of the map, metres.
        numbers: (5,) shift along x and y, level, metres; slopes along x and y that are added.
        information: (5,) of them so far.
        draws: (N, 5) their errors.
    """

    pivot: Floats
    numbers: Floats
    information: Floats
    draws: Floats

    @staticmethod
    def start(pivot: Floats, common: Common, expected: Floats) -> Datum:
        """Of the first view, which has the world's own frame.

        Args:
            pivot: (3,) metres.
            common: Where the view's common errors turn.
            expected: (N, 13) draws of them.
        """
        information = _information(expected @ _planes(common, pivot).T)
        return Datum(pivot, np.zeros(5), information, np.zeros((len(expected), 5)))

    def told_by(self, common: Common, moved: Floats, expected: Floats, found: Floats) -> Datum:
        """The datum with one more view.

        Args:
            common: Where its common errors turn.
            moved: (13,) what drew it to the map.
            expected: (N, 13) draws of its common errors before.
            found: (N, 13) draws of what `moved` errs by.
        """
        planes = _planes(common, self.pivot)
        told = self.numbers - planes @ moved
        own = _information(expected @ planes.T)
        information = self.information + own
        share = own / information
        return Datum(
            self.pivot,
            self.numbers + share * (told - self.numbers),
            information,
            self.draws + share * (-found @ planes.T - self.draws),
        )

    def lift(self, x: Field, y: Field) -> Field:
        """(R, C) metres that are added to the map's heights at x and y."""
        return np.asarray(self._planes(x, y) @ self.numbers[2:], np.float32)

    def errors(self, x: Field, y: Field) -> Field:
        """(N, R, C) draws of what the lift errs by, metres."""
        wrong = np.tensordot(self.draws[:, 2:], self._planes(x, y), (1, -1))
        return np.asarray(wrong, np.float32)

    def to_world(self, frame: LocalFrame) -> LocalFrame:
        """The world, as a camera sees it whose frame of the map is told."""
        pose = frame_pose(frame)
        rotation, shift = self._rigid()
        pose[:3, 3] = self.pivot + rotation @ (pose[:3, 3] - self.pivot) + shift
        pose[:3, :3] = rotation @ pose[:3, :3]
        return pose_frame(pose)

    def to_map(self, frame: LocalFrame) -> LocalFrame:
        """The inverse of `to_world`."""
        pose = frame_pose(frame)
        rotation, shift = self._rigid()
        pose[:3, 3] = self.pivot + rotation.T @ (pose[:3, 3] - self.pivot - shift)
        pose[:3, :3] = rotation.T @ pose[:3, :3]
        return pose_frame(pose)

    def _rigid(self) -> tuple[Floats, Floats]:
        right, up = self.numbers[3:]
        turn = cv2.Rodrigues(np.array([up, -right, 0.0]))[0]
        return np.asarray(turn, np.float64), self.numbers[:3]

    def _planes(self, x: Field, y: Field) -> Floats:
        right, up = x - self.pivot[0], y - self.pivot[1]
        return np.stack([np.ones_like(right), right, up], axis=-1)


def _planes(common: Common, pivot: Floats) -> Floats:
    """(5, 13) what the common errors do to the ground at the pivot: shift, level, slopes."""
    u, v = (common.reach * side.ravel() for side in np.meshgrid(_ACROSS, _ACROSS))
    points = np.stack([common.middle[0] + u, common.middle[1] + v, np.full_like(u, pivot[2])], -1)
    level = np.zeros_like(u)
    heights = common.levers(points, level, level)  # (n, 13)
    terms = np.stack([np.ones_like(u), points[:, 0] - pivot[0], points[:, 1] - pivot[1]], -1)
    plane = np.linalg.lstsq(terms, heights, rcond=None)[0]
    # Over ground of slope 1 the height falls by what the view shifts along it.
    aside = [-(common.levers(points, level + a, level + b) - heights).mean(axis=0)
             for a, b in ((1, 0), (0, 1))]  # fmt: skip
    return np.asarray(np.concatenate([aside, plane]))


def _information(draws: Floats) -> Floats:
    return np.asarray(1 / np.maximum(np.mean(draws**2, axis=0), _EXACT**2))
