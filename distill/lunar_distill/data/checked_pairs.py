"""Training data from folders, every pair of it looked at before the first step.

A folder holds shards of `lunar-calib shards` or frames in StereoLunar's layout. What is
wrong with any pair is found at the start, not after hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_calib.datasets.shards import find_shards
from lunar_calib.datasets.stereolunar_frames import read_pair
from lunar_calib.datasets.stereolunar_scenes import find_whole_scenes
from lunar_runtime.errors import InputError

from lunar_distill.data.frame_pairs import FramePairs
from lunar_distill.data.shard_pairs import SIDES, OpenShard, ShardPairs
from lunar_distill.data.training_pairs import JoinedPairs, TrainingPairs

NAMED = 8  # offenders that an error names
OFF_CENTRE = 0.02  # of the width: a principal point further off is not "the image centre"


@dataclass(frozen=True)
class Checked:
    """Usable pairs.

    Attributes:
        pairs: All of them.
        offenders: One line each for those that are not among them.
    """

    pairs: TrainingPairs
    offenders: tuple[str, ...]


def open_data(folders: Sequence[Path], size_px: int, *, skip_bad: bool = False) -> Checked:
    """Every pair in these folders.

    Args:
        folders: Shards, or scenes at any depth.
        size_px: Side that the pairs are brought to.
        skip_bad: Leave out what is damaged instead of refusing.

    Raises:
        InputError: A folder holds nothing; or some pair is damaged and `skip_bad` is not set: the
            error names the first of them. Or nothing is left.
    """
    parts: list[TrainingPairs] = []
    offenders: list[str] = []
    for folder in folders:
        read = _shard_pairs if any(folder.glob("shard_*")) else _frame_pairs
        checked = read(folder, size_px)
        parts.append(checked.pairs)
        offenders += checked.offenders
    if offenders and not skip_bad:
        more = f"; and {len(offenders) - NAMED} more" if len(offenders) > NAMED else ""
        raise InputError(
            f"{len(offenders)} unusable: {'; '.join(offenders[:NAMED])}{more}. Repair or remove "
            "them, or leave them out with skip_bad"
        )
    parts = [part for part in parts if len(part)]
    if not parts:
        raise InputError(f"{', '.join(map(str, folders))}: no usable pair")
    return Checked(parts[0] if len(parts) == 1 else JoinedPairs(parts), tuple(offenders))


def _shard_pairs(folder: Path, size_px: int) -> Checked:
    shards: list[OpenShard] = []
    offenders: list[str] = []
    for path in find_shards(folder):
        try:
            shards.append(OpenShard.open(path))
        except InputError as error:
            offenders.append(str(error))
    good = []
    for number, shard in enumerate(shards):
        for row in range(len(shard)):
            problem = next(_row_problems(shard, row), None)
            if problem is None:
                good.append((number, row))
            else:
                offenders.append(f"{shard.folder} pair {row}: {problem}")
    return Checked(ShardPairs(shards, size_px, good), tuple(offenders))


def _row_problems(shard: OpenShard, row: int) -> Iterator[str]:
    for name in ("right_from_left", "intrinsics"):
        if not np.isfinite(shard.arrays[name][row].astype(np.float64)).all():
            yield f"{name} is not finite"
    for side in SIDES:
        if not np.isfinite(shard.arrays[f"{side}_depth"][row].astype(np.float64)).any():
            yield f"no {side} depth"


def _frame_pairs(folder: Path, size_px: int) -> Checked:
    scenes, alone = find_whole_scenes(folder)
    stems = [pair for scene in scenes for pair in scene.pairs]
    with ThreadPoolExecutor() as pool:
        problems = list(pool.map(_frame_problem, stems))
    good = [pair for pair, problem in zip(stems, problems, strict=True) if problem is None]
    offenders = (*alone, *(problem for problem in problems if problem is not None))
    return Checked(FramePairs(good, size_px), offenders)


def _frame_problem(stems: tuple[Path, Path]) -> str | None:
    try:
        pair = read_pair(*stems)
    except InputError as error:
        return str(error)
    for stem, view in zip(stems, (pair.left, pair.right), strict=True):
        if not np.isfinite(view.depth_m).any():
            return f"{stem}: no depth, neither depth_m in its .npz nor an .exr"
        height, width = view.image.shape
        off = view.intrinsics[:2, 2] - (width / 2, height / 2)
        if np.abs(off).max() > OFF_CENTRE * width:
            return f"{stem}: its principal point is not the image centre; crop the image to it"
    if not np.isclose(pair.left.intrinsics[0, 0], pair.right.intrinsics[0, 0], rtol=1e-3):
        return f"{stems[0]}: its two cameras have different focal lengths"
    return None
