"""Depth as EXR files, as StereoLunar has it: channel Y, metres."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.atomic import atomic_path
from numpy.typing import NDArray


def read_exr(path: Path | str) -> NDArray[np.float32]:
    """(H, W) float32 depth of an EXR file's channel Y; NaN where it is infinite.

    Raises:
        InputError: Missing, damaged, without a channel Y; or OpenEXR is not installed.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; check the path")
    openexr = _openexr(path)
    try:
        with openexr.File(os.fspath(path)) as file:
            channels = file.channels()
            if "Y" not in channels:
                names = ", ".join(sorted(channels)) or "none"
                raise InputError(f"{path}: no channel Y (has {names}); is it a depth image?")
            depth = np.array(channels["Y"].pixels, dtype=np.float32)
    except InputError:
        raise
    except Exception as error:  # the library raises its own and the builtin kinds
        raise InputError(f"{path}: damaged EXR ({error}); copy it again") from error
    depth[~np.isfinite(depth)] = np.nan
    return depth


def write_exr(path: Path | str, depth_m: NDArray[np.float32]) -> None:
    """Write (H, W) depth as a float32 EXR file, channel Y; NaN becomes inf as in StereoLunar.

    Raises:
        InputError: OpenEXR is not installed.
    """
    openexr = _openexr(path)
    values = np.where(np.isnan(depth_m), np.inf, depth_m).astype(np.float32)
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    with atomic_path(path) as file, openexr.File(header, {"Y": values}) as image:
        image.write(os.fspath(file))


def _openexr(path: Path | str) -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise InputError(
            f"{path}: EXR files need OpenEXR; install it with pip install 'lunar-edge[ground]', "
            "or use depth in .npz"
        ) from error
    return OpenEXR
