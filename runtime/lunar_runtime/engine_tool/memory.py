"""How much memory a build may take."""

from __future__ import annotations

from lunar_runtime.backends.tensorrt.gpu import Gpu
from lunar_runtime.errors import BackendError, UsageError

MIB = 1 << 20

#: More has no use: the largest tensor of S2 at 512 x 512, in the DPT head, is 256 x 256 x 256
#: FP32, 64 MiB, and a kernel's scratch is a few times its output.
ENOUGH_WORKSPACE = 2048 * MIB
_LEAST = 64 * MIB
# Of the model, that a build holds at once: file, network, optimiser, plan. S2 `left` in FP32,
# a model of 268 MiB, took 1390 MiB with TensorRT-RTX 1.7.1 (peak resident memory, CPU). On an
# integrated GPU they come out of the same memory.
_COPIES = 5
_RESERVE = 512 * MIB  # for the driver, CUDA's kernels and the rest of the system


def choose_workspace(gpu: Gpu, free_bytes: int, model_bytes: int) -> int:
    """Bytes for the builder's workspace pool, from what is free.

    Args:
        gpu: Where.
        free_bytes: Of its memory, now.
        model_bytes: Of the ONNX file.

    Raises:
        BackendError: There is not enough for any build.
    """
    copies = _COPIES if gpu.integrated else 1
    spare = free_bytes - copies * model_bytes - _RESERVE
    if spare < _LEAST:
        needed = copies * model_bytes + _RESERVE + _LEAST
        advice = (
            "stop other programs (the desktop: `sudo systemctl isolate multi-user`), add swap"
            if gpu.integrated
            else "stop other programs that use the GPU"
        )
        raise BackendError(
            f"{gpu.name} has {free_bytes // MIB} MiB free, building this engine needs "
            f"{needed // MIB} MiB; {advice}, or build on an identical machine and copy engines/"
        )
    return min(spare // 2, ENOUGH_WORKSPACE)


def parse_size(text: str) -> int:
    """`512M`, `2G` or a number of bytes.

    Raises:
        UsageError: It is none.
    """
    units = {"K": 1 << 10, "M": MIB, "G": 1 << 30}
    number, unit = text.strip().upper().removesuffix("IB").removesuffix("B"), 1
    if number[-1:] in units:
        number, unit = number[:-1], units[number[-1]]
    if not number.isdecimal() or not int(number):
        raise UsageError(f"size {text!r}: give bytes, or as in 512M or 2G")
    return int(number) * unit
