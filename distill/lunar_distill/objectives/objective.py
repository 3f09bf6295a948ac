"""What a student is trained on; the loop knows no more of it than this."""

from __future__ import annotations

from typing import Any, Protocol

from lunar_student import Student
from torch import Tensor, nn

from lunar_distill.data.batch import Batch


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
