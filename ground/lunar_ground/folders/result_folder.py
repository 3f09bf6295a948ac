"""Result folders of `lunar-infer`, read for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from lunar_runtime.errors import InputError, LunarError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.images import read_image
from lunar_runtime.files.npz import read_npz
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.files.regular_file import open_stream
from lunar_runtime.geometry.grid_mapping import GridMapping, resample
from lunar_runtime.report.records import Report
from lunar_runtime.report.result_names import REPORT_NAME
from numpy.typing import NDArray

from lunar_ground.folders.grids import Grid

SIDES = ("left", "right")
MAPS = ("slope", "confidence", "depth_sigma", "slope_sigma", "safe_probability", "hazard")
SITES = "sites.json"


@dataclass(frozen=True)
class SideMaps:
    """What a result says of one camera's view.

    Attributes:
        grid: Of all arrays.
        points: (H, W, 3), left camera's frame; NaN where there is no depth.
        depth: (H, W), the view's own camera.
        maps: Layer -> (H, W).
    """

    grid: Grid
    points: NDArray[np.float64]
    depth: NDArray[np.float64]
    maps: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ResultFolder:
    """One result.

    Attributes:
        path: Of the folder.
        report: Its report.
        sides: `left`, `right` -> its maps; a side without maps is absent.
        sites: Of its `sites.json`, pixels of the left grid; empty = there is none.
        landing: All of its `sites.json`; None = there is none.
    """

    path: Path
    report: Report
    sides: dict[str, SideMaps]
    sites: list[dict[str, float]]
    landing: dict[str, Any] | None

    @property
    def pair_key(self) -> tuple[object, ...]:
        """Equal for results of the same images."""
        images = self.report.left, self.report.right
        return tuple((image.sha256 or image.path, image.window) for image in images)

    def mapping(self, side: str) -> GridMapping:
        """Of a side's image to its grid."""
        return self.report.mapping if side == "left" else self.report.mapping_right

    def image(self, side: str, moved: Path | None = None) -> tuple[NDArray[Any], Grid] | None:
        """The side's image on its part: as given where the file is there, else from the cloud.

        Args:
            side: `left` or `right`.
            moved: Where the image is now; None = where it was.
        """
        given = self.report.left if side == "left" else self.report.right
        camera = self.report.camera_left if side == "left" else self.report.camera_right
        mapping = self.mapping(side)
        path = moved or Path(given.path)
        if camera.distortion is None and given.window is None and given.sha256 is not None:
            try:
                if sha256_of(path) == given.sha256:
                    pixels = read_image(path).pixels
                    whole = mapping.with_grid(mapping.crop_height, mapping.crop_width)
                    if pixels.shape == (mapping.source_height, mapping.source_width):
                        return resample(pixels, whole), _grid(whole)
            except (OSError, ValueError, LunarError):
                pass  # moved or changed since: the cloud's greys are there too
        return self._grey_of_cloud() if side == self._main else None

    @property
    def _main(self) -> str:
        return "right" if self.report.options.view == "right" else "left"

    def _grey_of_cloud(self) -> tuple[NDArray[Any], Grid] | None:
        side = self.sides.get(self._main)
        try:
            content = _content(self.path / "pointcloud.ply")
        except (OSError, InputError):
            return None
        _, found, body = content.partition(b"end_header\n")
        vertex = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
        if side is None or not found or len(body) % vertex.itemsize:
            return None
        greys = np.frombuffer(body, vertex)["rgb"][:, 0]
        valid = np.isfinite(side.depth)
        if np.count_nonzero(valid) != len(greys):
            return None
        image = np.full(valid.shape, np.nan)
        image[valid] = greys
        return image, side.grid


def find_result_folders(path: Path) -> list[Path]:
    """The results in the folder of a batch, sorted; of anything else the path alone."""
    if (path / REPORT_NAME).exists():
        return [path]
    return sorted(report.parent for report in path.rglob(REPORT_NAME)) or [path]


def read_result_folder(
    path: Path, sides: Sequence[str] = SIDES, maps: Sequence[str] = MAPS
) -> ResultFolder:
    """Read a folder that `lunar-infer` wrote.

    Args:
        path: The folder.
        sides: Of these.
        maps: Of these that are there, beside depth and points.

    Raises:
        InputError: It is none, or a file in it is missing or damaged.
    """
    report = read_report(path)
    main = "right" if report.options.view == "right" else "left"
    arrays = read_npz(
        path / "pointmap.npz",
        sides,
        missing="run lunar-infer again",
        damaged="run lunar-infer again",
    )
    found = {}
    for side in sides:
        suffix = "" if side == main else f"_{side}"
        if side == main or (path / f"depth{suffix}.tif").exists():
            read = _read_side(path, side, suffix, arrays, grid_of(report, side))
            read.maps.update(read_maps(path, read.grid, maps, suffix))
            found[side] = read
    sites, landing = _read_landing(path / SITES)
    return ResultFolder(path, report, found, sites, landing)


def _read_landing(path: Path) -> tuple[list[dict[str, float]], dict[str, Any] | None]:
    """A `sites.json`: its sites with x, y in pixels of the left result, and all that it says.

    Raises:
        InputError: The file is there, and lunar-infer did not write it so.
    """
    if not path.exists():
        return [], None
    try:
        content = json.loads(_content(path))
        return [_site(site) for site in content["sites"]], content
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; make it readable") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: damaged, or of another tool; run lunar-infer again") from error


def _content(file: Path) -> bytes:
    with open_stream(file, "a folder that lunar-infer wrote") as stream:
        return stream.read()


def _site(site: dict[str, Any]) -> dict[str, float]:
    x, y = site["pixel"]
    found = {"x": float(x), "y": float(y)}
    for name, key in (("p_safe", "safe_probability"), ("slope_deg", "slope_deg")):
        if site.get(key) is not None:
            found[name] = float(site[key])
    return found


def grid_of(report: Report, side: str) -> Grid:
    """Where a side's maps lie."""
    return _grid(report.mapping if side == "left" else report.mapping_right)


def _grid(mapping: GridMapping) -> Grid:
    x, y, width, height = mapping.crop
    return Grid((x, y, width, height), (mapping.grid_height, mapping.grid_width))


def read_report(path: Path) -> Report:
    """The report of a folder that `lunar-infer` wrote.

    Raises:
        InputError: It is none, or its report is damaged.
    """
    file = path / REPORT_NAME
    try:
        content = msgspec.json.decode(_content(file))
        # Reports before `lunar-infer --lander` lack it, and nothing else that is needed here.
        return msgspec.convert({"landing": None, **content}, Report)
    except FileNotFoundError as error:
        found = find_result_folders(path)
        many = f"the folder of {len(found)} results; give one of them, as {found[0]}"
        none = f"no {REPORT_NAME} in it; give a folder that lunar-infer wrote"
        raise InputError(f"{path}: {none if found == [path] else many}") from error
    except NotADirectoryError as error:
        raise InputError(f"{path}: not a folder; give one that lunar-infer wrote") from error
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; make it readable") from error
    except (TypeError, msgspec.MsgspecError) as error:
        raise InputError(
            f"{file}: damaged, or of another version; run lunar-infer again"
        ) from error


def _read_side(
    path: Path, side: str, suffix: str, arrays: dict[str, NDArray[Any]], grid: Grid
) -> SideMaps:
    depth = _raster(path / f"depth{suffix}.tif", grid)
    if side not in arrays or arrays[side].shape != (*grid.shape, 3):
        raise InputError(
            f"{path / 'pointmap.npz'}: no points of the {side} view's {grid.shape} pixels; run "
            "lunar-infer again"
        )
    points = np.where(np.isfinite(depth)[..., None], arrays[side], np.nan)
    return SideMaps(grid, points, depth, {})


def read_maps(
    path: Path, grid: Grid, names: Sequence[str], suffix: str = ""
) -> dict[str, NDArray[np.float64]]:
    """Those of a view's maps that are there: name -> (H, W).

    Args:
        path: Of the folder.
        grid: Of the view.
        names: What to look for.
        suffix: Of the files' names; none = the main view.

    Raises:
        InputError: One is damaged, or of another size.
    """
    return {
        name: _raster(path / f"{name}{suffix}.tif", grid)
        for name in names
        if (path / f"{name}{suffix}.tif").exists()
    }


def _raster(path: Path, grid: Grid) -> NDArray[np.float64]:
    values = read_raster(path)
    if values.shape != grid.shape:
        raise InputError(f"{path}: not of the report's size; run lunar-infer again")
    return np.asarray(values, np.float64)
