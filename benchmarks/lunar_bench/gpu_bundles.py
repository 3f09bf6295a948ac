"""Bundles of random weights, and what runs them on a GPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from lunar_runtime import Bundle
from lunar_runtime.backends import Backend, select_backend
from lunar_runtime.engines.libraries import LIBRARIES, LibraryName, import_library
from lunar_runtime.engines.make import EngineRequest, make_engine
from lunar_runtime.errors import BackendError
from numpy.typing import NDArray

PRECISIONS = ("fp32", "fp16", "int8")
SEED = 0

_EXPORT = "from lunar_export.cli import main; main()"


def make_bundle(
    folder: Path, student: str, outputs: str, precision: str, size: int, seconds: float
) -> Bundle:
    """Open the bundle of that name in `folder`; export it first where it is missing.

    Random weights, so its accuracy means nothing and its gate is passed over (`--force`).

    Args:
        folder: Of all bundles.
        student: Family id.
        outputs: `left`, `both` or `all`.
        precision: One of `PRECISIONS`.
        size: Side of the images, pixels.
        seconds: For the export.

    Raises:
        BackendError: The export failed, or took longer.
    """
    path = folder / f"{student}-{outputs}-{size}-{precision}"
    if not path.exists():
        arguments = ["--untrained", student, "--seed", str(SEED), "--outputs", outputs]
        arguments += ["--size", str(size), "--precision", precision, "--out", str(path)]
        arguments += ["--engine", "never"]
        if precision != "fp32":
            arguments += ["--target", "tensorrt", "--force"]
        if precision == "int8":  # of random weights no method is better than another
            arguments += ["--calib-method", "minmax"]
        command = [sys.executable, "-c", _EXPORT, *arguments]
        try:
            process = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise BackendError(f"the export took over {seconds:.0f} s") from error
        if process.returncode:
            lines = process.stderr.strip().splitlines() or ["no reason given"]
            raise BackendError(f"the export failed: {lines[-1]}")
    return Bundle.open(path)


def bundle_backends(device: str) -> dict[str, Callable[[Bundle], Backend]]:
    """Name -> what loads a bundle: ONNX Runtime, and every TensorRT, installed or not."""
    loaders: dict[str, Callable[[Bundle], Backend]] = {
        "onnxruntime": lambda bundle: select_backend(bundle, "onnxruntime", device)
    }
    if device == "cuda":
        for name in LIBRARIES:
            loaders[name] = partial(_engine, name)
    return loaders


def _engine(name: LibraryName, bundle: Bundle) -> Backend:
    library = import_library(name)
    make_engine(bundle, library, EngineRequest(), overwrite=True)
    return select_backend(bundle, name)


def random_pair(size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two (1, 1, size, size) images; time does not depend on what is in them."""
    rng = np.random.default_rng(SEED)
    left, right = (rng.integers(0, 256, (1, 1, size, size), dtype=np.uint8) for _ in range(2))
    return left, right
