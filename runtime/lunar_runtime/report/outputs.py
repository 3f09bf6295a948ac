"""A result on disk: one folder, there whole or not at all.

depth.tif, slope.tif, confidence.tif   float32, NaN = invalid, of the view that was asked for; unit,
                                       crop and camera in their tags, see `rasters`
depth_sigma.tif, slope_sigma.tif       expected errors of a refined pair
depth_right.tif, …                     of the right view too, with view `both`
pointmap.npz                           left, right, confidence_left, confidence_right, unit,
                                       verdict, where they lie in the images (crop_left, …), and of
                                       a refined pair network_left, …: the network's own, its grid
pointcloud.ply                         the asked view's points, left camera's frame
preview.png                            all of it at a glance
report.json                            how it came about
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.files.atomic_folder import atomic_folder
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.pointcloud import FRAME_COMMENT, encode_ply
from lunar_runtime.files.printable import printable
from lunar_runtime.files.rasters import RasterTags, encode_raster
from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.inference.result import Side, StereoResult
from lunar_runtime.landing.lander import DEFINITION, SOURCE
from lunar_runtime.landing.landing import Landing
from lunar_runtime.landing.sites_file import encode_sites
from lunar_runtime.report.records import Report
from lunar_runtime.report.report import encode_report, make_report, with_files
from lunar_runtime.report.result_names import REPORT_NAME, RESULT_NAMES
from lunar_runtime.report.result_preview import primary_view, write_preview

_PREVIEW = "preview.png"
_T = TypeVar("_T")

#: What writes one file of a result.
Writer = Callable[[BinaryIO], None]


def write_result(
    result: StereoResult,
    path: Path | str,
    *,
    overwrite: bool = False,
    landing: Landing | None = None,
    request: str | None = None,
) -> Report:
    """Write every file of a result.

    Args:
        result: Of one pair.
        path: The folder to make; its parents are made too.
        overwrite: Replace the result that is there, once the new one is complete.
        landing: Where a vehicle may stand on it; None = nobody asked.
        request: Digest of what was asked for; None = not known.

    Returns:
        What report.json says.

    Raises:
        OutputError: `path` exists, or cannot be written; nothing is left behind.
    """
    start = time.perf_counter()
    with atomic_folder(path, overwrite=overwrite, owned=RESULT_NAMES) as folder:
        make = partial(make_report, result, printable(path), landing, request)
        report, files = _written(_writers(result, landing), folder, make)
        elapsed_ms = (time.perf_counter() - start) * 1e3
        report = with_files(report, files, elapsed_ms)
        (folder / REPORT_NAME).write_bytes(encode_report(report, indent=2) + b"\n")
    return report


def _written(
    writers: dict[str, Writer], folder: Path, make: Callable[[], Report]
) -> tuple[Report, dict[str, FileRecord]]:
    """Write every file, and make the report, beside each other: compression keeps Python free.

    The calling thread draws the preview: OpenCV loads its letters in every thread that draws any.

    Returns:
        The report, and the files' records.
    """
    # A signal can end the command while a thread is being started, and then nothing waits for
    # that thread: so none begins before all are there.
    ready, abandoned = threading.Event(), threading.Event()

    def write(name: str) -> FileRecord:
        file = folder / name
        with file.open("wb") as stream:
            writers[name](stream)
        return FileRecord(sha256=sha256_of(file), bytes=file.stat().st_size)

    def begun(do: Callable[[], _T]) -> _T:
        ready.wait()
        if abandoned.is_set():
            raise CancelledError
        return do()

    others = [name for name in writers if name != _PREVIEW]
    with ThreadPoolExecutor(max(1, min(len(others), cv2.getNumThreads()))) as pool:
        try:
            made = pool.submit(begun, make)
            written = {name: pool.submit(begun, partial(write, name)) for name in others}
        except BaseException:
            abandoned.set()
            raise
        finally:
            ready.set()
        drawn: Future[FileRecord] = Future()
        written[_PREVIEW] = drawn
        try:
            drawn.set_result(write(_PREVIEW))
        except Exception as error:
            drawn.set_exception(error)
        records = {name: written[name].result() for name in writers}  # the first one's error
        return made.result(), {name: records[name] for name in sorted(records)}


def _writers(result: StereoResult, landing: Landing | None) -> dict[str, Writer]:
    return {
        "pointcloud.ply": partial(_write_points, result),
        _PREVIEW: partial(write_preview, result, landing),
        **_raster_writers(result),
        **({} if landing is None else _landing_writers(result, landing)),
        "pointmap.npz": partial(_write_pointmaps, result),
    }


def _raster_writers(result: StereoResult) -> dict[str, Writer]:
    writers: dict[str, Writer] = {}
    for side, view in result.views.items():
        suffix = "" if side == result.primary else f"_{side}"
        slope = "slope: angle between the surface normal and up"
        for name, values, unit, what in (
            ("depth", view.depth, result.unit, "depth: Z in the camera's frame"),
            ("slope", view.slope, "degrees", slope),
            ("confidence", view.confidence, "1", "1 + 0.01 / expected relative error of depth"),
            ("depth_sigma", view.depth_sigma, result.unit, "expected standard deviation of depth"),
            ("slope_sigma", view.slope_sigma, "degrees", "expected standard deviation of slope"),
        ):
            if values is not None:
                tags = _raster_tags(result, side, unit, what)
                writers[f"{name}{suffix}.tif"] = partial(_write_raster, values, tags)
    return writers


def _landing_writers(result: StereoResult, landing: Landing) -> dict[str, Writer]:
    what = {
        "hazard": "landing hazard: 0 unknown, 1 safe, 2 hazardous; see sites.json",
        "safe_probability": "probability that the lander of sites.json may stand here",
    }
    maps = {"hazard": landing.classes, "safe_probability": landing.safe_probability}
    writers: dict[str, Writer] = {}
    for name, values in maps.items():
        tags = replace(
            _raster_tags(result, "left", "1", what[name]),
            lander=landing.lander.words,
            definition=f"{DEFINITION} ({SOURCE})",
        )
        writers[f"{name}.tif"] = partial(_write_raster, values, tags)
    writers["sites.json"] = lambda stream: _write_sites(result, landing, stream)
    return writers


def _write_sites(result: StereoResult, landing: Landing, stream: BinaryIO) -> None:
    stream.write(encode_sites(landing, result.verdict))


def _write_raster(values: NDArray[np.float32], tags: RasterTags, stream: BinaryIO) -> None:
    stream.write(encode_raster(values, tags))


def _raster_tags(result: StereoResult, side: Side, unit: str, what: str) -> RasterTags:
    mapping, camera = result.mapping, result.camera_left
    if side == "right":
        mapping, camera = result.mapping_right, result.camera_right
    K = camera.intrinsics
    return RasterTags(
        unit=unit,
        description=what,
        view=side,
        camera=(K.fx, K.fy, K.cx, K.cy),
        crop=mapping.crop,
        source_size=mapping.source_size,
        verdict=result.verdict,
        rung=None if result.flown is None else result.flown.words(),
    )


def _write_pointmaps(result: StereoResult, stream: BinaryIO) -> None:
    arrays = {
        "left": result.pointmap_left,
        "confidence_left": result.confidence_left,
        **_place("left", result.mapping, result.camera_left),
    }
    if result.pointmap_right is not None and result.confidence_right is not None:
        arrays["right"] = result.pointmap_right
        arrays["confidence_right"] = result.confidence_right
        arrays |= _place("right", result.mapping_right, result.camera_right)
    if result.refinement is not None and result.network is not None:
        arrays["network_left"] = result.network.pointmap_left
        if result.network.pointmap_right is not None:
            arrays["network_right"] = result.network.pointmap_right
    words = {"unit": np.array(result.unit), "verdict": np.array(result.verdict)}
    np.savez(stream, **arrays, **words)  # type: ignore[arg-type]


def _place(side: Side, mapping: GridMapping, camera: CameraEstimate) -> dict[str, NDArray[Any]]:
    """What puts a pointmap back into its image: as in a raster's tags."""
    K = camera.intrinsics
    return {
        f"crop_{side}": np.array(mapping.crop),
        f"source_size_{side}": np.array(mapping.source_size),
        f"camera_{side}": np.array([K.fx, K.fy, K.cx, K.cy]),
    }


def _write_points(result: StereoResult, stream: BinaryIO) -> None:
    points, image = primary_view(result)
    comment = f"unit: {result.unit}\n{FRAME_COMMENT}"
    stream.write(encode_ply(points, image, np.isfinite(result.depth), comment))
