"""What is wrong with a label or its pixels."""

from __future__ import annotations


class FormatError(ValueError):
    """A label or its pixels cannot be used; the text says why and what to do, without the file."""
