"""TensorRT's own account of a build, for a progress bar."""

from __future__ import annotations

import logging
from typing import Protocol, cast

from lunar_runtime.backends.tensorrt.bindings.module import TensorRT
from lunar_runtime.backends.tensorrt.bindings.objects import IProgressMonitor

_log = logging.getLogger(__name__)


class BuildProgress(Protocol):
    """Somebody who listens; called from TensorRT's threads."""

    def begin(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, inside another."""

    def step(self, phase: str, step: int) -> None:
        """A step, counted from 0, is done."""

    def end(self, phase: str) -> None:
        """The phase is over, also when steps are missing."""

    @property
    def cancelled(self) -> bool:
        """Whether to give up."""
        ...


class LoggedProgress:
    """The log listens."""

    def __init__(self) -> None:
        self.cancelled = False

    def begin(self, phase: str, parent: str | None, steps: int) -> None:
        """Log the outer phases."""
        _log.log(logging.DEBUG if parent else logging.INFO, "%s, %d steps", phase, steps)

    def step(self, phase: str, step: int) -> None:
        """Ignore it."""

    def end(self, phase: str) -> None:
        """Ignore it."""


def make_monitor(trt: TensorRT, progress: BuildProgress) -> IProgressMonitor:
    """A TensorRT progress monitor that tells `progress` everything."""
    base = trt.IProgressMonitor

    def initialise(self: object) -> None:
        base.__init__(self)  # type: ignore[misc] # pybind11 insists on it

    def phase_start(self: object, phase_name: str, parent_phase: str | None, steps: int) -> None:
        progress.begin(phase_name, parent_phase, steps)

    def step_complete(self: object, phase_name: str, step: int) -> bool:
        progress.step(phase_name, step)
        return not progress.cancelled

    def phase_finish(self: object, phase_name: str) -> None:
        progress.end(phase_name)

    methods = {
        "__init__": initialise,
        "phase_start": phase_start,
        "step_complete": step_complete,
        "phase_finish": phase_finish,
    }
    return cast(IProgressMonitor, type("ReportedProgress", (base,), methods)())
