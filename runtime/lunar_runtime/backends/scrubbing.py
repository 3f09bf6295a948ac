"""What checking the weights in memory has found so far.

A backend that can check its weights counts what it finds; one that cannot says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lunar_runtime.backends.protocol import Backend


@dataclass(frozen=True)
class ScrubRecord:
    """The state of the weights in memory.

    Attributes:
        held_bytes: Of weights that are checked; 0 where none are.
        reason: Why none are, in words; empty where they are.
        pairs: How many pairs were computed with weights that were checked afterwards.
        position: The slice whose CRC is compared after the next pair.
        slices: All weights are compared by CRC within so many pairs; by sums after every one.
        mismatches: How often a check found other bytes than were loaded.
        reloads: How often the network was loaded again from its verified file.
        repeated: How many pairs were computed again because of that.
        check_ms: How long the last check took.
    """

    held_bytes: int = 0
    reason: str = ""
    pairs: int = 0
    position: int = 0
    slices: int = 0
    mismatches: int = 0
    reloads: int = 0
    repeated: int = 0
    check_ms: float = 0.0


@runtime_checkable
class Scrubbed(Protocol):
    """A backend that counts what it finds."""

    @property
    def scrub_record(self) -> ScrubRecord:
        """What was found so far."""
        ...

    def reload(self) -> bool:
        """Load the network again from its verified file; False where the library cannot."""
        ...


def scrub_record_of(backend: Backend) -> ScrubRecord:
    """What a backend found; of one that does not look, that it does not."""
    if isinstance(backend, Scrubbed):
        return backend.scrub_record
    return ScrubRecord(reason=f"{backend.name} keeps its weights where they cannot be read")
