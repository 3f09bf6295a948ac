"""What a student is trained on; the loop knows no more of it than this."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from lunar_student import Student
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lunar_distill.data.pairs import Batch

# Up to so many tokens, plain matrix products train faster on a CPU than its fused attention.
FEW_TOKENS = 256


class Objective(Protocol):
    """A loss, and what it needs beside the student."""

    def describe(self) -> dict[str, Any]:
        """What must be the same for a run to go on; goes through JSON."""
        ...

    def companions(self, student: Student) -> nn.Module:
        """Modules that train along and are thrown away: projectors, probes."""
        ...

    def prepare(self, batch: Batch) -> Any:
        """What all students of a run share for this batch; no gradient goes through it."""
        ...

    def loss(
        self, student: Student, companions: nn.Module, batch: Batch, prepared: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimise, and its terms for the log."""
        ...


class Arithmetic:
    """A context in which networks compute: bfloat16 where safe, and the faster attention."""

    def __init__(self, device: torch.device, size_px: int, bf16: bool) -> None:
        self.device = device
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16)
        few = device.type == "cpu" and (size_px // 16) ** 2 <= FEW_TOKENS
        every = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
        self._backends = [SDPBackend.MATH] if few else every

    def __enter__(self) -> None:
        self._kernel = sdpa_kernel(self._backends)
        self._kernel.__enter__()
        self._autocast.__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        self._autocast.__exit__(*error)
        self._kernel.__exit__(*error)
