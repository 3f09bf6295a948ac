"""How long each stage of a pair takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)


@dataclass
class Clock:
    """Times by stage, in milliseconds; of a stage that ran twice, both together."""

    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside, and log it."""
        start = time.perf_counter()
        try:
            yield
        finally:  # a stage that was given up took its time too
            took_ms = (time.perf_counter() - start) * 1e3
            self.timings_ms[name] = self.timings_ms.get(name, 0.0) + took_ms
            _log.info("%s: %.1f ms", name, took_ms)
