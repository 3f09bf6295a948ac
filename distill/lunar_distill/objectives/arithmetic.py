"""How networks compute while they train: in which precision, with which attention."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

# Up to so many tokens, plain matrix products train faster on a CPU than its fused attention.
FEW_TOKENS = 256


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
