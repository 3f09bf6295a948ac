"""The pairs that ranges are measured on: a calibration set, or rendered terrain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_calib.calibration_set import CalibrationPair, CalibrationSet, content_digest
from lunar_calib.geometry import sample_spec
from lunar_calib.renderer import render_pair
from lunar_runtime.errors import InputError
from lunar_runtime.preprocess import prepare
from numpy.typing import NDArray

from lunar_export.pairs import EvaluationPair, real_originals

DEFAULT_COUNT = 24
FEWEST = 2


@dataclass(frozen=True)
class Calibration:
    """Pairs in memory, as few as they are (24 of 512×512: 13 MB).

    Attributes:
        pairs: At least two.
        digest: SHA-256, of the set or of the rendered images.
        source: In words.
    """

    pairs: tuple[CalibrationPair, ...]
    digest: str
    source: str


def default_calibration(height: int, width: int, count: int | None = None) -> Calibration:
    """Rendered pairs, `DEFAULT_COUNT` unless told otherwise; always the same."""
    count = DEFAULT_COUNT if count is None else count
    pairs = tuple(_rendered(height, width, count))
    return Calibration(pairs, content_digest(pairs), f"{count} rendered pairs")


def open_calibration(path: Path, height: int, width: int) -> Calibration:
    """Read a calibration set, verified, at the network's size.

    Raises:
        InputError: It is damaged, foreign or not there.
    """
    found = CalibrationSet.open(path)
    for source, images in real_originals():
        if any(found.holds(image) for image in images):
            raise InputError(
                f"--calib {path}: holds an image of the gate's {source} pair, and the gate may "
                "only see what calibrated nothing; make the set without it"
            )
    pairs = tuple(found.pairs(height, width))
    return Calibration(pairs, found.digest, f"{len(pairs)} pairs of {path.name}")


def _rendered(height: int, width: int, count: int) -> Iterator[CalibrationPair]:
    for seed in range(count):
        rendered = render_pair(sample_spec(seed, max(height, width)))
        left, right = (
            prepare(view.image, height, width)[0] for view in (rendered.left, rendered.right)
        )
        yield CalibrationPair(f"rendered {seed}", left, right)


def check_calibration(pairs: Sequence[CalibrationPair], held_out: Sequence[EvaluationPair]) -> None:
    """Refuse pairs that no range can be measured on, or that the gate measures with.

    Args:
        pairs: The calibration set.
        held_out: The gate's pairs.

    Raises:
        InputError: What is wrong, with the pair's name.
    """
    if len(pairs) < FEWEST:
        raise InputError(
            f"--calib: {len(pairs)} pair in the set, {FEWEST} at least are needed (some tens are "
            "good); add pairs with lunar-calib"
        )
    gate = {_digest(pair.left, pair.right): pair.source for pair in held_out}
    for pair in pairs:
        for side, image in (("left", pair.left), ("right", pair.right)):
            if image.min() == image.max():
                raise InputError(
                    f"--calib: {pair.name}: the {side} image is all {int(image.min())}; a constant "
                    "image has no ranges to measure, leave the pair out"
                )
        twin = gate.get(_digest(pair.left, pair.right))
        if twin is not None:
            raise InputError(
                f"--calib: {pair.name} is a pair of the gate ({twin}), which may only see pairs "
                "that calibrated nothing; leave the pair out"
            )


def _digest(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(left.tobytes() + right.tobytes()).digest()
