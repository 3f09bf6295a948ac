"""How a long job tells whoever started it where it is."""

from __future__ import annotations

import logging
from typing import Protocol

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """Somebody who listens."""

    def begin(self, stage: str, steps: int = 1) -> None:
        """A stage of so many steps begins, and the one before is done."""

    def step(self) -> None:
        """A step of the current stage is done."""


class Logged:
    """The log listens."""

    def begin(self, stage: str, steps: int = 1) -> None:
        """Log the stage."""
        _log.info("%s%s", stage, f", {steps} steps" if steps > 1 else "")

    def step(self) -> None:
        """Ignore it."""


#: Where nobody else listens.
LOG = Logged()
