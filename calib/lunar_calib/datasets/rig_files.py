"""A rendered pair as the files that `lunar-infer` takes: two images, the rig, the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lunar_runtime.files.atomic import atomic_path, make_folder

from lunar_calib.render.views import RenderedPair

#: Of the files that `write_rig_pair` writes.
RIG_PAIR_NAMES = frozenset({"left.png", "right.png", "rig.json", "spec.json", "truth.npz"})


def rig_of(pair: RenderedPair) -> dict[str, Any]:
    """The JSON object of a rig file: both intrinsics, `right_from_left` in metres, `up_left`."""
    up = pair.left.cam2world[:3, :3].T @ np.array([0.0, 0.0, 1.0])
    return {
        "left": {"intrinsics": pair.left.intrinsics.tolist()},
        "right": {"intrinsics": pair.right.intrinsics.tolist()},
        "right_from_left": pair.right_from_left.tolist(),
        "up_left": up.tolist(),
    }


def write_rig_pair(pair: RenderedPair, folder: Path | str) -> Path:
    """Write `left.png`, `right.png`, `rig.json`, `truth.npz` and `spec.json` into a folder.

    `truth.npz` holds `depth_left`, (H, W) float32 Z-depth in metres at pixel centres.

    Args:
        pair: What to write.
        folder: Made if need be; files of these names are replaced.

    Returns:
        The folder.

    Raises:
        OutputError: A file cannot be written.
    """
    folder = Path(folder)
    make_folder(folder)
    for name, view in (("left", pair.left), ("right", pair.right)):
        _, encoded = cv2.imencode(".png", view.image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        with atomic_path(folder / f"{name}.png") as file:
            file.write_bytes(encoded.tobytes())
    for name, values in (("rig", rig_of(pair)), ("spec", pair.spec.to_dict())):
        with atomic_path(folder / f"{name}.json") as file:
            file.write_text(json.dumps(values, indent=1) + "\n")
    with atomic_path(folder / "truth.npz") as file:
        np.savez_compressed(file, depth_left=pair.left.depth_m)
    return folder
