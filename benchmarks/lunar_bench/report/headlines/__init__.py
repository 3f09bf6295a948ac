"""The figure that stands for a result in the index, one function a kind of result.

Every function takes the JSON of a result as it lies on the disk and reads only what it names:
results of earlier versions are read as well.
"""

from __future__ import annotations

from lunar_bench.report.headlines.cost import (
    ablation,
    emulated,
    export,
    footprint,
    gpu,
    guards,
    landing_times,
    peers,
    precision,
    profile,
    run,
    sliding,
    starts,
)
from lunar_bench.report.headlines.figures import Json
from lunar_bench.report.headlines.flight import (
    archive,
    deadlines,
    edits,
    interruptions,
    monitors,
    sonnx,
    stream,
    upsets,
)
from lunar_bench.report.headlines.truth import (
    accuracy,
    apollo,
    coverage,
    fused,
    honesty,
    judgement,
    landing,
    refinement,
    shading,
    suns,
    sweep,
    variants,
)

__all__ = [
    "Json",
    "ablation",
    "accuracy",
    "apollo",
    "archive",
    "coverage",
    "deadlines",
    "edits",
    "emulated",
    "export",
    "footprint",
    "fused",
    "gpu",
    "guards",
    "honesty",
    "interruptions",
    "judgement",
    "landing",
    "landing_times",
    "monitors",
    "peers",
    "precision",
    "profile",
    "refinement",
    "run",
    "shading",
    "sliding",
    "sonnx",
    "starts",
    "stream",
    "suns",
    "sweep",
    "upsets",
    "variants",
]
