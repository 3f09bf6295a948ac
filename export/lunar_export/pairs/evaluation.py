"""The image pairs that a graph is compared with its network on. None of them calibrates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from lunar_calib.choices import ORBITAL_KINDS
from lunar_calib.render.renderer import render_pair
from lunar_calib.sets.calibration_manifest import FIRST_EVALUATION_SEED
from lunar_calib.specs.pair_sampling import sample_spec
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, cropped
from lunar_runtime.geometry.network_frame import prepare
from numpy.typing import NDArray

from lunar_export.pairs.real import real_images

# Of the pairs that methods and layers are chosen on; the gate judges what was chosen on others.
TUNING_SEED = FIRST_EVALUATION_SEED + 1000

_KINDS = ORBITAL_KINDS


@dataclass(frozen=True)
class EvaluationPair:
    """A pair as the network sees it.

    Attributes:
        source: Where it is from, in words.
        left: (H, W) uint8.
        right: (H, W) uint8.
        depth: (H, W) true Z-depth of the left view, metres, NaN = unknown; None of real pairs.
        camera: The left camera, pixels of this grid; None of real pairs.
    """

    source: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    depth: NDArray[np.float32] | None = None
    camera: Intrinsics | None = None


def evaluation_pairs(height: int, width: int, per_kind: int) -> list[EvaluationPair]:
    """So many rendered pairs of each geometry, then the real ones that are at hand."""
    real = [
        EvaluationPair(source, prepare(left, height, width)[0], prepare(right, height, width)[0])
        for source, (left, right) in real_images()
    ]
    return rendered_pairs(height, width, per_kind * len(_KINDS)) + real


def tuning_pairs(height: int, width: int, per_kind: int) -> list[EvaluationPair]:
    """What a lower precision's choices are made on: so many rendered pairs of each geometry."""
    return rendered_pairs(height, width, per_kind * len(_KINDS), TUNING_SEED)


def rendered_pairs(
    height: int, width: int, count: int, seed: int = FIRST_EVALUATION_SEED
) -> list[EvaluationPair]:
    """So many pairs, the geometries in turn, with their depth; always the same."""
    pairs = []
    for number in range(count):
        kind = _KINDS[number % len(_KINDS)]
        rendered = render_pair(sample_spec(seed + number, max(height, width), kind=kind))
        left, mapping = cropped(rendered.left.image, height, width)
        right, _ = cropped(rendered.right.image, height, width)
        camera = mapping.to_grid(Intrinsics.from_matrix(rendered.left.intrinsics))
        depth = _crop(rendered.left.depth_m, mapping)
        pairs.append(EvaluationPair(f"rendered {kind.value}", left, right, depth, camera))
    return pairs


def describe(pairs: Sequence[EvaluationPair]) -> str:
    """Where pairs are from, in words: `4 rendered nadir, Apollo 15`."""
    counts = Counter(pair.source for pair in pairs)
    return ", ".join(f"{n} {source}" if n > 1 else source for source, n in counts.items())


def _crop(depth: NDArray[np.float32], mapping: GridMapping) -> NDArray[np.float32]:
    # Rendered as large as the longer side: the other one is cropped, and nothing is resized.
    top, left = mapping.crop_y, mapping.crop_x
    return depth[top : top + mapping.grid_height, left : left + mapping.grid_width]
