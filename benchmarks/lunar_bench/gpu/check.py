"""Everything there is to know of an NVIDIA machine, in one call of under ten minutes.

For each network: PyTorch eager, compiled and as a CUDA graph; the exported bundles on ONNX Runtime,
TensorRT and TensorRT-RTX. All candidates of a network are timed in turn, from images in memory to
maps in memory. What cannot run is in the result with its reason.

The bundles are exported first, once each, FP32 of all networks before any lower precision, in half
of the time at most. Then one network after the other is measured, FP32 before the lower precisions,
and leaves the networks behind it the time for theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from lunar_runtime.bundles.choices import OutputSet, Precision
from lunar_runtime.errors import BackendError

from lunar_bench.gpu.bundles import EXPORT_SECONDS, Loader, bundle_loaders, make_bundles
from lunar_bench.gpu.network import NetworkCheck
from lunar_bench.gpu.report import GpuReport
from lunar_bench.gpu.torch_ways import WAYS
from lunar_bench.sensors.machine import describe_machine

#: (student, outputs), the most wanted first: what the time does not suffice for is left out.
CASES: tuple[tuple[str, OutputSet], ...] = (("S2", "left"), ("S2", "both"), ("teacher", "left"))
# Of the time, for the exports of bundles that are missing.
_EXPORTS_SHARE = 0.5
# Kept for every network that waits: PyTorch's ways and the bundles in FP32, loaded and measured.
_RESERVED_SECONDS = 60.0


def check_gpu(
    bundles: Path,
    *,
    rounds: int,
    minutes: float,
    cases: tuple[tuple[str, OutputSet], ...] = CASES,
    ways: tuple[str, ...] = WAYS,
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8"),
    size: int = 512,
    device: str = "cuda",
    loaders: dict[str, Loader] | None = None,
    export_seconds: float = EXPORT_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> GpuReport:
    """Run the check.

    Args:
        bundles: Folder of the bundles; those that are missing are exported into it.
        rounds: Timed rounds of each network, fewer where they would take over a minute.
        minutes: After that nothing new is begun.
        cases: (student, outputs) to measure.
        ways: PyTorch's candidates.
        precisions: Of the bundles.
        size: Side of the images, pixels.
        device: `cuda`; `cpu` tries the procedure out.
        loaders: Library -> what loads a bundle; None = all libraries that the device has.
        export_seconds: One export may take so long.
        tell: Told what is being done.

    Raises:
        BackendError: PyTorch has no CUDA here.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise BackendError(
            f"PyTorch {torch.__version__} finds no NVIDIA GPU; install a CUDA build of it on a "
            "machine with a driver"
        )
    begin = time.monotonic()
    machine = describe_machine()
    bundles.mkdir(parents=True, exist_ok=True)
    # FP32 is to mean FP32 in every library; ONNX Runtime and TensorRT decide for themselves.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    seconds = 60 * minutes
    loaders = bundle_loaders(device) if loaders is None else loaders
    made = make_bundles(
        bundles, cases, precisions, size, _EXPORTS_SHARE * seconds, tell, export_seconds
    )
    done = []
    for (student, outputs), limit in zip(cases, time_limits(seconds, len(cases)), strict=True):
        network = NetworkCheck(made, loaders, student, outputs, size, device, begin + limit, tell)
        done.append(network.run(ways, precisions, rounds))
    cuda = device == "cuda"
    major, minor = torch.cuda.get_device_capability() if cuda else (0, 0)
    return GpuReport(
        gpu=torch.cuda.get_device_name() if cuda else "none",
        compute_capability=f"{major}.{minor}",
        cuda=torch.version.cuda or "none",
        cases=done,
        seconds=round(time.monotonic() - begin, 1),
        machine=machine,
    )


def time_limits(seconds: float, networks: int) -> list[float]:
    """Seconds after which each network begins nothing new: those that wait have time kept."""
    return [seconds - _RESERVED_SECONDS * (networks - number) for number in range(1, networks + 1)]
