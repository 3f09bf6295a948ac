"""Where the sun stands, seen by the two cameras of a rendered pair."""

from __future__ import annotations

import numpy as np
from lunar_calib.render.renderer import sun_vector
from lunar_calib.specs.pair_spec import PairSpec
from lunar_calib.specs.pinhole import cam2world
from numpy.typing import NDArray

UNKNOWN_SUNS = np.full((2, 3), np.nan)


def sun_directions(spec: PairSpec) -> NDArray[np.float64]:
    """(2, 3) unit vectors to the sun in the left and right camera."""
    sun = sun_vector(spec.sun_azimuth_deg, spec.sun_elevation_deg)
    return np.stack([cam2world(camera)[:3, :3].T @ sun for camera in (spec.left, spec.right)])
