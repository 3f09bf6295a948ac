"""Records and pairs that the tests of the campaign share."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from lunar_bench.honesty.judge import Figures
from lunar_bench.honesty.record import SituationRecord
from lunar_calib.truth.known_pairs import KnownPair

#: Of a result that is right.
RIGHT = Figures(
    pixels=1000,
    metres_ratio=1.001,
    depth_error=0.001,
    depth_sigmas=0.7,
    slope_error_deg=1.0,
    slope_sigmas=0.6,
    hazards=5000,
    missed=0.12,
    missed_surely=0.02,
    missed_clean=0.1,
    on_nothing=None,
)


def record(identity: str, outcome: str, kind: str = "noise") -> SituationRecord:
    found = {
        "id": identity,
        "kind": kind,
        "pair": "ground",
        "given": "rig",
        "parameters": {"noise_dn": 3.0},
        "outcome": outcome,
        "faults": ["metres 1.2 times the true ones"] if outcome.endswith("wrong") else [],
        "reasons": [],
        "warnings": [],
        "unit": "m",
        "figures": msgspec.to_builtins(RIGHT),
        "seconds": 1.0,
    }
    return msgspec.convert(found, SituationRecord)


def ground_and_another(pair: KnownPair) -> list[KnownPair]:
    """A pair, as if it stood under two suns, and another scene."""
    suns = [replace(pair, name=f"ground sun {sun}") for sun in range(2)]
    other = replace(pair, name="other", right=pair.right[::-1].copy())
    return [*suns, other]
