"""The pair that a bundle carries to check a machine with."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import GoldenRecord
from lunar_runtime.errors import BundleError


@dataclass(frozen=True)
class GoldenPair:
    """A pair and the outputs that it must give.

    Attributes:
        left: (H, W) uint8.
        right: (H, W) uint8.
        outputs: Per output name, float32 (1, h, w[, C]): every `step`-th row and column.
        step: Rows and columns from one stored value to the next; the first is at `step // 2`.
        tolerances: Per output, the largest mean relative error allowed.
    """

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    outputs: dict[str, NDArray[np.float32]]
    step: int
    tolerances: dict[str, float]


def read_golden(path: Path, record: GoldenRecord, size: tuple[int, int]) -> GoldenPair:
    """Read the golden pair of a bundle.

    Args:
        path: The file, as `GoldenRecord` describes it.
        record: What the manifest says of it.
        size: Height and width of the network's images.

    Raises:
        BundleError: The file does not hold what the manifest says.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        outputs = {name: arrays[name] for name in record.tolerances}
        left, right = arrays["left"], arrays["right"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path}: not a golden pair ({error}); re-create the bundle with lunar-export"
        ) from error
    if any(image.shape != size or image.dtype != np.uint8 for image in (left, right)):
        raise BundleError(
            f"{path}: images are not uint8 {size}; re-create the bundle with lunar-export"
        )
    return GoldenPair(left, right, outputs, record.step, dict(record.tolerances))
