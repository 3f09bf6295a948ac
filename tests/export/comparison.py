"""A student and its graph, run on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from export.small_graphs import Array
from lunar_export.graph.pair_graph import normalise
from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet
from lunar_student import Student
from numpy.typing import NDArray


def grey(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (1, 1, height, width), np.uint8)


def run(path: Path, left: Array, right: Array) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"left": left, "right": right}), strict=True))


def expected(student: Student, left: Array, right: Array, outputs: OutputSet) -> dict[str, Array]:
    with torch.inference_mode():
        given = student(
            normalise(torch.from_numpy(left)), normalise(torch.from_numpy(right)), outputs
        )
    return {name: getattr(given, name).numpy() for name in OUTPUT_NAMES[outputs]}


def assert_equal(got: Mapping[str, Array], want: Mapping[str, Array]) -> None:
    assert list(got) == list(want)
    for name, value in want.items():
        # Float32 in another order of summation: FP32_TOLERANCE of the output's scale.
        scale = np.abs(value).mean()
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-4 * scale, err_msg=name)
