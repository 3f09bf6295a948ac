"""What an engine was made for, and why it may not run here.

TensorRT engines are programs compiled for one GPU and one version of the library. Loading a foreign
one fails at best; so it is refused by its key, before TensorRT sees a byte of it.
"""

from __future__ import annotations

import re

import msgspec

from lunar_runtime.backends.tensorrt.gpu import Gpu
from lunar_runtime.backends.tensorrt.libraries import LibraryName, version_numbers

ANY_GPU = "any"
_AMPERE = (8, 0)


class EngineKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What decides where an engine runs.

    Attributes:
        library: `tensorrt` or `tensorrt-rtx`.
        version: Of the library that built it.
        gpu: Name of the GPU it was built on; `any` for TensorRT-RTX, which builds for classes.
        compute_capabilities: (major, minor) of the GPUs it was built for.
        model_sha256: Of the ONNX file.
        version_compatible: Newer versions of the same major number may run it.
        hardware_compatible: Every GPU from Ampere on may run it.
    """

    library: LibraryName
    version: str
    gpu: str
    compute_capabilities: tuple[tuple[int, int], ...]
    model_sha256: str
    version_compatible: bool = False
    hardware_compatible: bool = False


def file_stem(key: EngineKey, precision: str) -> str:
    """`orin-nvgpu-sm87-trt10.3.0-fp16`, the name of an engine's files."""
    gpu = re.sub(r"[^a-z0-9]+", "-", key.gpu.lower()).strip("-") or "gpu"
    classes = ".".join(f"{major}{minor}" for major, minor in key.compute_capabilities)
    library = {"tensorrt": "trt", "tensorrt-rtx": "trtrtx"}[key.library]
    return f"{gpu}-sm{classes}-{library}{key.version}-{precision}"


def refusal(key: EngineKey, model_sha256: str, version: str, gpu: Gpu | None) -> str | None:
    """Why an engine may not run here; None if it may.

    Args:
        key: The engine's.
        model_sha256: Of the bundle's ONNX file.
        version: Of the same library, here.
        gpu: This machine's; None leaves the GPU unchecked.
    """
    if key.model_sha256 != model_sha256:
        return "it was made from another model than this bundle's"
    return _wrong_version(key, version) or (_wrong_gpu(key, gpu) if gpu else None)


def _wrong_version(key: EngineKey, version: str) -> str | None:
    if key.version == version:
        return None
    made, here = version_numbers(key.version), version_numbers(version)
    if key.version_compatible and made[:1] == here[:1] and made <= here:
        return None
    return f"it was made by {key.library} {key.version}, here is {version}"


def _wrong_gpu(key: EngineKey, gpu: Gpu) -> str | None:
    here = gpu.compute_capability
    if key.hardware_compatible and here >= _AMPERE:
        return None
    if key.gpu == ANY_GPU:
        if here in key.compute_capabilities:
            return None
        known = ", ".join(f"{major}.{minor}" for major, minor in key.compute_capabilities)
        return f"it was made for compute capability {known}, {gpu.name} has {here[0]}.{here[1]}"
    if key.gpu == gpu.name and here in key.compute_capabilities:
        return None
    major, minor = key.compute_capabilities[0]
    return (
        f"it was made on {key.gpu} (compute capability {major}.{minor}), here is {gpu.name} "
        f"({here[0]}.{here[1]})"
    )
