"""Bundles of one network against each other and against eager PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from lunar_runtime import Bundle
from lunar_runtime.backends import select_backend
from lunar_runtime.errors import BundleError, UsageError
from lunar_runtime.manifest import StudentRecord
from numpy.typing import NDArray

from lunar_bench.machine import Machine, describe_machine
from lunar_bench.timing import Timing, interleave, ratio

if TYPE_CHECKING:
    from lunar_student import Student


class Candidate(msgspec.Struct, frozen=True):
    """One bundle of several.

    Attributes:
        precision: Of its graph.
        target: What the graph was made for.
        model_mb: Size of the graph with its weights.
        over_eager: Median over rounds of the ratio of its time to eager PyTorch's.
        over_first: The same to the first bundle's.
        difference: From the first bundle's outputs, mean magnitude over mean magnitude, by output.
    """

    precision: str
    target: str
    model_mb: float
    over_eager: float
    over_first: float
    difference: dict[str, float]


class Comparison(msgspec.Struct, frozen=True):
    """One interleaved run.

    Attributes:
        student: Family id.
        size: Height and width of the images.
        threads: CPU threads of each candidate.
        outputs: What the bundles compute; eager PyTorch computes all of it, as a researcher would.
        times: By name: `eager` and every bundle's folder.
        bundles: By folder.
        instructions: Of the processor, those that integer products are faster with.
        machine: Where.
    """

    student: str
    size: tuple[int, int]
    threads: int
    outputs: str
    times: dict[str, Timing]
    bundles: dict[str, Candidate]
    instructions: list[str]
    machine: Machine


def compare_with_eager(paths: Sequence[Path], rounds: int, threads: int) -> Comparison:
    """Time the networks alone: images in memory to outputs in memory.

    The eager network has random weights of the bundles' student: time does not depend on them.

    Args:
        paths: Bundles of one member of the family, of one size.
        rounds: Timed rounds.
        threads: CPU threads of each.

    Raises:
        BundleError: See `Bundle.open`; or its network is none that this package can build.
        UsageError: Two bundles have one name, or are of different networks or sizes.
    """
    import torch

    machine = describe_machine()
    torch.set_num_threads(threads)
    bundles = {path.name: Bundle.open(path) for path in paths}
    first = next(iter(bundles.values()))
    graph = first.manifest.graph
    _check_alike(paths, bundles)
    student = eager_student(first.manifest.student)
    backends = {
        name: select_backend(bundle, "onnxruntime", "cpu", threads)
        for name, bundle in bundles.items()
    }
    left, right = _golden_pair(first)

    def eager() -> None:
        with torch.inference_mode():
            student(_normalised(left), _normalised(right))

    def _normalised(image: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(image).expand(-1, 3, -1, -1) / 127.5 - 1.0

    runs = {name: partial(backend.run, left, right) for name, backend in backends.items()}
    outputs = {name: run() for name, run in runs.items()}
    times = interleave({"eager": eager, **runs}, rounds)
    reference = next(iter(outputs.values()))
    return Comparison(
        student=first.manifest.student.id,
        size=(graph.height, graph.width),
        threads=threads,
        outputs=graph.output_set,
        times=times,
        bundles={
            name: Candidate(
                precision=bundle.manifest.precision,
                target=bundle.manifest.target,
                model_mb=round(bundle.model_path.stat().st_size / 1e6, 2),
                over_eager=round(ratio(times, name, "eager"), 4),
                over_first=round(ratio(times, name, paths[0].name), 4),
                difference=_difference(outputs[name], reference),
            )
            for name, bundle in bundles.items()
        },
        instructions=_instructions(),
        machine=machine,
    )


def _check_alike(paths: Sequence[Path], bundles: Mapping[str, Bundle]) -> None:
    if len(bundles) < len(paths):
        raise UsageError("two of the bundles' folders have one name; rename one")
    kinds = {
        (bundle.manifest.student.id, graph.output_set, graph.height, graph.width)
        for bundle in bundles.values()
        for graph in [bundle.manifest.graph]
    }
    if len(kinds) > 1:
        raise UsageError("the bundles differ in network, outputs or size; compare what is alike")


def _golden_pair(bundle: Bundle) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    graph = bundle.manifest.graph
    with np.load(bundle.path / bundle.manifest.golden.file) as golden:
        left, right = (
            golden[view].reshape(1, 1, graph.height, graph.width) for view in ("left", "right")
        )
    return left, right


def _difference(
    got: Mapping[str, NDArray[np.float32]], want: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    return {
        name: float(f"{np.abs(got[name] - value).mean() / np.abs(value).mean():.2e}")
        for name, value in want.items()
    }


def _instructions() -> list[str]:
    """Of x86 and ARM, from the kernel's list."""
    known = {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            return sorted(known & set(line.split()))
    return []


def eager_student(record: StudentRecord) -> Student:
    """The network of a manifest's record, with random weights.

    Built from its configuration: the id of a bundle without a checkpoint is no family member's.

    Raises:
        BundleError: The configuration is not one of this package's networks.
    """
    from lunar_student import StudentConfig, build_student

    try:
        config = msgspec.convert(record.config, StudentConfig)
    except msgspec.ValidationError as error:
        raise BundleError(
            f"the bundle's student {record.id} cannot be built here ({error}); export it again "
            "with this version's lunar-export"
        ) from error
    return build_student(config).eval()
