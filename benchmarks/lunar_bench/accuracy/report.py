"""The result of `lunar-bench accuracy`: flat figures a method, a scene, a sun, a pair."""

from __future__ import annotations

import msgspec

from lunar_bench.accuracy.methods import Method
from lunar_bench.record.machine import Machine


class BundleRecord(msgspec.Struct, frozen=True):
    """Which bundle.

    Attributes:
        name: Of its folder.
        student: Family id.
        precision: Of its arithmetic.
        outputs: `left`, `both` or `all`.
        size: Height and width of its images.
        gate: `passed` or `failed`: the accuracy gate of its export.
        backend: What ran it, with its version.
        device: On what.
        checkpoint_sha256: Of the weights.
        digest: SHA-256 of its manifest.
    """

    name: str
    student: str
    precision: str
    outputs: str
    size: tuple[int, int]
    gate: str
    backend: str
    device: str
    checkpoint_sha256: str
    digest: str


class MethodAccuracy(msgspec.Struct, frozen=True):
    """One method on all pairs. Figures: see `scores` and `published_metrics`.

    Attributes:
        method: See `methods`.
        bundle: What ran; None = no network.
        medians: Figure -> median over the pairs that have it; and over all pairs `pose_found` (a
            share), `pose_auc_5deg`, `_10deg`, `_20deg` (no pose = an infinite error), likewise
            `descriptor_pose_…`.
        published: The published evaluation's figures, medians over the pairs: of the left view, and
            as `both_views_…` of both where the method gives both.
        by_scene: Scene -> medians.
        by_sun: Sun -> medians.
        error_by_tenth: Median over the pairs of the median relative error of depth in each tenth
            of the pixels by confidence, the least confident first; None without a confidence.
        pairs: Which pairs, in the order of `figures`.
        figures: Figure -> its value for every pair; None where it has none.
        failed: Pair -> why the method gave nothing for it.
        notes: Pair -> what did not work, although it gave something.
    """

    method: Method
    bundle: BundleRecord | None
    medians: dict[str, float]
    published: dict[str, float]
    by_scene: dict[str, dict[str, float]]
    by_sun: dict[str, dict[str, float]]
    error_by_tenth: list[float] | None
    pairs: list[str]
    figures: dict[str, list[float | None]]
    failed: dict[str, str]
    notes: dict[str, list[str]]


class AccuracyReport(msgspec.Struct, frozen=True):
    """Every method on a set of pairs.

    Attributes:
        data: `StereoLunar` or `rendered`.
        size: Height and width at which everything is compared, pixels.
        pair_count: How many pairs were read.
        methods: The networks first.
        unreadable: Pair -> why it could not be read.
        partial: Interrupted before the last pair.
        machine: Where.
    """

    data: str
    size: tuple[int, int]
    pair_count: int
    methods: list[MethodAccuracy]
    unreadable: dict[str, str]
    partial: bool
    machine: Machine
