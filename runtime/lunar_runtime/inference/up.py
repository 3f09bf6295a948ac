"""Which way is up, how surely, and whether the rig's word for it can be.

Slopes are measured from the rig's up, else from the normal of the plane through the scene. Ground
is not level: the plane's error grows with the relief in view, and as the field of view shrinks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import Plane, fit_plane
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.maps import NOMINAL, Maps
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.result import UpEstimate
from lunar_runtime.inference.undecided import NARROW_DEG

# Of 8 StereoLunar views of 45 degrees the plane is 1.9 degrees from gravity in the mean, 3.1 at
# most. Of 1508 windows in the true depths of StereoLunar and 54 rendered pairs it is 3.1, 6.4, 8.0
# and 9.4 degrees (RMS) from the whole view's at 35, 23, 15 and 9 degrees, crater walls up to 31.
# With half of what quarters differ, 69-85 % of them lie within one such sigma, 95 % within two.
# From gravity itself 60 whole views of 30 rendered pairs are 5.6 degrees (RMS), 1.6 where quarters
# differ by less than 2.5 degrees and 8.7 from 7.5 degrees on: it takes more than half of that.
_QUARTERS = 0.63
# A rig's up is doubted sooner, and whether level is known is judged with this too. No clean pair's
# up is doubted: the largest tilt is 14.5 degrees, of ground whose limit is 15.1.
_DOUBTED_QUARTERS = 0.5
_FIELDS_DEG = (9.0, 15.0, 23.0, 35.0, 45.0)
_LEVELS_DEG = (9.0, 7.7, 6.4, 3.3, 2.2)
# Of the field that a nominal camera has: the focal length is anyone's guess, 60 % off at one sigma.
# A window of 160 px of StereoLunar that a crater wall fills has 15 degrees and a nominal camera of
# 45: with all of the field its ground is 0 % steep within the errors, with half of it up to 80 %,
# with 0.4 of it the true 82 % are within them.
_NOMINAL_SHARE = 0.4
_SIGMAS = 4.0  # of the plane, at which an up that fits the right camera is refused
# Of the plane, at which ground seems tilted as a whole. Clean views have 1.5 at most; a told up 28
# degrees off lies 3 to 4 of them off where the relief is high.
_TILTED_SIGMAS = 3.0
# With `_DOUBTED_QUARTERS`, of narrow views: strips and windows that missed 22 and 30 points more of
# the hazards have 7.5 and 9; one that missed 27 has 5.7, which any strip has. Of whole views of 45
# degrees one has 9, its slopes a quarter of a sigma off; the others up to 6.6.
_LEAST_LEVEL_DEG = 7.0
# Of the view. With a sixth masked and more, six of nine damaged pairs missed 10 to 69 points more
# of the hazards; with 4 to 10 %, one of seven 11.
_MOST_MASKED = 0.06
_TILTED_DEG = 12.0  # of a whole view, from level: the most of those 8 views is 3
# Below these a rig's up is as sure as it was told; one sigma further it may be as far off as the
# plane has it. Of 89 clean pairs 13 are beyond both, six by half a sigma; ups 8 to 15 degrees
# wrong had slopes 3 to 6 of their sigmas off.
_UNSURE_SIGMAS, _EVEN_DEG = 1.75, 6.0
# With exchanged images; right ones are within 3.1 degrees of the plane.
_EXCHANGED_DEG = 6.0
_EXPLAINED_DEG = 20.0  # from the plane: an up that another convention explains
_AS_LIKELY_DEG = 3.0
_IMPOSSIBLE_DEG = 60.0  # ground does not lie steeper than this over a whole view


def plane_and_up(
    maps: Maps, rig: Rig, *, plane_needed: bool
) -> tuple[Plane | None, UpEstimate, Notes]:
    """The scene's plane, and what slopes are measured from: the rig's word, else the plane's.

    The plane's points count alike. Confidence is largest where the ground is near, and would turn
    the plane towards it.

    Args:
        maps: The left pointmap's plane is fitted.
        rig: Its up comes first.
        plane_needed: Whether something else rests on the plane.

    Raises:
        InputError: There is no plane, and it is needed.
    """
    given = None if rig.up_left is None else _told_up(rig.up_left, rig.attitude_sigma_deg)
    try:
        plane = fit_plane(maps.left.points)
    except InputError as error:
        if plane_needed or given is None:
            raise
        return None, given, Notes.warn(f"plane: {error}")
    share = _NOMINAL_SHARE if maps.camera_left.source == NOMINAL else 1.0
    by_plane = UpEstimate(plane.normal, "plane", plane_sigma_deg(maps, share))
    return plane, given or by_plane, Notes()


def _told_up(vector: NDArray[np.float64], sigma_deg: float) -> UpEstimate:
    """Of a rig, whose attitude errs about both level axes alike."""
    return UpEstimate(vector, "rig", math.sqrt(2) * sigma_deg)


def plane_sigma_deg(maps: Maps, field_share: float = 1.0, quarters: float = _QUARTERS) -> float:
    """How far the scene's plane may be from level.

    Less ground in view is less level, and so is ground whose quarters differ.

    Args:
        maps: The left pointmap is looked at.
        field_share: Of the camera's field of view, what surely is in view.
        quarters: Of what the quarters differ, how much counts.
    """
    # A strip is as level as its narrow side.
    level = float(np.interp(field_share * _field_deg(maps), _FIELDS_DEG, _LEVELS_DEG))
    normals = maps.quarter_normals
    if len(normals) < 2:
        return level
    mean = np.mean(normals, axis=0)
    cosine = np.clip(normals @ (mean / np.linalg.norm(mean)), -1, 1)
    apart = float(np.degrees(np.sqrt(np.mean(np.arccos(cosine) ** 2))))
    return math.hypot(level, quarters * apart)


def doubt_up(
    plane: Plane | None, up: UpEstimate, maps: Maps, *, refined: bool, posed: bool
) -> tuple[UpEstimate, tuple[str, ...]]:
    """What the scene's plane says against the rig's up, and what speaks against the plane's.

    Args:
        plane: The scene's.
        up: The rig's, or nothing is doubted.
        maps: That the plane was fitted to.
        refined: Whether the images decided the plane.
        posed: Whether the rig tells a pose: with exchanged images it would be the wrong way round.

    Returns:
        The rig's up, with an error where it is doubted, and the doubts.

    Raises:
        InputError: The rig's up cannot be.
    """
    if up.source == "plane":
        return up, (*_doubt_part(maps), *_doubt_level(up, maps))
    if plane is None:
        return up, ()
    apart = _apart_deg(plane.normal, up.vector)
    if apart > _IMPOSSIBLE_DEG:
        if not refined:
            raise InputError(
                f"the rig's up_left and the ground as the network alone sees it are {apart:.0f} "
                "degrees apart, and nothing tells which of them is wrong; check up_left, or give a "
                "pair that the images refine"
            )
        raise InputError(
            f"the rig's up_left is {apart:.0f} degrees from the normal of the ground; it is the "
            "direction against gravity in the left camera's frame, x right, y down, z forward"
            + _likely_cause(plane, up)
        )
    sigma = math.hypot(plane_sigma_deg(maps, quarters=_DOUBTED_QUARTERS), up.sigma_deg)
    if refined and not posed and maps.pose is not None and apart > max(2 * sigma, _EXCHANGED_DEG):
        other = _apart_deg(maps.pose.right_from_left[:3, :3] @ plane.normal, up.vector)
        text = (
            f"the rig's up_left is {apart:.0f} degrees from the normal of the ground as the left "
            f"camera sees it, and {other:.0f} as the right one does; are the images exchanged?"
        )
        if other < apart / 2:
            if apart > _SIGMAS * sigma:
                raise InputError(text)
            return up._replace(sigma_deg=apart), (text,)
    if apart > max(_TILTED_DEG, _TILTED_SIGMAS * sigma):
        doubted = up._replace(sigma_deg=apart)
        return doubted, (f"the ground is tilted by {apart:.0f} degrees against the rig's up",)
    unsure = apart * min(max(apart / sigma - _UNSURE_SIGMAS, 0.0), 1.0)
    if not refined or apart <= _EVEN_DEG:
        return up, ()
    return up._replace(sigma_deg=math.hypot(up.sigma_deg, unsure)), ()


def _likely_cause(plane: Plane, up: UpEstimate) -> str:
    """Which other convention would have up where the ground has it; empty where none would."""
    x, y, z = up.vector
    causes = {
        "it points down: change its sign": (-x, -y, -z),
        "its axes are OpenGL's (y up, z back): change the signs of y and z": (x, -y, -z),
        "its y axis points up: change the sign of y": (x, -y, z),
        "it is of z-up world axes, or of a body's: turn it into the camera's frame": (x, -z, y),
    }
    off = {text: _apart_deg(plane.normal, np.array(other)) for text, other in causes.items()}
    best = min(off.values())
    if best > _EXPLAINED_DEG:
        return ""
    likely = [text for text, apart in off.items() if apart < best + _AS_LIKELY_DEG]
    return "; " + ", or ".join(likely)


def _doubt_part(maps: Maps) -> tuple[str, ...]:
    """A plane through a part of the view leans as that part does."""
    masked = float(np.mean(np.isnan(maps.left.confidence)))
    if masked <= _MOST_MASKED:
        return ()
    return (
        f"up is that of a plane through the {1 - masked:.0%} of the view that show ground; give "
        "up_left in the rig",
    )


def _field_deg(maps: Maps) -> float:
    grid = maps.grids.left
    return maps.camera_left.intrinsics.field_deg((grid.grid_height, grid.grid_width))


def _doubt_level(up: UpEstimate, maps: Maps) -> tuple[str, ...]:
    """Whether a window or a strip may be a slope as a whole; a wide view's sigma says as much."""
    if _field_deg(maps) >= NARROW_DEG:
        return ()
    if plane_sigma_deg(maps, quarters=_DOUBTED_QUARTERS) <= _LEAST_LEVEL_DEG:
        return ()
    return (
        f"level is known to {up.sigma_deg:.0f} degrees only, from the plane of a narrow view; give "
        "up_left in the rig",
    )


def _apart_deg(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return math.degrees(math.acos(float(np.clip(one @ other, -1, 1))))
