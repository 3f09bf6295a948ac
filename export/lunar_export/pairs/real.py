"""Real image pairs, where this machine has some."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from lunar_runtime.files.images import read_image
from numpy.typing import NDArray

# Per source, a folder and which of its images make a pair.
_PLACES = (
    ("StereoLunar", "stereolunar/Oblique_baseline_sample/paire1", "im_*.jpg"),
    ("Apollo 15", "apollo15", "AS15-M-029[78]_SML.png"),
)


def real_images() -> list[tuple[str, list[NDArray[np.uint8]]]]:
    """Source and the two images, of any size, of every real pair that is at hand.

    Pairs are looked for under the folder LUNAR_DATA, by default `../shared/data` beside the
    repository.
    """
    beside_repository = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("LUNAR_DATA", beside_repository))
    found = [
        (source, sorted((folder / place).glob(pattern))[:2]) for source, place, pattern in _PLACES
    ]
    return [(source, [read_image(f).pixels for f in files]) for source, files in found if files[1:]]
