"""The pairs that ranges are measured on: a calibration set, or rendered terrain."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_calib.sets.calibration_set import CalibrationPair, CalibrationSet
from lunar_calib.sets.make_set import make_default_set
from lunar_runtime.errors import InputError
from lunar_runtime.files.work_folder import work_folder
from numpy.typing import NDArray

from lunar_export.pairs.evaluation import EvaluationPair
from lunar_export.pairs.real import real_images

FEWEST_PAIRS = 2


@dataclass(frozen=True)
class Calibration:
    """Pairs in memory, as few as they are (32 of 512×512: 17 MB).

    Attributes:
        pairs: At least two.
        digest: SHA-256, of the set or of the rendered images.
        source: In words.
    """

    pairs: tuple[CalibrationPair, ...]
    digest: str
    source: str


def render_calibration(height: int, width: int, count: int) -> Calibration:
    """What `lunar-calib make` makes of so many pairs, at the network's size; always the same.

    Args:
        height: Of the network's input.
        width: Of the network's input.
        count: Pairs.
    """
    with work_folder("lunar-export") as folder:
        made = make_default_set(folder / "set", max(height, width), count=count)
        pairs = tuple(made.pairs(height, width))
    return Calibration(pairs, made.digest, f"{len(pairs)} rendered pairs")


def open_calibration(path: Path, height: int, width: int) -> Calibration:
    """Read a calibration set, verified, at the network's size.

    Raises:
        InputError: It is damaged, foreign or not there.
    """
    found = CalibrationSet.open(path)
    for source, images in real_images():
        if any(found.holds(image) for image in images):
            raise InputError(
                f"`calib` {path}: holds an image of the gate's {source} pair, and the gate may "
                "only see what calibrated nothing; make the set without it"
            )
    pairs = tuple(found.pairs(height, width))
    return Calibration(pairs, found.digest, f"{len(pairs)} pairs of {path.name}")


def check_calibration(pairs: Sequence[CalibrationPair], held_out: Sequence[EvaluationPair]) -> None:
    """Refuse pairs that no range can be measured on, or that the gate measures with.

    Args:
        pairs: The calibration set.
        held_out: The gate's pairs.

    Raises:
        InputError: What is wrong, with the pair's name.
    """
    if len(pairs) < FEWEST_PAIRS:
        raise InputError(
            f"`calib`: {len(pairs)} pair in the set, {FEWEST_PAIRS} at least are needed (some tens "
            "are good); add pairs with lunar-calib"
        )
    gate = {_digest(pair.left, pair.right): pair.source for pair in held_out}
    for pair in pairs:
        for side, image in (("left", pair.left), ("right", pair.right)):
            if image.min() == image.max():
                raise InputError(
                    f"`calib`: {pair.name}: the {side} image is all {int(image.min())}; a constant "
                    "image has no ranges to measure, leave the pair out"
                )
        twin = gate.get(_digest(pair.left, pair.right))
        if twin is not None:
            raise InputError(
                f"`calib`: {pair.name} is a pair of the gate ({twin}), which may only see pairs "
                "that calibrated nothing; leave the pair out"
            )


def _digest(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(left.tobytes() + right.tobytes()).digest()
