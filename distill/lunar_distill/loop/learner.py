"""One student under training: weights, their average, optimiser."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from lunar_runtime.errors import UsageError
from lunar_student import Student
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.loop.workers import Workers

ENCODERS = ("tiny_vit.", "tiny_enc.", "patch_embed.", "enc_blocks.", "enc_norm.")
ADAPTERS = ("tiny_vit.adapter.", "tiny_enc.adapter.")
# S0's frame is few numbers with clean gradients and far to go.
FRAME_RATE = 6.0
# So many steps running without a finite gradient: it will not recover.
DIVERGED_STEPS = 20

_logger = logging.getLogger(__name__)


class Learner:
    """A student, and everything that a step changes.

    A step is several batches, perhaps on several processes. Every batch starts from the same
    batch-norm statistics, whose mean over the batches is kept, so that it does not matter who
    computed which.
    """

    def __init__(
        self,
        name: str,
        student: Student,
        companions: nn.Module,
        options: TrainingOptions,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name = name
        self.options = options
        self.student = student.to(device)
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.companions = companions.to(device)
        if options.freeze_encoder:
            for key, parameter in student.named_parameters():
                parameter.requires_grad_(not _frozen(key))
        self.averaged = copy.deepcopy(self.student).requires_grad_(False).eval()
        self.optimiser = torch.optim.AdamW(self._groups(), options.learning_rate, (0.9, 0.99))
        self.skipped = 0
        self.skipped_running = 0

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters by learning rate and weight decay: none on biases and gains."""
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        named = [*self.student.named_parameters(), *self.companions.named_parameters()]
        for name, parameter in named:
            if not parameter.requires_grad:
                continue
            rate = 1.0
            if name.startswith(ENCODERS):
                rate = self.options.encoder_rate
            elif ".frame." in name:
                rate = FRAME_RATE
            decay = self.options.weight_decay if parameter.ndim >= 2 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        return [
            {"params": members, "rate": rate, "weight_decay": decay}
            for (rate, decay), members in groups.items()
        ]

    def tensors(self) -> list[Tensor]:
        """Weights and statistics of student, average and companions."""
        modules = (self.student, self.averaged, self.companions)
        return [tensor for module in modules for tensor in module.state_dict().values()]

    def begin(self) -> None:
        """Start a step."""
        self.student.train()
        if self.options.freeze_encoder:
            for name, module in self.student.named_modules():
                if _frozen(f"{name}."):
                    module.eval()  # batch-norm statistics too
        if self.options.keep_statistics:
            for module in self.student.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        self.optimiser.zero_grad(set_to_none=True)
        self._start = {key: value.clone() for key, value in self.student.named_buffers()}
        self._moved = {key: torch.zeros_like(value).float() for key, value in self._start.items()}

    def collect(self, loss: Tensor) -> None:
        """Add one batch's gradient, weighted as one of the step's."""
        (loss / self.options.accumulate).backward()  # type: ignore[no-untyped-call]
        for key, buffer in self.student.named_buffers():
            self._moved[key] += (buffer - self._start[key]) / self.options.accumulate
            buffer.copy_(self._start[key])

    def finish(self, rate: float, workers: Workers) -> float:
        """End the step. One whose gradient is not finite changes nothing, and is counted.

        Returns:
            The gradient's norm.

        Raises:
            UsageError: None of the last steps, or none of the schedule, had a finite gradient.
        """
        moved = list(self._moved.values())
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        workers.sum_([p.grad for p in parameters if p.grad is not None] + moved)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["rate"]
        norm = nn.utils.clip_grad_norm_(self.student.parameters(), self.options.clip_norm)
        if torch.isfinite(norm):
            self.skipped_running = 0
            self.optimiser.step()
            self._move_statistics()
        else:
            self.skipped += 1
            self.skipped_running += 1
            _logger.info("%s: a gradient that is not finite; the step is left out", self.name)
            self._refuse_divergence()
        return float(norm)

    def _move_statistics(self) -> None:
        buffers = dict(self.student.named_buffers())
        for key, change in self._moved.items():
            whole = not buffers[key].is_floating_point()  # a count of batches: one a step
            buffers[key].add_(change.round().to(buffers[key].dtype) if whole else change)

    def _refuse_divergence(self) -> None:
        most = min(DIVERGED_STEPS, self.options.total_steps)
        if self.skipped_running >= most:
            raise UsageError(
                f"{self.name}: no finite gradient in {most} steps running, so nothing is learned; "
                "lower the learning rate, or start it in another way"
            )

    @torch.no_grad()
    def average(self, step: int) -> None:
        """Move the averaged weights towards the student's; fast in the first steps."""
        decay = min(self.options.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(
            list(self.averaged.parameters()), list(self.student.parameters()), 1.0 - decay
        )
        for kept, buffer in zip(self.averaged.buffers(), self.student.buffers(), strict=True):
            kept.copy_(buffer)

    def state(self) -> dict[str, Any]:
        """Everything that `load` needs to go on bit for bit."""
        return {
            "student": self.student.state_dict(),
            "companions": self.companions.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "skipped": self.skipped,
            "skipped_running": self.skipped_running,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.student.load_state_dict(state["student"])
        self.companions.load_state_dict(state["companions"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.skipped = state["skipped"]
        self.skipped_running = state["skipped_running"]


def _frozen(key: str) -> bool:
    return key.startswith(ENCODERS) and not key.startswith(ADAPTERS)
