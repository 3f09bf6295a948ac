"""Which bundle a candidate is."""

from __future__ import annotations

from lunar_bench.record.base import Record


class BundleIdentity(Record, frozen=True, kw_only=True):
    """Which bundle a candidate is.

    Attributes:
        name: Of its folder; no other part of the path.
        digest: SHA-256 of its manifest.
        student: Family id.
        parameters: Of the whole network.
        checkpoint_sha256: Of its weights' file; None = random weights.
        precision: Of its arithmetic.
        target: What its graph was laid out for.
        output_set: What it computes.
        size: Rows and columns.
        model_bytes: Of its files.
        gate: Whether it passed its export's accuracy gate.
    """

    name: str
    digest: str
    student: str
    parameters: int
    checkpoint_sha256: str | None
    precision: str
    target: str
    output_set: str
    size: tuple[int, int]
    model_bytes: int
    gate: str
