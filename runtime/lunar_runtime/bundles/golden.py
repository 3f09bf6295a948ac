"""The pair that a bundle carries to check a machine with."""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import GoldenRecord, GraphRecord
from lunar_runtime.errors import BundleError

# What zipfile and NumPy's reader raise on bytes that are none of theirs.
_DAMAGED = (
    ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, SyntaxError, TypeError,
    tokenize.TokenError, OverflowError, struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip


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


def read_golden(content: bytes, path: Path, record: GoldenRecord, graph: GraphRecord) -> GoldenPair:
    """Read the golden pair of a bundle.

    Args:
        content: Of the file, as `GoldenRecord` describes it.
        path: Named in errors.
        record: What the manifest says of it.
        graph: The size of the images and the shapes of the outputs.

    Raises:
        BundleError: The file does not hold what the manifest says.
    """
    start, step = record.step // 2, record.step
    rows, columns = len(range(start, graph.height, step)), len(range(start, graph.width, step))
    shapes = {o.name: (1, rows, columns, *o.shape[3:]) for o in graph.outputs}
    size = (graph.height, graph.width)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            left, right = (
                _array(archive, name, np.dtype(np.uint8), size) for name in ("left", "right")
            )
            outputs = {
                name: _array(archive, name, np.dtype(np.float32), shapes[name])
                for name in record.tolerances
            }
    except _DAMAGED as error:
        raise BundleError(
            f"{path}: not a golden pair ({error}); re-create the bundle with lunar-export"
        ) from error
    return GoldenPair(left, right, outputs, step, dict(record.tolerances))


def _array(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """An array of a known type and shape; what is larger is not unpacked."""
    with archive.open(f"{name}.npy") as stream:
        version = npy.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"{name} is in version {version} of its format")
        found, fortran, kind = npy.read_array_header_1_0(stream)
        if fortran or (found, kind) != (shape, dtype):
            raise ValueError(f"{name} is {kind} {found} instead of {dtype} {shape}")
        values = stream.read(int(np.prod(shape)) * dtype.itemsize)
    array: NDArray[Any] = np.frombuffer(values, dtype).reshape(shape).copy()
    return array
