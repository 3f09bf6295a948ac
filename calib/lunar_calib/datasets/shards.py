"""Training pairs in bulk: many per second, in shards that can be memory-mapped and resumed.

A shard is a folder `shard_00000/` of plain `.npy` arrays for N pairs (256 but for the last):

    left_image.npy, right_image.npy   (N, H, W) uint8
    left_depth.npy, right_depth.npy   (N, H, W) float32 Z-depth, metres, NaN without ground
    right_from_left.npy               (N, 4, 4) float64, metres, OpenCV axes
    intrinsics.npy                    (N, 3, 3) float64, the same for both cameras
    specs.json                        list of N `PairSpec` dicts

A shard is written under a temporary name and renamed when complete, so that a stopped run resumes
at the first absent one. Shards depend on what was asked for and their number only, not on the jobs.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_runtime.errors import InputError, OutputError
from lunar_runtime.files.atomic import make_folder
from numpy.typing import NDArray

from lunar_calib.choices import LANDING_KINDS, GeometryKind
from lunar_calib.render.processes import in_processes
from lunar_calib.render.renderer import render_pair
from lunar_calib.render.terrain import synthesise_terrain
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs.pair_sampling import derived_seed, sample_spec, sample_terrain
from lunar_calib.specs.pair_spec import PairSpec

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

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardPlan:
    """What decides the pairs of all shards of a folder.

    Attributes:
        seed: Of the pairs.
        size_px: Side of the images.
        preset: Image style, see `choices.Preset`.
        pairs: In a shard; the last one may have fewer.
        cells: Grid side of a terrain; None: `terrain_cells` of the size. Landings have their own.
        kind: Geometry family of all pairs; None: StereoLunar's three.
    """

    seed: int
    size_px: int
    preset: str = "mix"
    pairs: int = PAIRS_PER_SHARD
    cells: int | None = None
    kind: str | None = None

    def pair_seed(self, number: int) -> int:
        """Of pair `number`, counted over all shards."""
        return derived_seed(self.seed, number, 2)

    def terrain_seed(self, number: int) -> int:
        """Of the terrain that pair `number` stands on."""
        return derived_seed(self.seed, number // PAIRS_PER_TERRAIN, 1)

    def spec(self, number: int) -> PairSpec:
        """Of pair `number`. A landing has a terrain of its own, with boulders for its view."""
        seed, terrain = self.pair_seed(number), None
        if self.kind is None or GeometryKind(self.kind) not in LANDING_KINDS:
            cells = self.cells or terrain_cells(self.size_px)
            terrain = sample_terrain(self.terrain_seed(number), self.size_px, cells)
        return sample_spec(seed, self.size_px, self.preset, self.kind, terrain)


def terrain_cells(size_px: int) -> int:
    """Grid side of a shared terrain: about six footprints wide for small images."""
    return 2048 if size_px >= 256 else 1024


def render_shard(plan: ShardPlan, index: int, count: int) -> Iterator[RenderedPair]:
    """Yield the first `count` pairs of shard `index`.

    Each terrain serves `PAIRS_PER_TERRAIN` pairs with their own sites, cameras and suns; of
    landings, one.
    """
    terrain = None
    for number in range(index * plan.pairs, index * plan.pairs + count):
        spec = plan.spec(number)
        if terrain is None or terrain.spec != spec.terrain:
            terrain = synthesise_terrain(spec.terrain)
        yield render_pair(spec, terrain)


def write_shard(out: Path, plan: ShardPlan, index: int, count: int) -> Path:
    """Render one shard into `out/shard_<index>`; returns it. A complete one is left alone.

    Raises:
        OutputError: The one that is there holds other pairs than those asked for.
    """
    target = out / f"shard_{index:05d}"
    if target.exists():
        _require_same(target, plan, index, count)
        _log.info("%s is complete", target)
        return target
    partial = out / f".shard_{index:05d}.{os.getpid()}"
    partial.mkdir(parents=True)
    image, depth = ((plan.size_px, plan.size_px), "u1"), ((plan.size_px, plan.size_px), "<f4")
    kinds = (image, image, depth, depth, ((4, 4), "<f8"), ((3, 3), "<f8"))
    try:
        arrays = {
            name: np.lib.format.open_memmap(
                partial / f"{name}.npy", "w+", np.dtype(dtype), (count, *shape)
            )
            for name, (shape, dtype) in zip(ARRAYS, kinds, strict=True)
        }
        specs = []
        for i, pair in enumerate(render_shard(plan, index, count)):
            values = (
                pair.left.image,
                pair.right.image,
                pair.left.depth_m,
                pair.right.depth_m,
                pair.right_from_left,
                pair.left.intrinsics,
            )
            for array, value in zip(arrays.values(), values, strict=True):
                array[i] = value
            specs.append(pair.spec.to_dict())
        for array in arrays.values():
            array.flush()
        (partial / "specs.json").write_text(json.dumps(specs))
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _log.info("%s: %d pairs rendered", target, count)
    return target


def write_shards(
    out: Path,
    count: int,
    size_px: int,
    seed: int,
    jobs: int = 1,
    preset: str = "mix",
    *,
    pairs_per_shard: int = PAIRS_PER_SHARD,
    cells: int | None = None,
    kind: str | None = None,
) -> Iterator[Path]:
    """Write `count` pairs; yields each shard's folder as it is done.

    Args:
        out: Folder of the shards, made if need be.
        count: Pairs in all.
        size_px: Side of the images.
        seed: Of the pairs.
        jobs: Processes.
        preset: Image style.
        pairs_per_shard: Readers take shards of any number.
        cells: Grid side of a terrain; None: as the size needs.
        kind: See `ShardPlan`.
    """
    make_folder(out)
    plan = ShardPlan(seed, size_px, preset, pairs_per_shard, cells, kind)
    counts = [min(plan.pairs, count - done) for done in range(0, count, plan.pairs)]
    tasks = [(out, plan, index, pairs) for index, pairs in enumerate(counts)]
    yield from in_processes(write_shard, tasks, jobs)


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
        raise InputError(f"{folder}: no shards; render some with lunar-calib shards --out {folder}")
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


def _require_same(shard: Path, plan: ShardPlan, index: int, count: int) -> None:
    specs = json.loads((shard / "specs.json").read_text())
    first = PairSpec.from_dict(specs[0])
    if _marks(first) != _marks(plan.spec(index * plan.pairs)) or len(specs) < count:
        raise OutputError(
            f"{shard}: holds {len(specs)} pairs of {first.size_px} px, of another seed, size, "
            "style, kind or count than asked for; remove it or choose another folder"
        )


def _marks(spec: PairSpec) -> tuple[object, ...]:
    """What tells a pair of another plan. Its sun is drawn after all other choices but the noise."""
    return spec.seed, spec.size_px, spec.kind, round(spec.sun_azimuth_deg, 6)
