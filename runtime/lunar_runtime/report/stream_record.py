"""`stream.jsonl`: a line for each update of a stream."""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from lunar_runtime.report.input_records import Record
from lunar_runtime.stream.update import StreamCounts, StreamUpdate

STREAM_NAME = "stream.jsonl"


class StreamCountsReport(Record, frozen=True, kw_only=True):
    """What became of the frames and pairs so far.

    Attributes:
        pushed: Frames that came.
        looked_at: That were the newest when there was time to look for a partner.
        dropped: That were not, as a newer one came before there was time.
        waiting: The newest frame, not looked at yet: 0 or 1.
        late: Older than the newest; not used.
        duplicates: That came twice; not used.
        frozen: With a new time and the pixels of the frame before; not used.
        unusable: Of those looked at: that show too little ground.
        pairs: Pairs that were computed.
        refused: Of those, without a result.
        restarts: Times that no kept frame showed the newest one's ground any more.
    """

    pushed: int
    looked_at: int
    dropped: int
    waiting: int
    late: int
    duplicates: int
    frozen: int
    unusable: int
    pairs: int
    refused: int
    restarts: int


class StreamRecord(Record, frozen=True, kw_only=True):
    """One update: a pair of frames.

    Attributes:
        number: Of the newer frame, the pair's left image: from 0, of all frames that came.
        partner: Of the older one, its right image.
        time_s: When the newer frame was taken.
        partner_time_s: When the older one was.
        folder: Of the result, relative to this file; null where there is none.
        verdict: `measured` or `guessed`; null where the pair was refused.
        refused: Why there is no result.
        unit: `m` or `relative`; null without a result.
        scale: What the scale rests on; `earlier pair` where it was carried on.
        scale_sigma: Relative error that all lengths share.
        scale_age_s: Since a pose pair or an altitude fixed the scale, seconds; null where nothing
            does.
        depth_median: Of the newer view, in that unit.
        parallax_deg: That the pair promised, median.
        overlap: Of the newer view, that the partner was to see.
        outlook: What promised both: `poses` or `matches`.
        world_from_left: 4×4, row by row, metres: the newer frame's pose as it was told or carried
            on; null where neither is.
        pose_carried: Whether it was carried on from an earlier frame by this pair.
        latency_ms: Per stage: `wait` until there was time, `select` the partner, the stages of the
            pair, `scale` carried on; `total` from the push to the update.
        counts: At the time of the update.
    """

    number: int
    partner: int
    time_s: float
    partner_time_s: float
    folder: str | None
    verdict: str | None
    refused: str | None
    unit: str | None
    scale: str | None
    scale_sigma: float | None
    scale_age_s: float | None
    depth_median: float | None
    parallax_deg: float
    overlap: float
    outlook: str
    world_from_left: list[list[float]] | None
    pose_carried: bool
    latency_ms: dict[str, float]
    counts: StreamCountsReport


def stream_record(update: StreamUpdate, folder: str | None, depth: float | None) -> StreamRecord:
    """What is written of an update.

    Args:
        update: Of the stream.
        folder: Where its result went.
        depth: Median of the newer view.
    """
    result, pose = update.result, update.world_from_left
    return StreamRecord(
        number=update.number,
        partner=update.partner,
        time_s=update.time_s,
        partner_time_s=update.partner_time_s,
        folder=folder,
        verdict=None if result is None else result.verdict,
        refused=update.refused,
        unit=None if result is None else result.unit,
        scale=None if result is None else result.scale.source.value,
        scale_sigma=None if result is None else result.scale.sigma,
        scale_age_s=update.scale_age_s,
        depth_median=depth,
        parallax_deg=update.parallax_deg,
        overlap=update.overlap,
        outlook=update.outlook,
        world_from_left=None if pose is None else pose.tolist(),
        pose_carried=update.pose_carried,
        latency_ms=dict(update.latency_ms),
        counts=counts_report(update.counts),
    )


def counts_report(counts: StreamCounts) -> StreamCountsReport:
    """Counts as they are written."""
    report: StreamCountsReport = msgspec.convert(asdict(counts), StreamCountsReport)
    return report
