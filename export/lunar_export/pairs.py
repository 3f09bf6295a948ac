"""The image pairs that a graph is compared with its network on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_calib.calibration_manifest import FIRST_EVALUATION_SEED
from lunar_calib.geometry import sample_spec
from lunar_calib.renderer import render_pair
from lunar_calib.spec import GeometryKind
from lunar_runtime.images import read_image
from lunar_runtime.preprocess import prepare
from numpy.typing import NDArray

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
    """

    source: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]


def evaluation_pairs(height: int, width: int) -> list[EvaluationPair]:
    """One rendered pair of each geometry, then the real ones that are at hand."""
    return rendered_pairs(height, width) + real_pairs(height, width)


def rendered_pairs(height: int, width: int) -> list[EvaluationPair]:
    """One pair a geometry; always the same."""
    pairs = []
    for seed, kind in enumerate(GeometryKind, FIRST_EVALUATION_SEED):
        rendered = render_pair(sample_spec(seed, max(height, width), kind=kind))
        images = (rendered.left.image, rendered.right.image)
        left, right = (prepare(image, height, width)[0] for image in images)
        pairs.append(EvaluationPair(f"rendered {kind.value}", left, right))
    return pairs


def real_pairs(height: int, width: int) -> list[EvaluationPair]:
    """Those of `REAL_PAIRS` that exist under LUNAR_DATA, by default ../shared/data."""
    beside_repository = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("LUNAR_DATA", beside_repository))
    pairs = []
    for source, place, pattern in REAL_PAIRS:
        files = sorted((folder / place).glob(pattern))[:2]
        if len(files) == 2:
            left, right = (prepare(read_image(f).pixels, height, width)[0] for f in files)
            pairs.append(EvaluationPair(source, left, right))
    return pairs
