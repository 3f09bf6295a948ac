"""Frames in StereoLunar's layout, read and written; `stereolunar_scenes` describes it.

Rendered and published data are interchangeable.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_runtime.files.images import read_image
from lunar_runtime.files.npz import read_npz
from numpy.typing import NDArray

from lunar_calib.choices import DepthFormat, ImageFormat
from lunar_calib.datasets.exr_depth import read_exr, write_exr
from lunar_calib.datasets.stereolunar_scenes import image_of, with_suffix
from lunar_calib.render.views import RenderedPair, RenderedView, ViewPair


def read_pair(left: Path | str, right: Path | str, *, depth: bool = True) -> ViewPair:
    """Read two frames by their stems (`.../im_00432`); see `read_view`."""
    return ViewPair(read_view(left, depth=depth), read_view(right, depth=depth))


def read_view(stem: Path | str, *, depth: bool = True) -> RenderedView:
    """Read one frame.

    Args:
        stem: Path without suffix: image, `.npz` and perhaps `.exr` beside each other.
        depth: Read it; otherwise it is NaN, and EXR files need no library.

    Returns:
        Image (H, W) uint8; depth float32 metres, from the `.npz` if it is there, else from the
        `.exr`, NaN where it is infinite or there is neither; float64 cameras.

    Raises:
        InputError: A file is missing, damaged, or of the wrong shape; or the depth is an EXR file
            and OpenEXR is not installed.
    """
    stem = Path(stem)
    path = with_suffix(stem, ".npz")
    values = _arrays(path)
    K, pose = _camera(values, path)
    image = read_image(image_of(stem)).pixels
    z = np.full(image.shape, np.nan, np.float32)
    exr = with_suffix(stem, ".exr")
    if depth and "depth_m" in values:
        z = values["depth_m"].astype(np.float32)
        source = path
    elif depth and exr.exists():
        z, source = read_exr(exr), exr
    if z.shape != image.shape:
        raise InputError(f"{source}: depth is {z.shape}, its image {image.shape}; copy both again")
    return RenderedView(image, z, K, pose)


def read_camera(stem: Path | str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intrinsics (3, 3) and cam2world (4, 4) of one frame; see `read_view`.

    Raises:
        InputError: The `.npz` is missing, damaged, or lacks them.
    """
    path = with_suffix(Path(stem), ".npz")
    return _camera(_arrays(path), path)


def write_pair(
    pair: RenderedPair,
    folder: Path | str,
    number: int = 0,
    *,
    depth: DepthFormat = "npz",
    image: ImageFormat = "png",
) -> tuple[Path, Path]:
    """Write a pair as frames `number` and `number + 1`, and its spec as `im_<number>.json`.

    The folder is made if need be; files of these names are replaced.

    Args:
        pair: What to write.
        folder: The scene's folder.
        number: Even frame number of the left view.
        depth: Inside the `.npz`, lossless; or float32 `.exr`, as StereoLunar's tools expect.
        image: PNG, lossless; or JPEG of quality 95.

    Returns:
        Stems of the two frames.

    Raises:
        InputError: `number` is odd, or OpenEXR is asked for and not installed.
        OutputError: The folder or a file cannot be written.
    """
    if number % 2:
        raise InputError(f"frame number {number} is odd; left views have even numbers")
    folder = Path(folder)
    make_folder(folder)
    stems = (folder / f"im_{number:05d}", folder / f"im_{number + 1:05d}")
    for stem, view in zip(stems, (pair.left, pair.right), strict=True):
        options = [cv2.IMWRITE_JPEG_QUALITY, 95] if image == "jpg" else []
        _, encoded = cv2.imencode(f".{image}", view.image, options)
        with atomic_path(with_suffix(stem, f".{image}")) as file:
            file.write_bytes(encoded.tobytes())
        arrays: dict[str, Any] = {"intrinsics": view.intrinsics, "cam2world": view.cam2world}
        if depth == "npz":
            arrays["depth_m"] = view.depth_m
        else:
            write_exr(with_suffix(stem, ".exr"), view.depth_m)
        with atomic_path(with_suffix(stem, ".npz")) as file:
            np.savez_compressed(file, **arrays)
    with atomic_path(with_suffix(stems[0], ".json")) as file:
        file.write_text(json.dumps(pair.spec.to_dict(), indent=1) + "\n")
    return stems


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    return read_npz(path, missing="every frame needs its camera", damaged="copy it again")


def _camera(
    values: dict[str, NDArray[Any]], path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (
        _matrix(values, "intrinsics", (3, 3), path),
        _matrix(values, "cam2world", (4, 4), path),
    )


def _matrix(
    values: dict[str, NDArray[Any]], name: str, shape: tuple[int, int], path: Path
) -> NDArray[np.float64]:
    if name not in values or values[name].shape != shape:
        found = values[name].shape if name in values else "absent"
        raise InputError(f"{path}: {name} must be {shape}, is {found}")
    matrix = values[name].astype(np.float64)
    if not np.isfinite(matrix).all():
        raise InputError(f"{path}: {name} is not finite; copy it again")
    return matrix
