"""A calibration source of one's own, as docs/extending/calibration-source.md shows it."""

from __future__ import annotations

# begin source
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from lunar_calib.sets.candidates import CandidatePair, CandidateSource
from lunar_runtime.files.images import GreyImage, grey_from_array


def from_archive(path: Path, licence: str) -> CandidateSource:
    """Pairs of an .npz with the arrays `left` and `right`, (N, H, W) uint8."""
    count = len(np.load(path)["left"])

    def image(side: str, number: int) -> GreyImage:
        return grey_from_array(np.load(path)[side][number], f"{path.name} {side} {number}")

    def candidates() -> Iterator[CandidatePair]:
        for number in range(count):
            yield CandidatePair(
                scene=str(number),
                left=partial(image, "left", number),
                right=partial(image, "right", number),
                altitude_m=None,  # not known of these
            )

    return CandidateSource("images", count, candidates, licence)


# end source


def make(archive: Path, out: Path) -> int:
    """Make a set of it; the number of its pairs."""
    # begin use
    from lunar_calib.sets.make_set import make_set

    made = make_set(out, [from_archive(archive, "CC BY 4.0")], count=2)
    # end use
    return len(made.manifest.pairs)
