"""What can be asked of a pair, and what contradicts itself."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from lunar_runtime.errors import UsageError
from lunar_runtime.inference.options import REFINES, SLOPES, VIEWS, InferOptions


def test_every_choice_is_accepted() -> None:
    for view in VIEWS:
        for slope in SLOPES:
            for refine in REFINES:
                InferOptions(view=view, slope=slope, refine=refine).check("both")
    InferOptions().check("left")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"view": "top"}, "`view` top: choose one of left, right, both"),
        ({"slope": "steep"}, "`slope` steep: choose one of physical, paper"),
        ({"refine": "maybe"}, "`refine` maybe: choose one of auto, on, off"),
        (
            {"baseline_m": 1.0, "altitude_m": 2.0},
            "`baseline_m` and `altitude_m` both fix the scale; give one of them",
        ),
        ({"baseline_m": 0.0}, "`baseline_m` 0: needs to be a positive number of metres"),
        ({"altitude_m": math.inf}, "`altitude_m` inf: needs to be a positive number of metres"),
        ({"smoothing_px": -0.5}, "`smoothing_px` -0.5: needs to be 0 or more pixels"),
        ({"smoothing_px": math.nan}, "`smoothing_px` nan: needs to be 0 or more pixels"),
        ({"min_confidence": "nan%"}, "`min_confidence` nan%: needs to be a percentage below 100%"),
        ({"min_confidence": "100%"}, "`min_confidence` 100%: needs to be a percentage below 100%"),
        ({"min_confidence": "-1%"}, "`min_confidence` -1%: needs to be a percentage below 100%"),
        ({"min_confidence": "much"}, "`min_confidence` much: needs to be a percentage below"),
        ({"longest_px": 31}, "`longest_px` 31: needs to be 32 to 2048 pixels"),
        ({"longest_px": 4096}, "`longest_px` 4096: needs to be 32 to 2048 pixels"),
        # As it was meant before percentages.
        ({"min_confidence": 1.5}, "`min_confidence` 1.5: needs to be a percentage below 100%, as"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        replace(InferOptions(), **changes).check("both")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"view": "right"}, "`view` right needs the right pointmap"),
        ({"view": "both"}, "`view` both needs the right pointmap"),
    ],
)
def test_a_left_bundle_alone_has_no_right_pointmap(changes: dict[str, Any], text: str) -> None:
    asked = replace(InferOptions(), **changes)
    with pytest.raises(UsageError, match=f"{text}.*refine the pair .*lunar-export --outputs both"):
        replace(asked, refine="off").check("left")
    asked.check("left")  # refined, the pair has a pose and a right view of its own
    replace(asked, refine="off").check("both")


def test_a_baseline_needs_a_measured_pose() -> None:
    asked = InferOptions(baseline_m=5.0)
    asked.check("left")
    for outputs in ("left", "both"):
        with pytest.raises(UsageError, match="a pose that the images measured; leave out `refine`"):
            replace(asked, refine="off").check(outputs)
