"""Between what values each weight tensor of a bundle lies.

A weight of 1e35 is a number like any other to a library. Of the harmful single bits in a network of
7.7 million weights 99 % left a weight outside its tensor's range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.checks import check_file_name
from lunar_runtime.bundles.graph_checks import external_weights
from lunar_runtime.bundles.onnx_file import OnnxFile, read_onnx
from lunar_runtime.errors import BundleError

#: Least and largest value of a tensor.
Range = tuple[float, float]

_FLOATS = ("float16", "float32", "float64")  # an integer weight can be anything its bits can hold

External = Mapping[str, NDArray[np.generic]]


def weight_ranges(graph: OnnxFile, external: External) -> dict[str, Range]:
    """Range of every floating-point weight of a graph, by name.

    Args:
        graph: As read.
        external: Values of the weights that are in other files.

    Raises:
        BundleError: A weight is not finite.
        ValueError: Its bytes do not fit its shape.
    """
    found = {}
    for name, values in _floats(graph, external):
        least, most = float(values.min()), float(values.max())
        if not (math.isfinite(least) and math.isfinite(most)):
            raise BundleError(f"weight {name} holds values that are not finite; train it again")
        found[name] = least, most
    return found


def ranges_in_file(folder: Path, name: str) -> dict[str, Range]:
    """Ranges of a graph in a folder; empty where it is no ONNX file, which loading it refuses.

    Raises:
        BundleError: A weight is not finite.
    """
    try:
        graph = read_onnx((folder / name).read_bytes())
        files = {weight.place.file for weight in graph.weights if weight.place}
        if any(map(check_file_name, files)):
            return {}
        content = {file: (folder / file).read_bytes() for file in files}
        return weight_ranges(graph, external_weights(graph, content))
    except BundleError:
        raise
    except (ValueError, OSError):
        return {}


def range_contradiction(
    graph: OnnxFile, external: External, ranges: Mapping[str, Range]
) -> str | None:
    """What weight is not where its manifest says, in words; None where all are.

    Args:
        graph: As read.
        external: Values of the weights that are in other files.
        ranges: Of the manifest; empty = it has none.

    Raises:
        ValueError: The bytes of a weight do not fit its shape.
    """
    if not ranges:
        return None
    left = dict(ranges)
    for name, values in _floats(graph, external):
        if name not in left:
            return f"the manifest has no range of weight {name}"
        low, high = left.pop(name)
        for value in (float(values.min()), float(values.max())):
            if not low <= value <= high:
                return (
                    f"weight {name} holds {value:.4g}, outside of {low:.4g} to {high:.4g} as the "
                    "manifest says"
                )
    return (
        f"the graph has no weight {min(left)}, of which the manifest says a range" if left else None
    )


def _floats(graph: OnnxFile, external: External) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Floating-point weights with their values, those apart that are lists of numbers."""
    for weight in graph.weights:
        if weight.dtype not in _FLOATS or not math.prod(weight.shape):
            continue
        if weight.name in external:
            yield weight.name, external[weight.name]
        elif weight.values is not None:
            values = np.frombuffer(weight.values, np.dtype(weight.dtype))
            if values.size != math.prod(weight.shape):
                raise ValueError(f"weight {weight.name} has {values.size} values")
            yield weight.name, values
