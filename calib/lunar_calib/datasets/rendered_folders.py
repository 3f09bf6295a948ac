"""Rendered pairs in a folder, each in its own, by any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lunar_runtime.errors import OutputError, UsageError
from lunar_runtime.files.atomic import make_folder
from lunar_runtime.files.atomic_folder import atomic_folder
from lunar_runtime.landing.lander import Lander

from lunar_calib.choices import (
    DEPTH_FORMATS,
    IMAGE_FORMATS,
    LANDING_KINDS,
    DepthFormat,
    ImageFormat,
    Layout,
)
from lunar_calib.datasets.ground_files import GROUND_NAME, write_ground
from lunar_calib.datasets.rig_files import RIG_PAIR_NAMES, write_rig_pair
from lunar_calib.datasets.stereolunar_frames import write_pair
from lunar_calib.render.processes import in_processes
from lunar_calib.render.renderer import render_pair
from lunar_calib.render.terrain import synthesise_terrain
from lunar_calib.specs.pair_sampling import derived_seed, sample_spec


def write_folder(
    out: Path,
    count: int,
    size_px: int,
    seed: int,
    *,
    preset: str = "stereolunar",
    kind: str | None = None,
    layout: Layout = "stereolunar",
    depth: DepthFormat = "npz",
    image: ImageFormat = "png",
    lander: Lander | None = None,
    jobs: int = 1,
    overwrite: bool = False,
) -> Iterator[Path]:
    """Render pairs into `out/paire<i>`, yielding each folder when it is done.

    The layout is StereoLunar's, `im_<2i>.*` and `im_<2i+1>.*` in that folder, or `rig`: the files
    that `lunar-infer` takes (`write_rig_pair`), for which `depth` and `image` do not count. Beside
    them landings have the true ground (`write_ground`), with the hazards of a `lander`. The folder
    of a pair is there whole or not at all.

    Raises:
        UsageError: `lander` without landings in the layout `rig`, or larger than a view.
        OutputError: `out` holds something already and `overwrite` is not set, or cannot be made.
    """
    if lander is not None and (kind not in LANDING_KINDS or layout != "rig"):
        raise UsageError("`lander` is for `kind` landing or approach, and `layout` rig; give both")
    if not overwrite and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: not empty; set `overwrite` or choose another folder")
    new = not out.exists()
    make_folder(out)
    style = (size_px, preset, kind, layout, depth, image, lander)
    tasks = [
        (out / f"paire{i + 1:05d}", 2 * i, derived_seed(seed, i), *style) for i in range(count)
    ]
    try:
        yield from in_processes(_write_scene, tasks, jobs)
    except BaseException:
        with suppress(OSError):  # it holds pairs
            if new:
                out.rmdir()
        raise


def _write_scene(
    folder: Path,
    number: int,
    seed: int,
    size_px: int,
    preset: str,
    kind: str | None,
    layout: Layout,
    depth: DepthFormat,
    image: ImageFormat,
    lander: Lander | None,
) -> Path:
    spec = sample_spec(seed, size_px, preset, kind)
    terrain = synthesise_terrain(spec.terrain)
    pair = render_pair(spec, terrain)
    # Without `overwrite` the folder around them was empty.
    with atomic_folder(folder, overwrite=True, owned=_names(number)) as whole:
        if layout == "rig":
            write_rig_pair(pair, whole)
            if spec.kind in LANDING_KINDS:
                write_ground(pair, terrain, whole, lander)
        else:
            write_pair(pair, whole, number, depth=depth, image=image)
    return folder


def _names(number: int) -> set[str]:
    """What a pair's folder may hold, whatever the layout and formats."""
    suffixes = [".npz", ".json", *(f".{each}" for each in (*DEPTH_FORMATS, *IMAGE_FORMATS))]
    frames = {f"im_{each:05d}{suffix}" for each in (number, number + 1) for suffix in suffixes}
    return frames | RIG_PAIR_NAMES | {GROUND_NAME}
