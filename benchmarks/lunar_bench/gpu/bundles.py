"""Bundles of random weights, and what runs them on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from lunar_runtime import Bundle
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.tensorrt.libraries import LIBRARIES, LibraryName, import_library
from lunar_runtime.bundles.choices import OutputSet, Precision
from lunar_runtime.engine_tool.make import EngineRequest, make_engines
from lunar_runtime.errors import BackendError, LunarError
from numpy.typing import NDArray

SEED = 0
#: One export may take so long, and is not begun with less time left than that.
EXPORT_SECONDS, LEAST_SECONDS = 90.0, 30.0

#: (student, outputs, precision) -> the bundle, or why there is none.
Bundles = dict[tuple[str, OutputSet, Precision], "Bundle | str"]
#: Loads a bundle until a moment of `time.monotonic`.
Loader = Callable[[Bundle, float], Backend]

_EXPORT = "from lunar_export.commands.export import main; main()"


def make_bundles(
    folder: Path,
    cases: Sequence[tuple[str, OutputSet]],
    precisions: Iterable[Precision],
    size: int,
    seconds: float,
    tell: Callable[[str], None],
    export_seconds: float = EXPORT_SECONDS,
) -> Bundles:
    """Open every bundle, or export it, once: one precision of all networks, then the next.

    Args:
        folder: Of all bundles.
        cases: (student, outputs), the most wanted first.
        precisions: Likewise.
        size: Side of the images, pixels.
        seconds: For all exports together.
        tell: Told of every export.
        export_seconds: For one of them, at most.
    """
    deadline = time.monotonic() + seconds
    made: Bundles = {}
    for precision in precisions:
        for student, outputs in cases:
            path = bundle_path(folder, student, outputs, precision, size)
            left = deadline - time.monotonic()
            if not path.exists() and left < LEAST_SECONDS:
                made[student, outputs, precision] = f"no time was left to export {path}"
                continue
            if not path.exists():
                tell(f"exporting {path.name}")
            try:
                bundle = make_bundle(
                    path, student, outputs, precision, size, min(left, export_seconds)
                )
            except LunarError as error:
                made[student, outputs, precision] = str(error)
            else:
                made[student, outputs, precision] = bundle
    return made


def bundle_path(
    folder: Path, student: str, outputs: OutputSet, precision: Precision, size: int
) -> Path:
    """Where a bundle is looked for."""
    return folder / f"{student}-{outputs}-{size}-{precision}"


def make_bundle(
    path: Path,
    student: str,
    outputs: OutputSet,
    precision: Precision,
    size: int,
    seconds: float,
) -> Bundle:
    """Open a bundle; export it first where it is missing.

    Args:
        path: Of the bundle.
        student: Family id.
        outputs: `left`, `both` or `all`.
        precision: Lower ones are made for TensorRT.
        size: Side of the images, pixels.
        seconds: For the export.

    Raises:
        BackendError: The export failed, or took longer.
        BundleError: What is there is no bundle.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # What an export that is killed leaves behind goes with this folder.
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as scratch:
            made = Path(scratch, "bundle")
            arguments = export_arguments(student, outputs, precision, size, made)
            _run_export(arguments, seconds, scratch)
            made.rename(path)
    return Bundle.open(path)


def export_arguments(
    student: str, outputs: OutputSet, precision: Precision, size: int, out: Path
) -> list[str]:
    """Of lunar-export. Random weights have no accuracy, so a lower precision is forced."""
    arguments = ["--untrained", student, "--seed", str(SEED), "--outputs", outputs]
    arguments += ["--size", str(size), "--precision", precision, "--engine", "never"]
    if precision != "fp32":
        arguments += ["--target", "tensorrt", "--force"]
    if precision == "int8":  # of random weights no method is better than another
        arguments += ["--calib-method", "minmax"]
    return [*arguments, "--out", str(out)]


def _run_export(arguments: list[str], seconds: float, scratch: str) -> None:
    command = [sys.executable, "-c", _EXPORT, *arguments]
    environment = {**os.environ, "TMPDIR": scratch}
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"the export took over {seconds:.0f} s") from error
    if process.returncode < 0:
        raise BackendError(
            f"the export was ended by signal {-process.returncode}; 9 is what Linux sends where "
            "memory runs out"
        )
    if process.returncode:
        lines = process.stderr.strip().splitlines() or ["no reason given"]
        raise BackendError(f"the export failed: {lines[-1]}")


def bundle_loaders(device: str) -> dict[str, Loader]:
    """Name -> what loads a bundle until a time: ONNX Runtime, every TensorRT, installed or not."""
    loaders: dict[str, Loader] = {
        "onnxruntime": lambda bundle, _: select_backend(bundle, "onnxruntime", device)
    }
    if device == "cuda":
        for name in LIBRARIES:
            loaders[name] = partial(load_engine, name)
    return loaders


def load_engine(name: LibraryName, bundle: Bundle, deadline: float) -> Backend:
    """Build a bundle's engine and load it.

    Args:
        name: Of the library.
        bundle: Whose engine; one that is there is replaced.
        deadline: Of `time.monotonic`: a build that goes on longer is broken off.

    Raises:
        LunarError: See `make_engines`; or it was broken off.
    """
    library = import_library(name)
    progress = _Deadline(deadline)
    begin = time.monotonic()
    try:
        make_engines(bundle, library, EngineRequest(), overwrite=True, progress=progress)
    except KeyboardInterrupt:
        if not progress.passed:
            raise
        taken = time.monotonic() - begin
        raise BackendError(f"out of time: its build was broken off after {taken:.0f} s") from None
    return select_backend(bundle, name)


class _Deadline:
    """Listens to a build and gives it up when the time is over; see `BuildProgress`."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.passed = False

    def begin(self, phase: str, parent: str | None, steps: int) -> None:
        """Ignore it."""

    def step(self, phase: str, step: int) -> None:
        """Ignore it."""

    def end(self, phase: str) -> None:
        """Ignore it."""

    @property
    def cancelled(self) -> bool:
        """Whether the time is over."""
        self.passed = self.passed or time.monotonic() > self.deadline
        return self.passed


def random_pair(size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two (1, 1, size, size) images; time does not depend on what is in them."""
    rng = np.random.default_rng(SEED)
    left, right = (rng.integers(0, 256, (1, 1, size, size), dtype=np.uint8) for _ in range(2))
    return left, right
