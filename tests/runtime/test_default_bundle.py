"""The bundle that ships in the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime import Bundle, StereoRuntime, default_bundle_path

EXAMPLE = Path(__file__).parents[2] / "examples" / "pair"


@pytest.fixture(scope="module")
def runtime() -> Iterator[StereoRuntime]:
    with StereoRuntime.load() as loaded:
        yield loaded


def test_the_packaged_bundle_gives_what_it_gave_when_it_was_made(runtime: StereoRuntime) -> None:
    errors = runtime.check_golden()
    golden = Bundle.open(default_bundle_path()).manifest.golden
    assert set(errors) == set(golden.tolerances)


def test_the_packaged_student_sees_the_crater_of_the_example_pair(runtime: StereoRuntime) -> None:
    """The floor of the big crater, left of the middle, lies below its surroundings."""
    result = runtime.infer(
        EXAMPLE / "left.png", EXAMPLE / "right.png", altitude_m=13_163.0, refine="off"
    )
    assert result.plane is not None
    height = result.plane.height(result.pointmap_left)
    floor = np.median(height[110:130, 90:115])
    around = np.median(np.concatenate([height[60:75].ravel(), height[165:175, 130:].ravel()]))
    # 450 m in the shipped student's eyes, 980 m in truth, 0 in the plane's.
    assert floor < around - 150
