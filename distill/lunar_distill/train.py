"""A student from ground truth: a plain loop with checkpoints, resumable at any of them.

The encoder sees each image once; the decoder sees the pair in both orders, so that both images
serve as left view. The right view's decoder and head join when `right_from` says so, starting
from the left's: they are the most expensive part and learn little that the left has not.
"""

from __future__ import annotations

import copy
import csv
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lunar_runtime.atomic import atomic_path
from lunar_student import Outputs, Student, build_student
from lunar_student.encoders import Encoded
from lunar_student.network import split_views
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lunar_distill.losses import (
    depth_losses,
    mean_distance,
    plane_normal,
    point_loss,
    unit_scale,
    unproject,
)
from lunar_distill.pairs import Batch, RenderedPairs, batches

STATE_NAME = "state.pt"
LOG_NAME = "log.csv"
# Factors on the learning rate. Convolutions bear more than transformers; the frame's few numbers
# have clean gradients and far to go.
RATES = {"tiny_": 2.0, ".frame.": 6.0}


@dataclass
class TrainOptions:
    """How to train; a run's own copy is in its `options.json`.

    Attributes:
        student: Family id.
        size_px: Side of the training images.
        batch_size: Pairs a step; each gives two left views.
        learning_rate: Of AdamW, after the warm-up.
        weight_decay: Of AdamW.
        warmup_steps: Linear warm-up.
        total_pairs: Pairs to see in all.
        decay_fraction: Last part of the run, in which the rate falls to zero.
        depth_weight: Of the inverse-depth term.
        tilt_weight: Of the distance of the predicted plane's unit normal from the true one's.
        relief_weight: Of the relief term.
        gradient_weight: Of the gradient term.
        probe_weight: Of the directions to the sun and of the plane's normal, read off the mean
            tokens of encoder and decoder by linear probes that are not part of the student.
            Shading tells the relief only to who knows the sun, and the other losses teach that
            slowly.
        right_weight: Of the right view's points.
        right_view: Whether the right view's head is trained.
        ema: Decay of the averaged weights that are evaluated and shipped.
        seed: Of the weights and the batches.
        bf16: Compute in bfloat16 where it is safe (weights stay float32).
    """

    student: str = "S0"
    size_px: int = 128
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 300
    total_pairs: int = 100_000
    decay_fraction: float = 0.3
    depth_weight: float = 0.1
    tilt_weight: float = 4.0
    relief_weight: float = 0.5
    gradient_weight: float = 0.5
    probe_weight: float = 5.0
    right_weight: float = 0.5
    right_view: bool = False
    ema: float = 0.998
    seed: int = 0
    bf16: bool = True


class Trainer:
    """A run: network, optimiser, averaged weights, step."""

    def __init__(self, options: TrainOptions, out: Path, initial: Student | None = None) -> None:
        torch.manual_seed(options.seed)
        self.options = options
        self.out = out
        self.student = initial if initial is not None else build_student(options.student)
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        config = self.student.config
        self.probes = nn.ModuleList(
            nn.Linear(d, 6) for d in (config.encoder_dim, config.decoder_dim)
        )
        self.averaged = copy.deepcopy(self.student).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self._groups(), options.learning_rate, (0.9, 0.99))
        self.step = 0
        out.mkdir(parents=True, exist_ok=True)
        (out / "options.json").write_text(json.dumps(asdict(options), indent=2) + "\n")

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters by learning rate and weight decay: none on biases and gains."""
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        named = [*self.student.named_parameters(), *self.probes.named_parameters()]
        for name, parameter in named:
            rate = next((rate for part, rate in RATES.items() if part in name), 1.0)
            decay = self.options.weight_decay if parameter.ndim >= 2 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        return [
            {"params": members, "rate": rate, "weight_decay": decay}
            for (rate, decay), members in groups.items()
        ]

    @property
    def total_steps(self) -> int:
        """Steps of the whole schedule."""
        return math.ceil(self.options.total_pairs / self.options.batch_size)

    @property
    def finished(self) -> bool:
        """Whether the schedule has run to its end."""
        return self.step >= self.total_steps

    def resume(self) -> bool:
        """Go on from the run's last checkpoint; False where there is none."""
        path = self.out / STATE_NAME
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.probes.load_state_dict(state["probes"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        torch.set_rng_state(state["rng"])
        return True

    def save(self) -> None:
        """Write the checkpoint, atomically."""
        state = {
            "student": self.student.state_dict(),
            "probes": self.probes.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "rng": torch.get_rng_state(),
        }
        with atomic_path(self.out / STATE_NAME) as path:
            torch.save(state, path)

    def learning_rate(self) -> float:
        """Warm-up, constant, then linear to zero over the last part of the run."""
        options = self.options
        rise = min(1.0, (self.step + 1) / options.warmup_steps)
        fall = (self.total_steps - self.step) / max(1.0, options.decay_fraction * self.total_steps)
        return options.learning_rate * min(rise, max(0.0, min(1.0, fall)))

    def update(self, batch: Batch) -> dict[str, float]:
        """One step; returns the terms of the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate() * group["rate"]
        self.student.train()
        terms = pair_losses(self.student, self.probes, batch, self.options)
        loss = (
            terms["points"]
            + self.options.depth_weight * terms["depth"]
            + self.options.tilt_weight * terms["tilt"]
            + self.options.relief_weight * terms["relief"]
            + self.options.gradient_weight * terms["gradient"]
            + self.options.probe_weight * (terms["sun"] + terms["normal"])
        )
        if "right" in terms:
            loss = loss + self.options.right_weight * terms["right"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self._average()
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()} | {
            "grad_norm": float(norm)
        }

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.options.ema, (self.step + 1) / (self.step + 10))
        torch._foreach_lerp_(
            list(self.averaged.parameters()), list(self.student.parameters()), 1.0 - decay
        )
        for kept, buffer in zip(self.averaged.buffers(), self.student.buffers(), strict=True):
            kept.copy_(buffer)


def pair_losses(
    student: Student, probes: nn.ModuleList, batch: Batch, options: TrainOptions
) -> dict[str, Tensor]:
    """The terms of the loss for both orders of each pair."""
    grey = batch.images.flatten(0, 1)[:, None]  # (2B, 1, H, W)
    images = grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    outputs = Outputs.BOTH if options.right_view else Outputs.LEFT
    # Of few tokens, plain matrix products train faster than the fused attention of the CPU.
    with (
        torch.autocast("cpu", torch.bfloat16, enabled=options.bf16),
        sdpa_kernel(SDPBackend.MATH),
    ):
        left, right = split_views(student.encode(images))
        both_orders = _concatenate(left, right), _concatenate(right, left)
        first, second = student.decode(*both_orders, outputs)
        points, confidence = student.downstream_head1.points(first)
        if second is not None:
            points2, confidence2 = student.downstream_head2.points(second)
    depth = batch.depths.flatten(0, 1)
    valid = torch.isfinite(depth) & (depth > 0)
    true = unproject(depth.nan_to_num(0.0), batch.focal_px.repeat(2))
    terms = {
        **depth_losses(points, true, valid),
        "points": point_loss(unit_scale(points, valid), confidence, unit_scale(true, valid), valid),
    }
    direction = plane_normal(true, valid)
    terms["tilt"] = (plane_normal(points, valid) - direction).norm(dim=1).mean()
    for end, probe in zip((0, -1), probes, strict=True):
        sun, normal = probe(first.layers[end].float().mean(1)).split(3, dim=1)
        for name, guess, known in (
            ("sun", sun, batch.suns.flatten(0, 1)),
            ("normal", normal, direction),
        ):
            error = 0.5 * (guess - known).square().sum(1).mean()
            terms[name] = terms.get(name, error.new_zeros(())) + error
    if second is not None:
        terms["right"] = _right_loss(points, points2, confidence2, true, valid, batch)
    return terms


def _right_loss(
    points: Tensor,
    points2: Tensor,
    confidence2: Tensor,
    true: Tensor,
    valid: Tensor,
    batch: Batch,
) -> Tensor:
    """The right pointmap in the left frame, at the left pointmap's scale."""
    order = torch.cat((batch.left_from_right, torch.linalg.inv(batch.left_from_right)))
    other, other_valid = true.roll(len(batch), 0), valid.roll(len(batch), 0)  # the other image's
    moved = torch.einsum("bij,bhwj->bhwi", order[:, :3, :3], other) + order[:, None, None, :3, 3]
    scale = mean_distance(points, valid)
    true_scale = mean_distance(true, valid)
    return point_loss(points2 / scale, confidence2, moved / true_scale, other_valid)


def _concatenate(a: Encoded, b: Encoded) -> Encoded:
    skips = tuple(torch.cat(pair) for pair in zip(a.skips, b.skips, strict=True))
    return Encoded(torch.cat((a.tokens, b.tokens)), skips)


def copy_left_to_right(student: Student) -> None:
    """Start the right view's decoder and head from the left's."""
    student.dec_blocks2[-1].load_state_dict(student.dec_blocks[-1].state_dict())
    student.downstream_head2.load_state_dict(student.downstream_head1.state_dict())


def train(
    trainer: Trainer, data: RenderedPairs, *, deadline: float = math.inf, save_every: int = 500
) -> None:
    """Run to the end of the schedule or until `deadline` (seconds since the epoch)."""
    options = trainer.options
    if trainer.finished:
        return
    source = batches(data, options.batch_size, options.seed, trainer.step)
    window: list[dict[str, float]] = []
    begin = time.monotonic()
    for batch in source:
        window.append(trainer.update(batch))
        done = trainer.finished or time.time() > deadline
        if trainer.step % 50 == 0 or done:
            rate = len(window) * options.batch_size / (time.monotonic() - begin)
            _log(trainer.out / LOG_NAME, trainer, window, rate)
            window, begin = [], time.monotonic()
        if trainer.step % save_every == 0 or done:
            trainer.save()
        if done:
            return


def _log(path: Path, trainer: Trainer, window: list[dict[str, float]], rate: float) -> None:
    row: dict[str, Any] = {
        "step": trainer.step,
        "pairs": trainer.step * trainer.options.batch_size,
        "learning_rate": trainer.learning_rate(),
        "pairs_per_s": round(rate, 2),
    }
    row |= {k: round(sum(w[k] for w in window) / len(window), 5) for k in window[0]}
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
