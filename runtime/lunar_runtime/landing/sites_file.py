"""`sites.json`: sites, the vehicle, and what the numbers mean."""

from __future__ import annotations

import msgspec
import numpy as np

from lunar_runtime.landing.hazards import CLASSES
from lunar_runtime.landing.lander import SOURCE
from lunar_runtime.landing.landing import Landing

_DEFINITIONS = {
    "slope_deg": "angle to level of the plane through the pads that carry the vehicle, over all "
    "headings the largest",
    "slope_sigma_deg": "its expected error, of the surface and of up",
    "roughness_m": "highest ground above that plane inside the footprint, square to it, over all "
    "headings the largest",
    "safe_probability": "that slope and roughness are within the lander's limits, from random "
    "draws of the surface's expected error",
    "margin_m": "from the site to the nearest place that is not called safe",
    "unseen_m": "size below which a hazard is not seen: three pixels; of all places the median",
    "frame": "metres; z up, x the level part of the left camera's x axis; origin below the left "
    "camera, at the median height of the ground; heights above the Moon's mean curvature",
    "pixel": "column and row of the left view's result; the top-left pixel's centre is (0.5, 0.5)",
    "source": SOURCE,
}


_OF_A_MAP = {
    "frame": "metres; the level world of the poses, z up; heights above the Moon's mean curvature "
    "at its origin",
    "pixel": _DEFINITIONS["pixel"] + ", and may lie beside the view: other views saw the place",
    "sites": "the first is the chosen one, kept from view to view; then the best first",
}


def encode_sites(landing: Landing, verdict: str) -> bytes:
    """The file's content."""
    grid, hazards = landing.grid, landing.hazards
    shares = landing.shares
    content = {
        "format_version": 1,
        "verdict": verdict,
        "reason": landing.reason,
        "views": landing.views,
        "lander": landing.lander,
        "frame": {
            "origin_in_left_camera_m": [round(float(v), 6) for v in grid.frame.origin],
            "axes_in_left_camera": [[float(v) for v in axis] for axis in grid.frame.axes],
            "camera_height_m": grid.frame.camera_height_m,
        },
        "aim": None if landing.aim is None else dict(zip(("x_m", "y_m"), landing.aim, strict=True)),
        "cell_m": grid.cell_m,
        "tried_every_m": grid.cell_m * hazards.centres.stride,
        "unseen_m": float(np.median(hazards.unseen_m[hazards.unseen_m > 0]))
        if (hazards.unseen_m > 0).any()
        else None,
        "unseen_rocks": "not in P(safe): no rock_abundance was given"
        if landing.lander.rock_abundance is None
        else "in P(safe), by rock_abundance",
        "shares": {name: shares[value] for name, value in CLASSES.items()},
        "sites": [site._asdict() for site in landing.sites],
        "definitions": _DEFINITIONS | ({} if landing.views is None else _OF_A_MAP),
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
