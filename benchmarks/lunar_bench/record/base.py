"""What all parts of a run's record have in common."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the parts of a run's record: immutable, named fields, none unknown."""
