"""`ground.npz`: what is true of the ground below a rendered landing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from lunar_runtime.errors import UsageError
from lunar_runtime.files.atomic import atomic_path
from lunar_runtime.landing.lander import Lander

from lunar_calib.render.terrain import Terrain
from lunar_calib.render.true_ground import true_ground
from lunar_calib.render.true_hazards import true_hazards
from lunar_calib.render.views import RenderedPair

#: The file.
GROUND_NAME = "ground.npz"
_ROCKS = ("number", "x_m", "y_m", "diameter_m", "height_m", "buried_share")


def write_ground(
    pair: RenderedPair, terrain: Terrain, folder: Path, lander: Lander | None = None
) -> Path:
    """Write the file; `docs/formats/ground-truth.md` says what is in it.

    Args:
        pair: A landing.
        terrain: What it was rendered from.
        folder: There already.
        lander: Whose hazards are wanted.

    Returns:
        The file.

    Raises:
        UsageError: The footprint does not fit into the view.
        OutputError: The file cannot be written.
    """
    beyond = 0.0 if lander is None else lander.footprint_diameter_m / 2 + terrain.cell_m
    ground = true_ground(pair, terrain, beyond)
    narrow = min(ground.map_height_m.shape) * ground.cell_m - 2 * beyond
    if lander is not None and lander.footprint_diameter_m > narrow:
        raise UsageError(
            f"the lander's footprint of {lander.footprint_diameter_m:g} m is larger than the view "
            f"({narrow:.3g} m); give a smaller vehicle"
        )
    arrays = {
        "ground_from_left": pair.left.cam2world,
        "height_left": ground.height_m,
        "normal_left": ground.normal,
        "rock_left": ground.rock,
        "cell_m": np.float64(ground.cell_m),
        "corner_m": np.array(ground.corner_m),
        "height_m": ground.map_height_m,
        "rock": ground.map_rock,
    }
    for name, values in zip(_ROCKS, ground.rocks.T, strict=True):
        arrays[f"rock_{name}"] = values.astype(np.int32) if name == "number" else values
    if lander is not None:
        found = true_hazards(ground, lander)
        arrays |= {
            "lander": np.array(msgspec.json.encode(lander).decode()),
            "hazard_left": found.at(ground.points),
            "place_x_m": found.x_m,
            "place_y_m": found.y_m,
            "place_slope_deg": found.slope_deg,
            "place_roughness_m": found.roughness_m,
            "place_class": found.classes,
        }
    path = folder / GROUND_NAME
    with atomic_path(path) as file:
        np.savez_compressed(file, **arrays)
    return path
