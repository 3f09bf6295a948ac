"""True depth of a pair's left image, from the files that datasets and the renderer give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.npz import read_npz
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig_file import read_rig
from numpy.typing import NDArray

_NAMES = ("depth_left", "depth_m", "left_depth", "depth")


@dataclass(frozen=True)
class Truth:
    """What is true of the left image.

    Attributes:
        depth: (H, W) Z in metres at the image's pixels; NaN = unknown.
        camera: Pixels of the image; None = the file does not say.
        up: (3,) against gravity, left camera's frame; None = not known.
    """

    depth: NDArray[np.float64]
    camera: Intrinsics | None
    up: NDArray[np.float64] | None


def read_truth(path: Path) -> Truth:
    """Read an NPZ with a depth map, or the folder of a rendered pair.

    The depth is `depth_left` (as `lunar-calib render --layout rig` writes it) or `depth_m`
    (StereoLunar's frames). The camera is `intrinsics` in the file, or that of a `rig.json` beside
    it, which also tells up.

    Raises:
        InputError: There is no such file, or no depth in it.
    """
    file = path / "truth.npz" if path.is_dir() else path
    arrays = read_npz(file, missing="give an NPZ with the true depth", damaged="copy it again")
    name = next((name for name in _NAMES if name in arrays), None)
    if name is None or arrays[name].ndim != 2:
        raise InputError(f"{file}: no (H, W) array named {' or '.join(_NAMES[:2])} in it")
    depth = np.asarray(arrays[name], np.float64)
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    rig = file.parent / "rig.json"
    camera, up = _camera(arrays, file), None
    if rig.exists() and (camera is None or name == "depth_left"):
        told = read_rig(rig)
        camera, up = camera or told.left, told.up_left
    return Truth(depth, camera, up)


def _camera(arrays: dict[str, NDArray[Any]], file: Path) -> Intrinsics | None:
    if "intrinsics" not in arrays:
        return None
    try:
        return Intrinsics.from_matrix(arrays["intrinsics"])
    except InputError as error:
        raise InputError(f"{file}: intrinsics: {error}") from error
