"""Training pairs in bulk: many per second, in shards that can be memory-mapped and resumed.

A shard is a folder `shard_00000/` of plain `.npy` arrays for N pairs (256 but for the last):

    left_image.npy, right_image.npy   (N, H, W) uint8
    left_depth.npy, right_depth.npy   (N, H, W) float32 Z-depth, metres, NaN without ground
    right_from_left.npy               (N, 4, 4) float64, metres, OpenCV axes
    intrinsics.npy                    (N, 3, 3) float64, the same for both cameras
    specs.json                        list of N `PairSpec` dicts

A shard is written under a temporary name and renamed when complete, so that a stopped run resumes
at the first absent one. Shards depend on the seed and their number only, not on the jobs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import numpy as np
from lunar_runtime.commands.command_line import run_command
from lunar_runtime.errors import InputError, OutputError
from lunar_runtime.files.atomic import make_folder
from numpy.typing import NDArray

PAIRS_PER_SHARD = 256
PAIRS_PER_TERRAIN = 8

ARRAYS = (
    "left_image",
    "right_image",
    "left_depth",
    "right_depth",
    "right_from_left",
    "intrinsics",
)


def terrain_cells(size_px: int) -> int:
    """Grid side of a shared terrain: about six footprints wide for small images."""
    return 2048 if size_px >= 256 else 1024


def render_shard(
    seed: int, index: int, size_px: int, count: int = PAIRS_PER_SHARD, preset: str = "mix"
) -> Iterator[tuple[int, object]]:
    """Yield (position, RenderedPair) of shard `index`.

    Each terrain serves `PAIRS_PER_TERRAIN` pairs with their own sites, cameras and suns.
    """
    from lunar_calib.render.geometry import sample_spec, sample_terrain
    from lunar_calib.render.renderer import render_pair
    from lunar_calib.render.terrain import synthesise_terrain

    terrain = None
    for i in range(count):
        number = index * PAIRS_PER_SHARD + i
        if i % PAIRS_PER_TERRAIN == 0:
            terrain_seed = _seed(seed, number // PAIRS_PER_TERRAIN, 1)
            terrain = synthesise_terrain(
                sample_terrain(terrain_seed, size_px, terrain_cells(size_px))
            )
        assert terrain is not None
        spec = sample_spec(_seed(seed, number, 2), size_px, preset, terrain=terrain.spec)
        yield i, render_pair(spec, terrain)


def write_shard(out: Path, seed: int, index: int, size_px: int, count: int, preset: str) -> Path:
    """Render one shard into `out/shard_<index>`; returns it. A complete one is left alone.

    Raises:
        OutputError: The one that is there holds other pairs than those asked for.
    """
    from lunar_calib.render.renderer import RenderedPair

    target = out / f"shard_{index:05d}"
    if target.exists():
        _require_same(target, seed, index, size_px, count)
        return target
    partial = out / f".shard_{index:05d}.{os.getpid()}"
    partial.mkdir(parents=True)
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "left_image": ((size_px, size_px), "u1"),
        "right_image": ((size_px, size_px), "u1"),
        "left_depth": ((size_px, size_px), "<f4"),
        "right_depth": ((size_px, size_px), "<f4"),
        "right_from_left": ((4, 4), "<f8"),
        "intrinsics": ((3, 3), "<f8"),
    }
    try:
        arrays = {
            name: np.lib.format.open_memmap(
                partial / f"{name}.npy", "w+", np.dtype(dtype), (count, *shape)
            )
            for name, (shape, dtype) in shapes.items()
        }
        specs = []
        for i, pair in render_shard(seed, index, size_px, count, preset):
            assert isinstance(pair, RenderedPair)
            arrays["left_image"][i] = pair.left.image
            arrays["right_image"][i] = pair.right.image
            arrays["left_depth"][i] = pair.left.depth_m
            arrays["right_depth"][i] = pair.right.depth_m
            arrays["right_from_left"][i] = pair.right_from_left
            arrays["intrinsics"][i] = pair.left.intrinsics
            specs.append(pair.spec.to_dict())
        for array in arrays.values():
            array.flush()
        (partial / "specs.json").write_text(json.dumps(specs))
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def write_shards(
    out: Path, count: int, size_px: int, seed: int, jobs: int = 1, preset: str = "mix"
) -> Iterator[Path]:
    """Write `count` pairs; yields each shard's folder as it is done."""
    make_folder(out)
    tasks = [
        (out, seed, i, size_px, min(PAIRS_PER_SHARD, count - i * PAIRS_PER_SHARD), preset)
        for i in range(-(-count // PAIRS_PER_SHARD))
    ]
    if jobs <= 1:
        _one_thread()
        for task in tasks:
            yield write_shard(*task)
        return
    with ProcessPoolExecutor(jobs, initializer=_one_thread) as pool:
        futures = [pool.submit(write_shard, *task) for task in tasks]
        for future in futures:
            yield future.result()


def open_shards(folder: Path) -> list[dict[str, NDArray[np.generic]]]:
    """Memory-map every complete shard of a folder, in order; keys are `ARRAYS`.

    Raises:
        InputError: There is none, or one is damaged.
    """
    return [open_shard(shard) for shard in find_shards(folder)]


def find_shards(folder: Path) -> list[Path]:
    """Every complete shard of a folder, in order.

    Raises:
        InputError: There is none.
    """
    folders = sorted(folder.glob("shard_*"))
    if not folders:
        raise InputError(
            f"{folder}: no shards; render some with "
            f"python -m lunar_calib.datasets.shards --out {folder}"
        )
    return folders


def open_shard(shard: Path) -> dict[str, NDArray[np.generic]]:
    """Memory-map one shard; keys are `ARRAYS`.

    Raises:
        InputError: A file of it is missing, damaged or of another length than the others.
    """
    try:
        arrays = {name: np.load(shard / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        counts = {len(array) for array in arrays.values()}
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise InputError(f"{shard}: damaged ({error}); remove it and render it again") from error
    if len(counts) != 1:
        raise InputError(f"{shard}: arrays of {counts} pairs; remove it and render it again")
    return arrays


def _require_same(shard: Path, seed: int, index: int, size_px: int, count: int) -> None:
    specs = json.loads((shard / "specs.json").read_text())
    first = _seed(seed, index * PAIRS_PER_SHARD, 2)
    if (specs[0]["seed"], specs[0]["size_px"]) != (first, size_px) or len(specs) < count:
        raise OutputError(
            f"{shard}: holds {len(specs)} pairs of {specs[0]['size_px']} px, of another seed, size "
            "or count than asked for; remove it or choose another folder"
        )


def _seed(seed: int, number: int, stream: int) -> int:
    return int(np.random.SeedSequence([seed, number, stream]).generate_state(1)[0])


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


@click.command()
@click.option("--count", type=click.IntRange(1), required=True, help="Pairs in all.")
@click.option("--size", "size_px", type=click.IntRange(32), default=256, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--preset",
    type=click.Choice(["mix", "stereolunar", "realistic"]),
    default="mix",
    show_default=True,
)
def main(count: int, size_px: int, seed: int, out: Path, jobs: int, preset: str) -> None:
    """Write shards of rendered pairs for training; run again to resume."""
    for shard in write_shards(out, count, size_px, seed, jobs, preset):
        click.echo(str(shard))


if __name__ == "__main__":
    run_command(main, "lunar_calib.datasets.shards")
