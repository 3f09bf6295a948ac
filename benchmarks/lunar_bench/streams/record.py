"""What streams of frames were found to do."""

from __future__ import annotations

import msgspec

from lunar_bench.record.machine import Machine


class StreamRow(msgspec.Struct, frozen=True, kw_only=True):
    """One descent in one situation.

    Attributes:
        situation: `whole`; `every fifth missing`; `gap of 5 s`; `poses 20 % off`; `poses stop`.
        counts: Of frames and pairs, by the stream's own names.
        pairs: That were computed.
        measured: Of these, with the verdict measured.
        metric: With metres.
        refused: Without a result: reason -> how many; the reason's first words.
        guessed: First reason of a guess -> how many; its first words.
        latency_ms: From a frame's push to its update: 50th, 95th and 100th percentile.
        stage_ms: Median of each stage.
        cpu_s: Of the process, a pair: what it takes where nobody else computes.
        interval_s: Between updates, by the frames' clock: median and longest.
        shape_error: Relative error of the measured depths, one factor apart: 50th and 95th
            percentile over the updates of each one's median.
        scale_error: Of metric measured updates: median and largest factor's distance from 1.
        scale_sigmas: The same in sigmas of the scale.
        resident_mib: Of the process, the largest in each sixth of the frames: while a pair is being
            worked out there is more than between two.
        resident_spread: Between the largest and the least of the last four, over their mean.
        kib_per_frame: Slope over the second half, of the largest of every ten frames.
    """

    situation: str
    counts: dict[str, int]
    pairs: int
    measured: int
    metric: int
    refused: dict[str, int]
    guessed: dict[str, int]
    latency_ms: list[float]
    stage_ms: dict[str, float]
    cpu_s: float
    interval_s: list[float]
    shape_error: list[float]
    scale_error: list[float]
    scale_sigmas: list[float]
    resident_mib: list[float]
    resident_spread: float
    kib_per_frame: float


class SequenceUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of frames that were pushed without haste.

    Attributes:
        order: `all`, or `one view a sun`.
        newer: Name of the newer frame.
        partner: Name of the older one.
        parallax_deg: That was promised.
        overlap: That was promised.
        verdict: Null where it was refused.
        words: First reason of a guess or of a refusal; empty where it is measured.
        scale_ratio: Median of depth over truth; null without metres or truth.
    """

    order: str
    newer: str
    partner: str
    parallax_deg: float
    overlap: float
    verdict: str | None
    words: str
    scale_ratio: float | None


class StreamResult(msgspec.Struct, frozen=True, kw_only=True):
    """Streams of one descent, and of a folder of StereoLunar's frames.

    Attributes:
        bundle_digest: Of the network.
        rate_hz: At which frames were pushed, by the wall's clock.
        size_px: Side of the frames.
        frames: Of the descent.
        threads: Of network and refinement.
        rows: Per situation.
        sequence: StereoLunar's frames in their order, with their poses; empty = not asked.
        machine: On what, with what.
    """

    bundle_digest: str
    rate_hz: float
    size_px: int
    frames: int
    threads: int
    rows: list[StreamRow]
    sequence: list[SequenceUpdate]
    machine: Machine
