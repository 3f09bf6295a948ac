"""From result folders and truths to the pairs of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.printable import printable
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.plane import Plane
from numpy.typing import NDArray

from lunar_ground.folders.grids import Grid
from lunar_ground.folders.result_folder import ResultFolder, SideMaps, read_result_folder
from lunar_ground.page.comparison import Reference
from lunar_ground.page.content import Pair
from lunar_ground.page.pairs import Given, make_view
from lunar_ground.page.truth_file import Truth, read_truth

# Classes of hazard.tif, unknown, safe and hazardous, in the order of the page's: safe, unsure, not.
_CLASSES = np.array([1.0, 0.0, 2.0])


def pairs_of_results(
    folders: Sequence[Path], truths: Sequence[Path] = (), longest: int = 512
) -> list[Pair]:
    """Read results and group them by their images.

    Args:
        folders: That `lunar-infer` wrote.
        truths: None, or one for each pair, in the order in which the pairs first come.
        longest: Pixels of the page's maps along their longer side.

    Raises:
        InputError: A folder or a truth cannot be read, or the truth is not of the images' size.
        UsageError: More or fewer truths than pairs.
    """
    groups: dict[tuple[object, ...], list[ResultFolder]] = {}
    for folder in folders:
        result = read_result_folder(folder)
        groups.setdefault(result.pair_key, []).append(result)
    if truths and len(truths) != len(groups):
        raise UsageError(
            f"{len(truths)} times `truth` for {len(groups)} pairs of images; give one for each "
            "pair, in the order of the results"
        )
    names = _pair_names([results[0] for results in groups.values()])
    given: list[Truth | None] = [read_truth(path) for path in truths]
    return [
        _pair(name, results, truth, longest)
        for name, results, truth in zip(
            names, groups.values(), given or [None] * len(groups), strict=True
        )
    ]


def _pair(name: str, results: list[ResultFolder], truth: Truth | None, longest: int) -> Pair:
    views = []
    reference = None if truth is None else _reference(truth, results)
    for side in ("left", "right"):
        given = [
            one
            for result in results
            if side in result.sides and (one := _given(result, side)) is not None
        ]
        if not given:
            continue
        first = next(result for result in results if side in result.sides)
        camera = first.report.camera_left if side == "left" else first.report.camera_right
        images = (result.image(side) for result in results)
        image = max(
            (one for one in images if one is not None), key=lambda one: one[0].size, default=None
        )
        views.append(
            make_view(
                side,
                given,
                Intrinsics(*camera.image_px),
                image,
                reference if side == "left" else None,
                longest,
            )
        )
    return Pair(name, views, None if reference is None else reference.grid.shape)


def _given(result: ResultFolder, side: str) -> Given | None:
    """A result's word on a view; None where it is not known where the view's camera is."""
    report, maps = result.report, result.sides[side]
    up = np.asarray(report.up.vector)
    plane = report.plane
    normal = None if plane is None else np.asarray(plane.normal)
    offset = 0.0 if plane is None else -plane.camera_height
    points = maps.points
    if side == "right":
        if report.pose is None:
            return None
        pose = np.asarray(report.pose.right_from_left)
        points, up = points @ pose[:3, :3].T + pose[:3, 3], pose[:3, :3] @ up
        if normal is not None:
            normal = pose[:3, :3] @ normal
            offset += float(normal @ pose[:3, 3])
    return Given(
        name=printable(result.path.resolve().name),
        points=points,
        grid=maps.grid,
        unit=report.scale.unit,
        maps=_page_maps(maps.maps),
        plane=None if normal is None else Plane(normal, offset),
        up=up,
        verdict=report.verdict,
        notes=_notes(result, maps),
        sites=result.sites if side == "left" else [],
    )


def _page_maps(maps: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The maps under the page's names; the classes of a hazard in the page's order."""
    named = dict(maps)
    if "hazard" in named:
        found = named.pop("hazard")
        known = np.isin(found, range(len(_CLASSES)))
        order = _CLASSES[np.where(known, found, 0).astype(np.intp)]
        named["lander_hazard"] = np.where(known, order, np.nan)
    return named


def _notes(result: ResultFolder, maps: SideMaps) -> list[str]:
    report = result.report
    model, refinement = report.model, report.refinement
    how = "no network" if model is None else f"{model.student} {model.precision}"
    if refinement is None:
        how += ", not refined"
    elif refinement.status == "kept":
        how += f", not refined: {refinement.reason}"
    else:
        how += ", refined by the images"
    scale = report.scale
    notes = [how, f"lengths: {scale.unit}, from {scale.words}; up: {report.up.source}"]
    if not np.isfinite(maps.depth).any():
        notes.append("no pixel has a depth")
    if "depth_sigma" not in maps.maps:
        notes.append("no expected errors")
    return [printable(note) for note in (*notes, *report.verdict_reasons, *report.warnings)]


def _reference(truth: Truth, results: list[ResultFolder]) -> Reference:
    """The truth on the part of the left image that the widest result shows."""
    mapping = max(
        (result.report.mapping for result in results),
        key=lambda mapping: mapping.crop_width * mapping.crop_height,
    )
    size = mapping.source_height, mapping.source_width
    if truth.depth.shape != size:
        raise InputError(
            f"the truth is {truth.depth.shape[1]} x {truth.depth.shape[0]} px, the left image "
            f"{size[1]} x {size[0]} px; give the truth of this image"
        )
    x, y, width, height = mapping.crop
    whole = truth.camera or Intrinsics(*results[0].report.camera_left.image_px)
    camera = Intrinsics(whole.fx, whole.fy, whole.cx - x, whole.cy - y)
    depth = truth.depth[y : y + height, x : x + width]
    return Reference.of(
        Grid((x, y, width, height), (height, width)), depth, camera, _told_up(truth, results)
    )


def _told_up(truth: Truth, results: list[ResultFolder]) -> NDArray[np.float64] | None:
    if truth.up is not None:
        return truth.up
    told = (result.report.up for result in results if result.report.up.source == "rig")
    return next((np.asarray(up.vector) for up in told), None)


def _pair_names(results: list[ResultFolder]) -> list[str]:
    """Names of the left images, with as much of their folder as tells them apart."""
    paths = [Path(result.report.left.path) for result in results]
    count = Counter(path.name for path in paths)
    names = [
        path.name if count[path.name] == 1 else f"{path.parent.name}/{path.name}" for path in paths
    ]
    return [printable(name) for name in names]
