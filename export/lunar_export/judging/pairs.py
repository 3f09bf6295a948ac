"""The image pairs that a graph is compared with its network on. None of them calibrates."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_calib.choices import GeometryKind
from lunar_calib.render.renderer import render_pair
from lunar_calib.sets.calibration_manifest import FIRST_EVALUATION_SEED
from lunar_calib.specs.pair_sampling import sample_spec
from lunar_runtime.files.images import read_image
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, prepare
from numpy.typing import NDArray

# Of the pairs that methods and layers are chosen on; the gate judges what was chosen on others.
TUNING_SEED = FIRST_EVALUATION_SEED + 1000

PARITY_PER_KIND, GATE_PER_KIND, TUNING_PER_KIND = 1, 4, 1
_KINDS = len(GeometryKind)

# Real data, where there is some: per source, a folder and which of its images make a pair.
REAL_PAIRS = (
    ("StereoLunar", "stereolunar/Oblique_baseline_sample/paire1", "im_*.jpg"),
    ("Apollo 15", "apollo15", "AS15-M-029[78]_SML.png"),
)


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


def evaluation_pairs(height: int, width: int) -> list[EvaluationPair]:
    """One rendered pair of each geometry, then the real ones that are at hand."""
    return rendered_pairs(height, width, PARITY_PER_KIND * _KINDS) + real_pairs(height, width)


def gate_pairs(height: int, width: int) -> list[EvaluationPair]:
    """What a lower precision is judged on: more rendered pairs, `evaluation_pairs` among them."""
    return rendered_pairs(height, width, GATE_PER_KIND * _KINDS) + real_pairs(height, width)


def tuning_pairs(height: int, width: int) -> list[EvaluationPair]:
    """What a lower precision's choices are made on."""
    return rendered_pairs(height, width, TUNING_PER_KIND * _KINDS, TUNING_SEED)


def rendered_pairs(
    height: int, width: int, count: int, seed: int = FIRST_EVALUATION_SEED
) -> list[EvaluationPair]:
    """So many pairs, the geometries in turn, with their depth; always the same."""
    pairs = []
    kinds = list(GeometryKind)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        rendered = render_pair(sample_spec(seed + number, max(height, width), kind=kind))
        left, mapping = prepare(rendered.left.image, height, width)
        right, _ = prepare(rendered.right.image, height, width)
        camera = mapping.to_grid(Intrinsics.from_matrix(rendered.left.intrinsics))
        depth = _crop(rendered.left.depth_m, mapping)
        pairs.append(EvaluationPair(f"rendered {kind.value}", left, right, depth, camera))
    return pairs


def describe(pairs: Sequence[EvaluationPair]) -> str:
    """Where pairs are from, in words: `4 rendered nadir, Apollo 15`."""
    counts = Counter(pair.source for pair in pairs)
    return ", ".join(f"{n} {source}" if n > 1 else source for source, n in counts.items())


def real_pairs(height: int, width: int) -> list[EvaluationPair]:
    """Those of `REAL_PAIRS` that exist under LUNAR_DATA, by default ../shared/data."""
    pairs = []
    for source, images in real_originals():
        left, right = (prepare(image, height, width)[0] for image in images)
        pairs.append(EvaluationPair(source, left, right))
    return pairs


def real_originals() -> list[tuple[str, list[NDArray[np.uint8]]]]:
    """Source and the two images, of any size, of every real pair that is at hand."""
    beside_repository = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("LUNAR_DATA", beside_repository))
    found = [
        (source, sorted((folder / place).glob(pattern))[:2])
        for source, place, pattern in REAL_PAIRS
    ]
    return [(source, [read_image(f).pixels for f in files]) for source, files in found if files[1:]]


def _crop(depth: NDArray[np.float32], mapping: GridMapping) -> NDArray[np.float32]:
    # Rendered as large as the longer side: the other one is cropped, and nothing is resized.
    top, left = mapping.crop_y, mapping.crop_x
    return depth[top : top + mapping.grid_height, left : left + mapping.grid_width]
