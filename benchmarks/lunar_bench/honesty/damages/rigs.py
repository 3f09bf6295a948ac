"""A rig whose attitude, pose or lengths are wrong."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.situation import Draw, Situation


def wrong_up(situation: Situation, draw: Draw) -> Situation:
    """Up that points down, in OpenGL's axes, or tilted."""
    up = situation.told.up_left
    assert up is not None
    what = draw.one_of("inverted", "OpenGL", "tilted")
    if what == "inverted":
        return situation.telling(up_left=-up).noting(what=what)
    if what == "OpenGL":
        return situation.telling(up_left=up * [1, -1, -1]).noting(what=what)
    angle = draw.uniform(10, 60)
    return situation.telling(up_left=_turn(draw, angle) @ up).noting(what=what, tilt_deg=angle)


def up_of_the_right(situation: Situation, draw: Draw) -> Situation:
    """Up in the right camera's frame."""
    up = situation.told.up_left
    assert up is not None
    other = _pose(situation)[:3, :3] @ up
    off = float(np.degrees(np.arccos(np.clip(other @ up, -1, 1))))
    return situation.telling(up_left=other).noting(off_deg=off)


def turned_pose(situation: Situation, draw: Draw) -> Situation:
    """The right camera stands where it is said to, and looks elsewhere."""
    angle = draw.log_uniform(0.5, 30)
    pose = _pose(situation)
    turned = pose.copy()
    turned[:3] = _turn(draw, angle) @ pose[:3]
    return _held(situation.telling(right_from_left=turned), draw).noting(turn_deg=angle)


def wrong_direction(situation: Situation, draw: Draw) -> Situation:
    """The right camera stands elsewhere: in another direction, or as the inverse pose has it."""
    pose = _pose(situation)
    if draw.chance(0.3):
        inverse = np.linalg.inv(pose)
        return _held(situation.telling(right_from_left=inverse), draw).noting(what="inverse")
    angle = draw.log_uniform(3, 180)
    moved = pose.copy()
    # About an axis across the baseline, so that the angle is the direction's.
    across = np.cross(pose[:3, 3], draw.rng.normal(size=3))
    moved[:3, 3] = _about(across, angle) @ pose[:3, 3]
    found = _held(situation.telling(right_from_left=moved), draw)
    return found.noting(what="direction", angle_deg=angle)


def thousandfold(situation: Situation, draw: Draw) -> Situation:
    """Kilometres for metres, or the other way round, in one of two lengths."""
    return _wrong_length(situation, draw, draw.one_of(1e-3, 1e3))


def wrong_length(situation: Situation, draw: Draw) -> Situation:
    """One of two lengths wrong by a tenth to a half."""
    ratio = draw.uniform(1.1, 1.5)
    return _wrong_length(situation, draw, draw.one_of(ratio, 1 / ratio))


def altitude_elsewhere(situation: Situation, draw: Draw) -> Situation:
    """An altitude above another point: a datum, a crater's floor."""
    altitude = situation.told.altitude_m
    assert altitude is not None
    ratio = 1 + draw.away(0.06, 0.25)
    return situation.telling(altitude_m=altitude * ratio).noting(altitude_ratio=ratio)


def _wrong_length(situation: Situation, draw: Draw, ratio: float) -> Situation:
    """The told pose's baseline, or the length that stands beside it."""
    told = situation.told
    assert told.altitude_m is not None and told.baseline_m is not None
    if draw.chance(0.5):
        wrong = _pose(situation).copy()
        wrong[:3, 3] *= ratio
        return situation.telling(right_from_left=wrong).noting(rig_baseline_ratio=ratio)
    return situation.telling(
        altitude_m=told.altitude_m * ratio, baseline_m=told.baseline_m * ratio
    ).noting(option_ratio=ratio)


def _held(situation: Situation, draw: Draw) -> Situation:
    """A pose may be told as a start, or to be held."""
    pose = draw.one_of("initial", "fixed")
    return situation.telling(pose=pose).noting(pose=pose)


def _pose(situation: Situation) -> NDArray[np.float64]:
    pose = situation.told.right_from_left
    assert pose is not None
    return pose


def _turn(draw: Draw, angle_deg: float) -> NDArray[np.float64]:
    return _about(draw.rng.normal(size=3), angle_deg)


def _about(axis: NDArray[np.float64], angle_deg: float) -> NDArray[np.float64]:
    return np.asarray(cv2.Rodrigues(np.radians(angle_deg) * axis / np.linalg.norm(axis))[0])
