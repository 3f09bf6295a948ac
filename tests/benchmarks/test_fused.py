"""Fused descents held against true ground."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_bench.landing.cases import LANDER
from lunar_bench.landing.fused_cases import SIGMA, Descent, descents
from lunar_bench.landing.fused_measure import measure_fused, shape_error, together
from lunar_bench.landing.fused_record import FusedRecord, FusedStep
from lunar_bench.report.fused_text import fused_lines
from lunar_bench.report.headlines import fused
from lunar_runtime.errors import InputError

SEED = 40000


@pytest.fixture(scope="module")
def descent() -> Descent:
    return next(descents(1, 4, SEED, 256))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fused") / "journal.jsonl"


@pytest.fixture(scope="module")
def record(descent: Descent, journal: Path) -> FusedRecord:
    return measure_fused([descent], "one", threads=1, journal=journal)


def test_a_campaign_that_was_stopped_goes_on(
    record: FusedRecord, descent: Descent, journal: Path
) -> None:
    nothing = replace(descent, specs=())  # it could not be run again
    again = measure_fused([nothing], "one", threads=1, journal=journal)
    assert again.descents == record.descents
    with pytest.raises(InputError, match="of another campaign \\(data one, not two\\)"):
        measure_fused([nothing], "two", threads=1, journal=journal)


def test_level_and_tilt_are_no_error_of_shape() -> None:
    rows, columns = np.mgrid[:40, :60]
    noise = np.random.default_rng(0).normal(0, 0.1, (40, 60))
    noise[::7, ::9] += 5  # boulders
    everywhere = np.ones((40, 60), np.bool_)
    plain, tilted = (
        shape_error((noise + more).astype(np.float32), everywhere)
        for more in (0.0, 3 + 0.2 * rows - 0.1 * columns)
    )
    assert plain == pytest.approx(0.1, rel=0.05)
    assert tilted == pytest.approx(plain, rel=1e-3)


def test_more_views_err_less_and_never_more_than_the_best_pair(record: FusedRecord) -> None:
    first, *_, last = record.steps
    assert (first.views, last.views) == (1, 16)
    # Four pairs of 256 px, where the near one weighs most: seen 0.0299 and 0.0298 m, 0.32 and 0.30
    # degrees.
    assert last.shape_m < first.shape_m
    assert last.slope_deg < 0.97 * first.slope_deg
    assert last.worst_to_single < 1.05
    assert last.false_safe <= first.false_safe
    # Seen 0.8. With the poses' errors multiplied by the number of views it was 1.7 and more.
    assert 0.6 < last.expected_to_real < 1.4
    assert record.holds


def test_a_campaign_tells_its_descents_and_its_lines(record: FusedRecord) -> None:
    (one,) = record.descents
    assert (one.pairs, one.left_out) == (4, 0)
    assert 0 < one.map_mb <= 96
    assert record.flicker.changes_kept <= record.flicker.changes
    lines = list(fused_lines(record))
    assert lines[0] == "one: 0 pairs guessed or refused, left out"
    assert len(lines) == 3 + len(record.steps)
    assert "1 to 16 views: shape" in fused(msgspec.to_builtins(record))


def test_poses_err_as_they_are_told_to(descent: Descent) -> None:
    pair = next(replace(descent, specs=descent.specs[:1]).pairs())
    (same,) = replace(descent, specs=descent.specs[:1]).pairs()
    np.testing.assert_array_equal(pair.world_from_left, same.world_from_left)
    depth = pair.pair.depth
    assert np.isfinite(depth).all()
    off = pair.world_from_left[2, 3] - float(np.median(depth))
    # The camera's height above its ground, to relief and the pose's own error.
    assert abs(off) < 0.2 * float(np.median(depth)) + 5 * SIGMA.position_m
    up = pair.world_from_left[2, :3]
    assert pair.pair.up_left is not None
    assert (
        np.degrees(np.arccos(min(1.0, float(np.dot(up, pair.pair.up_left)))))
        < 5 * SIGMA.attitude_deg
    )


def test_descents_together_weigh_places_by_their_number() -> None:
    def step(shape: float, safe: int, false: float, found: float) -> FusedStep:
        return FusedStep(
            views=2, shape_m=shape, slope_deg=1.0, worst_to_single=shape, expected_to_real=1.0,
            safe=safe, false_safe=false, found=found, sites=10, false_sites=1,
        )  # fmt: skip

    (both,) = together([[step(0.1, 100, 0.0, 0.5)], [step(0.4, 300, 0.1, 0.9)]])
    assert both.shape_m == pytest.approx(0.2)
    assert both.worst_to_single == 0.4
    assert (both.safe, both.sites, both.false_sites) == (400, 20, 2)
    assert both.false_safe == pytest.approx(30 / 400)
    assert both.found == pytest.approx(370 / (200 + 300))


def test_what_does_not_hold_is_told(record: FusedRecord) -> None:
    worse = msgspec.structs.replace(record.steps[-1], worst_to_single=1.06)
    assert not msgspec.structs.replace(record, steps=[*record.steps[:-1], worse]).holds
    same = [record.steps[0]] * 2
    assert not msgspec.structs.replace(record, steps=same).holds
    assert record.lander == LANDER


def test_no_descent_is_refused() -> None:
    with pytest.raises(InputError, match="nothing: there is no descent"):
        measure_fused([], "nothing", threads=1)
