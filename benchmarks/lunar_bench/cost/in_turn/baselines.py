"""What a bundle is put beside: PyTorch, and ONNX Runtime with its own settings.

All run the network alone, from images in memory to maps in memory.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from lunar_runtime import Bundle
from lunar_runtime.bundles.manifest import StudentRecord
from lunar_runtime.errors import BackendError, BundleError, CheckpointError, UsageError
from numpy.typing import NDArray

from lunar_bench.cost.in_turn.candidates import NetworkOnly
from lunar_bench.cost.plain_session import open_plain_session

if TYPE_CHECKING:
    from lunar_student import Student

#: Baseline -> what it is.
BASELINES = {
    "eager": "PyTorch, all the network's outputs, as in a notebook",
    "eager-same": "PyTorch, only the bundle's outputs",
    "teacher": "PyTorch, the teacher (MASt3R's architecture) with all its outputs",
    "onnxruntime": "the bundle's graph in ONNX Runtime with default settings",
}

_TORCH = ("torch", "'lunar-edge[export]'")
_NEEDS = {
    "eager": _TORCH,
    "eager-same": _TORCH,
    "teacher": _TORCH,
    "onnxruntime": ("onnxruntime", "onnxruntime"),
}


def require_libraries(names: Iterable[str]) -> None:
    """Refuse now what `load_baseline` would refuse after minutes of other work.

    Raises:
        BackendError: A baseline's library is not there.
    """
    for name in names:
        module, remedy = _NEEDS[name]
        if importlib.util.find_spec(module) is None:
            raise BackendError(f"baseline {name} needs {module}; `pip install {remedy}`")


def load_baseline(
    name: str, bundle: Bundle, device: str, threads: int | None, checkpoint: Path | None
) -> NetworkOnly:
    """Make a baseline of a bundle's network.

    Args:
        name: One of `BASELINES`.
        bundle: Whose network, and whose image size.
        device: `cpu` or `cuda`.
        threads: CPU threads; None lets the library choose.
        checkpoint: Weights of the eager network. None = random ones: time does not depend on them.

    Raises:
        UsageError: No such baseline, or it does not run on that device.
        BackendError: Its library is not there, or lacks the device.
        BundleError: Its network is none that this package can build.
        CheckpointError: The checkpoint is not the bundle's.
    """
    if name not in BASELINES:
        raise UsageError(f"no baseline {name!r}; choose one of {', '.join(BASELINES)}")
    require_libraries([name])
    if name in ("eager", "eager-same", "teacher"):
        return _eager(name, bundle, device, threads, checkpoint)
    return _plain_onnxruntime(bundle, device, threads)


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


def _eager(
    name: str, bundle: Bundle, device: str, threads: int | None, checkpoint: Path | None
) -> NetworkOnly:
    import torch
    from lunar_student import build_student

    if device == "cuda" and not torch.cuda.is_available():
        raise BackendError(f"baseline {name}: this PyTorch finds no CUDA; choose the device cpu")
    if threads is not None:
        torch.set_num_threads(threads)
    if name == "teacher":
        network = build_student("teacher").eval()
    elif checkpoint is not None:
        network = _checkpoint(checkpoint, bundle)
    else:
        network = eager_student(bundle.manifest.student)
    network = network.to(device)
    same = name == "eager-same"
    outputs = bundle.manifest.graph.output_set if same else "all"
    wanted = [record.name for record in bundle.manifest.graph.outputs]

    def normalised(image: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(image).to(device).expand(-1, 3, -1, -1) / 127.5 - 1.0

    def run(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> object:
        with torch.inference_mode():
            found = network(normalised(left), normalised(right), outputs)
            return [getattr(found, output).cpu().numpy() for output in wanted]

    def allocated_mib() -> float | None:
        return torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None

    backend = f"torch {torch.__version__}"
    return NetworkOnly(name, bundle, backend, device, run, allocated_mib=allocated_mib)


def _checkpoint(path: Path, bundle: Bundle) -> Student:
    from lunar_runtime.files.digests import sha256_of
    from lunar_student import load_checkpoint

    network = load_checkpoint(path)
    if sha256_of(path) != bundle.manifest.student.checkpoint_sha256:
        raise CheckpointError(
            f"{path}: not the checkpoint of {bundle.path} (its SHA-256 differs); give that one, or "
            "none for random weights"
        )
    return network.eval()


def _plain_onnxruntime(bundle: Bundle, device: str, threads: int | None) -> NetworkOnly:
    import onnxruntime

    session = open_plain_session(bundle.model_path, device, threads)
    names = [record.name for record in bundle.manifest.graph.outputs]

    def run(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> object:
        return session.run(names, {"left": left, "right": right})

    return NetworkOnly(
        "onnxruntime", bundle, f"onnxruntime {onnxruntime.__version__}, defaults", device, run
    )
