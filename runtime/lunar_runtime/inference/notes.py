"""What a user should know before trusting the numbers; every stage returns its part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SCALE = "scale: "  # how the notes of a scale begin
_RELATIVE = "; depth stays relative"


def relative_because(why: str) -> str:
    """The note that a length was given and makes no metres."""
    return f"{SCALE}{why}{_RELATIVE}"


def why_relative(warnings: Iterable[str]) -> str | None:
    """Why a length that was given makes no metres, and what to do; None = none was given."""
    found = next((one for one in warnings if one.startswith(SCALE)), None)
    return None if found is None else found.removeprefix(SCALE).removesuffix(_RELATIVE)


@dataclass(frozen=True)
class Notes:
    """Warnings and counts, in the order in which they arose. Notes add up.

    Attributes:
        warnings: Sentences for the user.
        not_finite: Per output of the network, pixels that it gave as NaN or infinite.
    """

    warnings: tuple[str, ...] = ()
    not_finite: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def warn(cls, *texts: str | None) -> Notes:
        """Warnings; None among them is nothing to say."""
        return cls(tuple(text for text in texts if text is not None))

    def __add__(self, other: Notes) -> Notes:
        """These, then the others."""
        return Notes(self.warnings + other.warnings, {**self.not_finite, **other.not_finite})
