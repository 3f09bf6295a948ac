"""Rendered pairs as StereoLunar scenes in a folder, by any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from lunar_runtime.errors import OutputError

from .stereolunar import DepthFormat, ImageFormat


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
    depth: DepthFormat = "npz",
    image: ImageFormat = "png",
    jobs: int = 1,
    overwrite: bool = False,
) -> Iterator[Path]:
    """Render pairs into `out/paire<i>/im_<2i>…`, yielding each scene's folder when it is done.

    Raises:
        OutputError: `out` holds something already and `overwrite` is not set.
    """
    if not overwrite and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: not empty; add --overwrite or choose another folder")
    tasks = [
        (out / f"paire{i + 1:05d}", 2 * i, pair_seed(seed, i), size_px, preset, kind, depth, image)
        for i in range(count)
    ]
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
    depth: DepthFormat,
    image: ImageFormat,
) -> Path:
    from .geometry import sample_spec
    from .renderer import render_pair
    from .stereolunar import write_pair

    pair = render_pair(sample_spec(seed, size_px, preset, kind))
    write_pair(pair, folder, number, depth=depth, image=image)
    return folder


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
