"""From a result folder to a folder of maps, there whole or not at all."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.printable import printable
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.inference.notes import why_relative
from lunar_runtime.landing.ground_grid import GridSource
from lunar_runtime.landing.lander import DEFINITION, SOURCE, Lander
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from lunar_runtime.landing.visible_surface import taken
from numpy.typing import NDArray

from lunar_ground.folders.grids import Grid
from lunar_ground.folders.result_folder import (
    SITES,
    ResultFolder,
    SideMaps,
    grid_of,
    read_maps,
    read_report,
    read_result_folder,
)
from lunar_ground.maps.cells import Cells, local_cells, lunar_cells
from lunar_ground.maps.geotiff import Place, read_projection, write_geotiff
from lunar_ground.maps.layers import NAMES, layers_of
from lunar_ground.maps.projection import Array, lon_lat

_MAPS = ("slope", "depth_sigma", "hazard", "safe_probability")
_SITES = "sites.geojson"
_LOCAL = {"x_m", "y_m", "height_m"}  # of a site, in the result's own frame
_OWNED = {_SITES, *(f"{name}{suffix}" for name in NAMES for suffix in (".tif", ".wkt"))}


class Written(NamedTuple):
    """What was written.

    Attributes:
        names: Of the files, without the `.wkt` beside each.
        cells: Of all maps.
        guessed: Why the result is a guess; empty = it was measured.
    """

    names: list[str]
    cells: Cells
    guessed: tuple[str, ...]


def write_maps(
    folder: Path,
    out: Path,
    *,
    cell_m: float | None = None,
    like: Path | None = None,
    image: Path | None = None,
    overwrite: bool = False,
) -> Written:
    """Write the maps of a result.

    Args:
        folder: That `lunar-infer` wrote.
        out: Folder to write.
        cell_m: Side of a cell; None = the distance of neighbouring pixels on the ground.
        like: A map whose projection and cells are taken.
        image: Where the left image is now; None = where it was.
        overwrite: Replace maps that are there.

    Raises:
        InputError: The result cannot be read, or shows no ground.
        OutputError: The maps cannot be written.
        UsageError: The result is relative, lacks the left view, or an option does not fit it.
    """
    check_folder(out, overwrite=overwrite, owned=_OWNED)
    report = read_report(folder)
    with ThreadPoolExecutor(1) as reader:  # meanwhile
        values = reader.submit(read_maps, folder, grid_of(report, "left"), _MAPS)
        result = read_result_folder(folder, ("left",), ())
        maps = _left(result)
        shown = reader.submit(_image, result, image)
        cells = _cells(result, maps, cell_m, like)
        maps.maps.update(values.result())
        grey, own = shown.result()
    if "slope" not in maps.maps:
        raise InputError(f"{folder}: no slope.tif in it; run lunar-infer again")
    image_kind = "the file's values" if own else "8-bit greys of the cloud"
    tags = _tags(result, cells, image_kind)
    vehicle = _vehicle(result)
    place = Place.of(cells.projection)
    with atomic_folder(out, overwrite=overwrite, owned=_OWNED) as temporary:
        with ThreadPoolExecutor(max(1, cv2.getNumThreads())) as threads:
            files = {}
            for layer in layers_of(cells, maps, grey, vehicle):
                path = temporary / f"{layer.name}.tif"
                files[layer.name] = threads.submit(write_geotiff, path, layer, cells, place, tags)
        for file in files.values():
            file.result()
        names = [f"{name}.tif" for name in NAMES if name in files]
        body = _body_from_left(result)
        if body is not None and result.sites:
            content = json.dumps(_sites(result, maps, body), indent=2) + "\n"
            (temporary / _SITES).write_text(content, encoding="utf-8")
            names.append(_SITES)
    return Written(names, cells, tuple(result.report.verdict_reasons))


def _left(result: ResultFolder) -> SideMaps:
    if "left" not in result.sides:
        raise UsageError(
            f"{result.path}: only the right view is in it; run lunar-infer with another --view"
        )
    if result.report.scale.unit != "m":
        why = why_relative(result.report.warnings) or (
            "give a rig that holds the pose, `baseline_m` or `altitude_m`"
        )
        # These are options of lunar-infer, which wrote the report.
        why = re.sub(r"`(\w+)`", lambda name: f"--{name[1].replace('_', '-')}", why)
        raise UsageError(
            f"{result.path}: a map needs metres, and this depth is relative: {why}; then run "
            "lunar-infer again"
        )
    return result.sides["left"]


def _cells(result: ResultFolder, maps: SideMaps, cell_m: float | None, like: Path | None) -> Cells:
    """Of a lunar projection where the result says where it is, else of its own frame."""
    body = _body_from_left(result)
    projection = None
    if like is not None:
        if body is None:
            raise UsageError("`like` needs a result whose rig has body_from_left")
        if cell_m is not None:
            raise UsageError("`like` gives the cells already; leave out `cell_m`")
        projection, cell_m = read_projection(like)
    source = GridSource(
        np.asarray(maps.points, np.float32),
        Intrinsics(*result.report.camera_left.grid_px),
        np.asarray(result.report.up.vector),
    )
    if body is None:
        return local_cells(source, cell_m)
    return lunar_cells(source, body, cell_m, projection)


def _body_from_left(result: ResultFolder) -> Array | None:
    body = result.report.body
    if body is None:
        return None
    pose = np.asarray(body.body_from_left, np.float64)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise InputError(f"{result.path}: body_from_left is no pose; run lunar-infer again")
    return pose


def _image(result: ResultFolder, moved: Path | None) -> tuple[tuple[NDArray[Any], Grid], bool]:
    """The left image, and whether its values are the file's own."""
    if moved is not None:
        try:
            digest = sha256_of(moved)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InputError(f"{moved}: cannot read ({why}); give the left image") from error
        if digest != result.report.left.sha256:
            raise InputError(f"{moved}: not the left image of this result; give that one")
    shown = result.image("left", moved)
    if shown is None:
        raise InputError(
            f"{printable(result.report.left.path)}: the left image is not there as it was, and "
            "pointcloud.ply does not have it; give `image`"
        )
    own = not np.issubdtype(shown[0].dtype, np.floating)  # a cloud's greys are floats
    return shown, own


def _tags(result: ResultFolder, cells: Cells, image: str) -> dict[str, str]:
    report = result.report
    up = report.up.source
    if cells.projection is not None:
        up += f", {cells.up_off_deg:.2g} degrees off the Moon's radius"
    return {
        "VERDICT": report.verdict,
        "VERDICT_REASONS": printable("; ".join(report.verdict_reasons)),
        "SCALE": f"metres, from {report.scale.words}",
        "UP": up,
        "FRAME": "level, origin below the left camera, x the level part of the camera's x axis"
        if cells.projection is None
        else f"MOON_ME, {cells.projection.words}",
        "CELL_M": repr(cells.cell_m),
        "IMAGE": printable(f"{report.left.path}, {image}"),
        "CREATED_BY": f"lunar-edge {report.versions.get('lunar-edge', '')}, lunar-map",
    }


def _vehicle(result: ResultFolder) -> dict[str, str]:
    """What hazards and P(safe) are of."""
    told = (result.landing or {}).get("lander")
    if told is None:
        return {}
    try:
        lander = msgspec.convert(told, Lander)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{result.path / SITES}: damaged, or of another tool; run lunar-infer again"
        ) from error
    return {"LANDER": lander.words, "DEFINITION": f"{DEFINITION} ({SOURCE})"}


def _sites(result: ResultFolder, maps: SideMaps, body: Array) -> dict[str, Any]:
    """GeoJSON, whose longitudes and latitudes are the Moon's."""
    features = []
    told = [] if result.landing is None else result.landing["sites"]
    for number, (site, whole) in enumerate(zip(result.sites, told, strict=True), start=1):
        x, y = (np.array([[site[axis]]], np.float32) for axis in "xy")
        point = taken(maps.points, x, y)[0, 0]
        if not np.isfinite(point).all():
            continue
        there = body[:3, :3] @ point + body[:3, 3]
        longitude, latitude = (round(float(angle), 8) for angle in lon_lat(there))
        height = round(float(np.linalg.norm(there)) - MOON_RADIUS_M, 3)
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [longitude, latitude, height]},
                "properties": {
                    "rank": number,
                    **{name: value for name, value in whole.items() if name not in _LOCAL},
                },
            }
        )
    return {
        "type": "FeatureCollection",
        "body": "Moon",
        "frame": "MOON_ME",
        "note": "Longitudes (east) and planetocentric latitudes of the Moon, IAU_2015:30100, in "
        "degrees; heights above the sphere of 1737.4 km, metres. Not WGS 84, which GeoJSON "
        "readers assume.",
        "features": features,
    }
