"""Rendered pairs in a folder, each in its own, by any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Literal

from lunar_runtime.errors import OutputError
from lunar_runtime.files.atomic import make_folder

from lunar_calib.datasets.stereolunar import DepthFormat, ImageFormat

Layout = Literal["stereolunar", "rig"]


def pair_seed(seed: int, number: int) -> int:
    """Seed of pair `number` of a set: independent of the others and of the number of jobs."""
    import numpy as np

    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


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
    jobs: int = 1,
    overwrite: bool = False,
) -> Iterator[Path]:
    """Render pairs into `out/paire<i>`, yielding each folder when it is done.

    The layout is StereoLunar's, `im_<2i>.*` and `im_<2i+1>.*` in that folder, or `rig`: the files
    that `lunar-infer` takes (`write_rig_pair`), for which `depth` and `image` do not count.

    Raises:
        OutputError: `out` holds something already and `overwrite` is not set, or cannot be made.
    """
    if not overwrite and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: not empty; add --overwrite or choose another folder")
    make_folder(out)
    style = (size_px, preset, kind, layout, depth, image)
    tasks = [(out / f"paire{i + 1:05d}", 2 * i, pair_seed(seed, i), *style) for i in range(count)]
    if jobs <= 1:
        for task in tasks:
            yield _write_scene(*task)
        return
    with ProcessPoolExecutor(jobs, initializer=_one_thread) as pool:
        futures = [pool.submit(_write_scene, *task) for task in tasks]
        for future in futures:
            yield future.result()


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
) -> Path:
    from lunar_calib.datasets.rig_files import write_rig_pair
    from lunar_calib.datasets.stereolunar import write_pair
    from lunar_calib.render.geometry import sample_spec
    from lunar_calib.render.renderer import render_pair

    pair = render_pair(sample_spec(seed, size_px, preset, kind))
    if layout == "rig":
        write_rig_pair(pair, folder)
    else:
        write_pair(pair, folder, number, depth=depth, image=image)
    return folder


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
