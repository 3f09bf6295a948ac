"""The starts of a student's decoder and heads, by name. Nothing heavy is imported here."""

from __future__ import annotations

from enum import Enum


class Start(str, Enum):
    """The three of them."""

    STREAM = "stream"  # the teacher's, in the basis of its residual stream
    SVD = "svd"  # the teacher's, by truncated SVD, as published
    RANDOM = "random"
