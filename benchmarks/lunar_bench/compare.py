"""A bundle against the eager PyTorch network that it was exported from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from lunar_runtime import Bundle
from lunar_runtime.backends import select_backend
from lunar_runtime.errors import BundleError
from lunar_runtime.manifest import StudentRecord
from numpy.typing import NDArray

from lunar_bench.machine import Machine, describe_machine
from lunar_bench.timing import Timing, interleave, ratio

if TYPE_CHECKING:
    from lunar_student import Student


class Comparison(msgspec.Struct, frozen=True):
    """One interleaved run.

    Attributes:
        student: Family id.
        size: Height and width of the images.
        threads: CPU threads of each candidate.
        outputs: What the bundle computes; eager PyTorch computes all of it, as a researcher would.
        times: By candidate.
        bundle_over_eager: Median over rounds of the ratio of their times.
        machine: Where.
    """

    student: str
    size: tuple[int, int]
    threads: int
    outputs: str
    times: dict[str, Timing]
    bundle_over_eager: float
    machine: Machine


def compare_with_eager(bundle_path: Path, rounds: int, threads: int) -> Comparison:
    """Time the network alone: images in memory to outputs in memory.

    The eager network has random weights of the bundle's student: time does not depend on them.

    Args:
        bundle_path: Bundle of a member of the family.
        rounds: Timed rounds.
        threads: CPU threads of each.

    Raises:
        BundleError: See `Bundle.open`; or its network is none that this package can build.
    """
    import torch

    machine = describe_machine()
    torch.set_num_threads(threads)
    bundle = Bundle.open(bundle_path)
    graph = bundle.manifest.graph
    student = eager_student(bundle.manifest.student)
    backend = select_backend(bundle, "onnxruntime", "cpu", threads)
    rng = np.random.default_rng(0)
    shape = (1, 1, graph.height, graph.width)
    left, right = (rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(2))

    def eager() -> None:
        with torch.inference_mode():
            student(_normalised(left), _normalised(right))

    def _normalised(image: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(image).expand(-1, 3, -1, -1) / 127.5 - 1.0

    times = interleave({"eager": eager, "bundle": lambda: backend.run(left, right)}, rounds)
    return Comparison(
        student=bundle.manifest.student.id,
        size=(graph.height, graph.width),
        threads=threads,
        outputs=graph.output_set,
        times=times,
        bundle_over_eager=round(ratio(times, "bundle", "eager"), 4),
        machine=machine,
    )


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
