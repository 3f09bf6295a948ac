"""How a run trains; its own copy is in RUN/options.json."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingOptions:
    """What every kind of training has.

    Attributes:
        size_px: Side of the training images, a multiple of 32.
        batch_size: Pairs that are computed at once.
        accumulate: Batches a step, over all processes together: the number of processes changes
            who computes what, not what a step is.
        learning_rate: Of AdamW, after the warm-up.
        encoder_rate: Factor on it for the encoder.
        weight_decay: Of AdamW.
        warmup_steps: Linear warm-up.
        total_pairs: Pairs to see in all.
        decay_fraction: Last part of the run, in which the rate falls to zero along half a cosine.
        clip_norm: Largest norm of a student's gradient.
        ema: Decay of the averaged weights that are evaluated and shipped.
        freeze_encoder: Leave the encoder (not its adapter) as it is.
        keep_statistics: Leave the batch norms' statistics as they are, and train with them. Those
            of small batches are noisier: from S0 on with 8 pairs a step, the first 50 steps' loss
            was 1.39 with them and 1.25 without; on unseen landings errors were the same.
        seed: Of the weights and the batches.
        bf16: Compute in bfloat16 where it is safe (weights stay float32).
    """

    size_px: int = 128
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    encoder_rate: float = 1.0
    weight_decay: float = 0.02
    warmup_steps: int = 300
    total_pairs: int = 100_000
    decay_fraction: float = 1.0
    clip_norm: float = 1.0
    ema: float = 0.998
    freeze_encoder: bool = False
    keep_statistics: bool = False
    seed: int = 0
    bf16: bool = True

    @property
    def pairs_per_step(self) -> int:
        """Pairs that one step of the optimiser sees."""
        return self.batch_size * self.accumulate

    @property
    def total_steps(self) -> int:
        """Steps of the whole schedule."""
        return math.ceil(self.total_pairs / self.pairs_per_step)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: warm-up, constant, then half a cosine to zero."""
        rise = min(1.0, (step + 1) / self.warmup_steps)
        left = (self.total_steps - step) / max(1.0, self.decay_fraction * self.total_steps)
        fall = 0.5 * (1.0 - math.cos(math.pi * min(1.0, max(0.0, left))))
        return self.learning_rate * min(rise, fall)
