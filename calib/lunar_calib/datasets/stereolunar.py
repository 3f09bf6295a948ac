"""StereoLunar's file layout, read and written: rendered and published data are interchangeable.

A scene is a folder of frames `im_N.*`; even N is a left view, the following odd N its right view,
and further pairs show the same two views under other suns:

    im_N.png | im_N.jpg   8-bit grey, or three equal channels
    im_N.npz              intrinsics (3, 3), cam2world (4, 4), metres, OpenCV axes, pixel
                          centres at +0.5; `depth_m` (H, W) float32 too where depth is not EXR
    im_N.exr              channel Y: Z-depth in metres, half (published) or float32 (ours)

The published frames' poses are Moon-centred (coordinates near 1.7e6 m, float32, hence rounded to
0.1 m) and their depth is half float: steps of 8 to 32 m, inf beyond 65 504 m, read as NaN. Ours
are target-centred float64. Only differences of poses matter to users of pairs.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_runtime.files.images import read_image
from numpy.typing import NDArray

from lunar_calib.render import cameras
from lunar_calib.render.renderer import RenderedPair, RenderedView

DepthFormat = Literal["npz", "exr"]
ImageFormat = Literal["png", "jpg"]

_STEM = re.compile(r"im_(\d+)\Z")
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Scene:
    """A folder of frames.

    Attributes:
        folder: Where they are.
        numbers: Frame numbers, ascending, (even, odd) pairs one after the other.
        stems: Path without suffix of every frame, in that order.
    """

    folder: Path
    numbers: tuple[int, ...]
    stems: tuple[Path, ...]

    @property
    def pairs(self) -> tuple[tuple[Path, Path], ...]:
        """Stems of the (left, right) frames, one pair for each sun."""
        return tuple(zip(self.stems[0::2], self.stems[1::2], strict=True))


@dataclass(frozen=True)
class StereoPair:
    """Two views read from files; see `RenderedView` for the fields.

    Depth is NaN throughout where a file has none.
    """

    left: RenderedView
    right: RenderedView

    @property
    def right_from_left(self) -> NDArray[np.float64]:
        """4x4 that maps left-camera points into the right camera, metres."""
        return cameras.invert(self.right.cam2world) @ self.left.cam2world


def find_scenes(root: Path | str, alone: list[str] | None = None) -> list[Scene]:
    """All scenes in a folder and below it, sorted by path.

    Args:
        root: Folder.
        alone: Takes a line for each frame whose partner is missing, and the frame is left out;
            None refuses it.

    Raises:
        InputError: `root` is no folder, holds no frame, or a scene lacks the partner of a frame.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give one with StereoLunar's im_N.npz files")
    folders: dict[Path, dict[int, Path]] = {}
    for path in root.rglob("im_*.npz"):
        match = _STEM.match(path.stem)
        if match:
            folders.setdefault(path.parent, {})[int(match[1])] = path.with_suffix("")
    if not folders:
        raise InputError(f"{root}: no im_N.npz in it or below; is this StereoLunar's layout?")
    scenes = []
    for folder, frames in sorted(folders.items()):
        problems = [
            f"{frames[number]}.npz: its partner im_{number ^ 1} is missing; copy the scene again "
            "(even frames are left, odd ones right)"
            for number in sorted(frames)
            if number ^ 1 not in frames
        ]
        if problems and alone is None:
            raise InputError(problems[0])
        if alone is not None:
            alone += problems
        numbers = sorted(number for number in frames if number ^ 1 in frames)
        if numbers:
            scenes.append(Scene(folder, tuple(numbers), tuple(frames[n] for n in numbers)))
    return scenes


def read_pair(left: Path | str, right: Path | str, *, depth: bool = True) -> StereoPair:
    """Read two frames by their stems (`.../im_00432`); see `read_view`."""
    return StereoPair(read_view(left, depth=depth), read_view(right, depth=depth))


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
    path = _with(stem, ".npz")
    values = _read_npz(path)
    K, pose = _camera(values, path)
    image = read_image(image_of(stem)).pixels
    z = np.full(image.shape, np.nan, np.float32)
    exr = _with(stem, ".exr")
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
    path = _with(Path(stem), ".npz")
    return _camera(_read_npz(path), path)


def image_of(stem: Path | str) -> Path:
    """The image file of one frame.

    Raises:
        InputError: There is none.
    """
    candidates = [_with(Path(stem), suffix) for suffix in _IMAGE_SUFFIXES]
    found = next((c for c in candidates if c.exists()), None)
    if found is None:
        raise InputError(f"{candidates[0]}: no such file, nor .jpg; every im_N.npz needs its image")
    return found


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
        with atomic_path(_with(stem, f".{image}")) as file:
            file.write_bytes(encoded.tobytes())
        arrays: dict[str, Any] = {"intrinsics": view.intrinsics, "cam2world": view.cam2world}
        if depth == "npz":
            arrays["depth_m"] = view.depth_m
        else:
            write_exr(_with(stem, ".exr"), view.depth_m)
        with atomic_path(_with(stem, ".npz")) as file:
            np.savez_compressed(file, **arrays)
    with atomic_path(_with(stems[0], ".json")) as file:
        file.write_text(json.dumps(pair.spec.to_dict(), indent=1) + "\n")
    return stems


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


def _with(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; every frame needs its camera") from error
    except Exception as error:  # numpy, zipfile and zlib each have their own
        raise InputError(f"{path}: damaged NPZ ({error}); copy it again") from error


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
