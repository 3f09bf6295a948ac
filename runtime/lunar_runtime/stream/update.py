"""What a stream tells: one pair's result with its place in the sequence, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.inference.result import StereoResult


@dataclass(frozen=True)
class StreamCounts:
    """What became of the frames and pairs so far.

    Attributes:
        pushed: Frames that came: all of the following.
        looked_at: Frames that were the newest when there was time to look for a partner.
        dropped: Frames that were not, as a newer one came before there was time; they may still
            have been a partner.
        waiting: The newest frame, not looked at yet: 0 or 1.
        late: Frames older than the newest; not used.
        duplicates: Frames that came twice; not used.
        frozen: Frames with a new time and the pixels of the frame before; not used.
        unusable: Frames that show too little ground; not used.
        pairs: Pairs that were computed.
        refused: Of those, the ones that gave no result.
        restarts: Times that no kept frame showed the newest one's ground any more.
    """

    pushed: int = 0
    looked_at: int = 0
    dropped: int = 0
    waiting: int = 0
    late: int = 0
    duplicates: int = 0
    frozen: int = 0
    unusable: int = 0
    pairs: int = 0
    refused: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class StreamUpdate:
    """One pair of a stream.

    Attributes:
        result: Of the pair: the newer frame is the left one. None where it was refused.
        refused: Why there is no result; None where there is.
        number: Of the newer frame, from 0.
        partner: Of the older one, the pair's right image.
        time_s: When the newer frame was taken.
        partner_time_s: When the older one was.
        parallax_deg: That the pair promised; see `Outlook`.
        overlap: Of the newer view, that the pair promised.
        outlook: What promised it: `poses` or `matches`.
        scale_age_s: Since a pose pair or an altitude fixed the scale; 0 where this pair's did, None
            where nothing does.
        world_from_left: (4, 4) float64 metres, of the newer frame: as it was pushed, or carried on
            from the partner's by this pair's own pose. None where neither is known.
        pose_carried: Whether it was carried on.
        latency_ms: Per stage: `wait` until somebody looked at the frame, `select` the partner, then
            the stages of the pair (`StereoResult.timings_ms`), `scale` carried on; and `total`,
            from the push to the update.
        counts: At the time of the update.
    """

    result: StereoResult | None
    refused: str | None
    number: int
    partner: int
    time_s: float
    partner_time_s: float
    parallax_deg: float
    overlap: float
    outlook: str
    scale_age_s: float | None
    world_from_left: NDArray[np.float64] | None
    pose_carried: bool
    latency_ms: Mapping[str, float]
    counts: StreamCounts = field(default_factory=StreamCounts)
