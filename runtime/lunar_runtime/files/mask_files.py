"""Masks beside images: not 0 where the image may be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.decode_file import decode_file
from lunar_runtime.files.grey_image import MaskSource


class GivenMask(NamedTuple):
    """A mask and where it came from.

    Attributes:
        usable: (h, w) bool.
        source: For the report.
    """

    usable: NDArray[np.bool_]
    source: MaskSource


def read_mask(mask: Path | str | NDArray[Any]) -> GivenMask:
    """Read a mask: a grey or colour image file, or a (h, w) array.

    A pixel may be used where any colour is not 0 and alpha, if there is one, is not 0 either.

    Raises:
        InputError: It cannot be read, is no (h, w) array, or is 0 everywhere.
    """
    if isinstance(mask, np.ndarray):
        if mask.ndim != 2:
            raise InputError(f"mask array: shape {mask.shape}; need (h, w), not 0 = usable")
        given = GivenMask(_not_zero(np.ma.filled(mask, 0)), MaskSource("array", None))
    else:
        decoded = decode_file(Path(mask))
        usable = _not_zero(decoded.values)
        if usable.ndim == 3:
            usable = np.asarray(usable.any(axis=2))
        if decoded.valid is not None:
            usable &= decoded.valid
        given = GivenMask(usable, MaskSource(str(mask), decoded.sha256))
    if not given.usable.any():
        raise InputError(
            f"{given.source.name}: the mask is 0 everywhere, so nothing may be used; give one that "
            "is not 0 where the image shows ground"
        )
    return given


def _not_zero(values: NDArray[Any]) -> NDArray[np.bool_]:
    filled = np.nan_to_num(values) if values.dtype.kind == "f" else values  # NaN is no yes
    return np.asarray(filled != 0, np.bool_)
