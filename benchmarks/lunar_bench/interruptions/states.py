"""What an output is after an interruption: the old one, the new one, or half of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
from lunar_calib.datasets.rig_files import RIG_PAIR_NAMES
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import LunarError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.guard.health_record import HealthRecord
from lunar_runtime.report.result_names import REPORT_NAME

from lunar_bench.interruptions.record import State

#: Of the page, in its folder.
PAGE_NAME = "page.html"

#: Says what a folder of outputs is, against what it was before.
Judge = Callable[[Path, Mapping[str, str]], State]


def result_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of one result of lunar-infer."""
    if not folder.exists():
        return "half" if before else "old"
    found = digests(folder)
    if before and found == before:
        return "old"
    try:
        files = json.loads((folder / REPORT_NAME).read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return "half"
    told = {name: record["sha256"] for name, record in files.items()}
    return "new" if {n: d for n, d in found.items() if n != REPORT_NAME} == told else "half"


def batch_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of the results of many pairs: none of them is half."""
    states = {result_state(path, {}) for path in folder.glob("*") if not path.name.startswith(".")}
    if "half" in states:
        return "half"
    return "new" if states else "old"


def health_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of a result with a health file beside it, all of whose lines are records."""
    lines = (folder / "health.jsonl").read_bytes() if (folder / "health.jsonl").exists() else b""
    try:
        for line in lines.splitlines():
            msgspec.json.decode(line, type=HealthRecord)
    except msgspec.DecodeError:
        return "half"
    return "half" if lines and not lines.endswith(b"\n") else result_state(folder / "map", before)


def bundle_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of a bundle."""
    if not folder.exists():
        return "half" if before else "old"
    if before and digests(folder) == before:
        return "old"
    try:
        bundle = Bundle.open(folder)
        bundle.model(), bundle.golden()
    except LunarError:
        return "half"
    return "new"


def rendered_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of rendered pairs: none of them is half."""
    pairs = [path for path in folder.glob("*") if not path.name.startswith(".")]
    for path in pairs:
        if {file.name for file in path.iterdir()} != RIG_PAIR_NAMES:
            return "half"
        np.load(path / "truth.npz")["depth_left"]
    return "new" if pairs else "old"


def maps_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of the maps of a result: each raster can be read to its end, its system beside it."""
    import rasterio

    if not folder.exists():
        return "half" if before else "old"
    if before and digests(folder) == before:
        return "old"
    try:
        for path in folder.glob("*.tif"):
            path.with_suffix(".wkt").read_text()
            with rasterio.open(path) as raster:
                raster.read()
    except (OSError, rasterio.errors.RasterioError):
        return "half"
    return "new" if (folder / "dem.tif").exists() else "half"


def page_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of a page, the one file in its folder."""
    page = folder / PAGE_NAME
    if not page.exists():
        return "half" if before else "old"
    if before and digests(folder) == before:
        return "old"
    return "new" if page.read_bytes().rstrip().endswith(b"</html>") else "half"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by its name in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
