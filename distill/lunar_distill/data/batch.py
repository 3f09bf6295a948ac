"""Several pairs as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from lunar_distill.data.pair_changes import change
from lunar_distill.data.training_pair import TrainingPair


@dataclass(frozen=True)
class Batch:
    """B pairs on the device of the network.

    Attributes:
        images: (2, B, H, W) float32 grey in [-1, 1], left then right.
        depths: (2, B, H, W) float32 Z-depth in metres in each one's own camera, NaN where unknown.
        left_from_right: (B, 4, 4) float32 pose, metres, OpenCV axes.
        focal_px: (B,) float32; the principal point is the image centre.
        suns: (2, B, 3) float32 unit vector to the sun in each one's own camera, NaN where unknown.
    """

    images: Tensor
    depths: Tensor
    left_from_right: Tensor
    focal_px: Tensor
    suns: Tensor

    def __len__(self) -> int:
        return self.focal_px.shape[0]

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))

    def views(self) -> tuple[Tensor, Tensor]:
        """The left and the right images as a network wants them, (B, 3, H, W)."""
        grey = self.images[:, :, None].expand(-1, -1, 3, -1, -1)
        left, right = (view.contiguous(memory_format=torch.channels_last) for view in grey)
        return left, right


def stack(pairs: Sequence[TrainingPair], rng: np.random.Generator | None) -> Batch:
    """A batch of pairs, each changed at random where a generator is given."""
    if rng is not None:
        pairs = [change(pair, rng) for pair in pairs]
    images = np.stack([np.stack(pair.images) for pair in pairs], axis=1)
    left_from_right = np.stack([np.linalg.inv(pair.right_from_left) for pair in pairs])
    return Batch(
        torch.from_numpy(images / np.float32(127.5) - np.float32(1.0)),
        torch.from_numpy(np.stack([np.stack(pair.depths) for pair in pairs], axis=1)),
        torch.from_numpy(left_from_right.astype(np.float32)),
        torch.tensor([pair.focal_px for pair in pairs]),
        torch.from_numpy(np.stack([pair.suns for pair in pairs], axis=1).astype(np.float32)),
    )


def join(batches: Sequence[Batch]) -> Batch:
    """Several batches of one size as one."""
    along = {"images": 1, "depths": 1, "suns": 1, "left_from_right": 0, "focal_px": 0}
    return Batch(
        **{
            name: torch.cat([getattr(batch, name) for batch in batches], dim=dim)
            for name, dim in along.items()
        }
    )
