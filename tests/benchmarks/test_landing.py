"""Places to land held against true ground."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_bench.landing.cases import (
    LANDER,
    LandingCase,
    Planned,
    planned,
    rendered_cases,
    stereolunar_cases,
)
from lunar_bench.landing.measure import measure_landing
from lunar_bench.landing.methods import METHODS
from lunar_bench.landing.tally import Tally
from lunar_bench.landing.true_places import true_places
from lunar_bench.report import headlines
from lunar_bench.report.landing_text import landing_lines
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import pixel_rays
from lunar_runtime.landing.ground_grid import GridSource, ground_grid
from lunar_runtime.landing.landing import find_landing
from lunar_runtime.landing.sites import Places

from .command_line import run

SEED = 20017  # 105 m above boulders, of which both kinds of places are left


@pytest.fixture(scope="module")
def case() -> LandingCase:
    return next(rendered_cases(1, SEED, 256))


def test_a_campaign_counts_sites_places_and_methods(case: LandingCase) -> None:
    blank = replace(case.pair, name="blank", left=np.zeros_like(case.pair.left))
    cases = planned([case, replace(case, pair=blank)])
    record = measure_landing(cases, "two", lander=case.lander, threads=1)
    measured, refused = record.cases
    assert (measured.verdict, refused.verdict) == ("measured", "refused")
    assert refused.reason
    assert record.sites == measured.sites > 0
    assert record.false_sites == measured.false_sites
    assert 0 < record.found < 1
    assert record.found == pytest.approx(measured.found, abs=1e-3)
    assert record.false_safe == pytest.approx(measured.false_safe, abs=1e-3)
    for method in record.methods:
        assert method.sites >= method.false_sites
        assert method.roc == sorted(method.roc)
        assert method.roc[0] == (0, 0)
        # The threshold lies on the curve.
        nearest = min(abs(found - method.found) + abs(missed - method.missed)
                      for missed, found in method.roc)  # fmt: skip
        assert nearest < 0.06
    assert [method.method for method in record.methods] == list(METHODS)
    ours, *others = (method.auc for method in record.methods)
    assert ours > 0.8
    assert all(auc < ours for auc in others[1:])
    assert sum(row.places for row in record.reliability) == record.methods[0].places
    assert record.lander == LANDER
    headline = headlines.landing(msgspec.to_builtins(record))
    assert f"two: 0 of {record.sites} sites hazardous (95 %: below " in headline
    assert [each.split(":")[0] for each in headline.split("; ")[3:]] == list(METHODS[1:])
    lines = list(landing_lines(record))
    assert lines[0] == "two: 1 measured, 0 guessed, 1 refused"


def test_true_ground_is_the_terrains(case: LandingCase) -> None:
    with StereoRuntime.load(threads=1) as runtime:
        result = runtime.infer(case.pair.left, case.pair.right, case.rig)
    landing = find_landing(result, case.lander)
    truth = case.truth(landing.grid)
    both = landing.grid.height - truth.height[::2, ::2]
    both -= np.nanmedian(both)
    # Heights differ by stereo's error alone: at 256 px two per mille of 105 m.
    assert np.nanmedian(np.abs(both)) < 0.2
    places = true_places(case, landing)
    assert places.known.any()
    assert 0 < places.safe[places.known].mean() < 1
    # What a site is judged by is the place below it.
    sites = [Places.of(landing.grid, landing.hazards, case.lander).site(row, column)
             for row, column in zip(*np.nonzero(places.known), strict=True)][::7]  # fmt: skip
    assert [places.holds(site) for site in sites] == places.safe[places.known][::7].tolist()


def test_a_tally_that_knows_finds_everything_and_one_that_guesses_nothing() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=20_000) < 0.6
    knows, guesses, fair = Tally(), Tally(), Tally()
    knows.add(np.where(truth, 0.99, 0.01).astype(np.float32), truth)
    guesses.add(rng.uniform(size=truth.size).astype(np.float32), truth)
    p = rng.uniform(size=truth.size).astype(np.float32)
    fair.add(p, rng.uniform(size=truth.size) < p)
    assert knows.auc() == pytest.approx(1)
    assert knows.found_at(0.01) == pytest.approx(1)
    assert guesses.auc() == pytest.approx(0.5, abs=0.02)
    assert guesses.found_at(0.01) < 0.02
    for row in fair.reliability():
        assert row.low <= row.mean <= row.high
        assert row.safe == pytest.approx(row.mean, abs=3 / np.sqrt(row.places))
        assert (row.pairs, row.wrong_pairs) == (1, int(row.safe < 1))


def test_counts_of_pairs_add_up_to_those_of_all() -> None:
    rng = np.random.default_rng(1)
    together, whole = Tally(), Tally()
    for _ in range(3):
        truth = rng.uniform(size=500) < 0.6
        p = np.where(rng.uniform(size=500) < 0.1, np.nan, rng.uniform(size=500)).astype(np.float32)
        one = Tally()
        for tally in (one, whole):
            tally.add(p, truth, 0.9)
        together.take(one.counts())
    assert together.counts() == whole.counts()
    called, everything = together.counts().called, together.roc()[-1]
    assert called > 0
    assert together.false_safe == pytest.approx(0.4, abs=0.1)  # it only guesses
    assert everything[0] == 1
    assert everything[1] == pytest.approx(0.9, abs=0.03)  # of a tenth nothing is said


def test_up_errs_as_the_rig_says(case: LandingCase) -> None:
    squares = []
    for number in range(400):
        named = replace(case.pair, name=f"pair {number}")
        rig = replace(case, pair=named, attitude_sigma_deg=0.5).rig
        assert rig.attitude_sigma_deg == 0.5
        assert rig.up_left is not None and case.pair.up_left is not None
        across = np.cross(rig.up_left, case.pair.up_left)
        squares.append(np.degrees(np.arcsin(np.linalg.norm(across))) ** 2)
    # The mean of 400 exponential numbers is known to a twentieth.
    assert np.sqrt(np.mean(squares)) == pytest.approx(0.5 * np.sqrt(2), rel=0.08)
    exact = replace(case, attitude_sigma_deg=0.0).rig
    assert exact.up_left is not None and case.pair.up_left is not None
    np.testing.assert_allclose(exact.up_left, case.pair.up_left, atol=1e-12)


def test_true_depths_are_measured_from_the_true_up(stereolunar: Path) -> None:
    case = next(stereolunar_cases(stereolunar, 2.0))
    rays = pixel_rays(case.pair.camera_left, *case.pair.depth.shape)
    points = np.asarray(rays * case.pair.depth[..., None], np.float32)
    ground_px = float(np.nanmedian(case.pair.depth)) / case.pair.camera_left.fx
    slopes = []
    for up in (case.pair.up_left, case.rig.up_left):
        grid = ground_grid(GridSource(points, case.pair.camera_left, np.asarray(up)), 4 * ground_px)
        height = case.truth(grid).height
        dx, dy = (np.nanmean(np.diff(height, axis=axis)) / grid.cell_m for axis in (1, 0))
        slopes.append(np.hypot(dx, dy))
    # Two degrees are 0.035: they would show.
    assert slopes[0] == pytest.approx(slopes[1], abs=0.004)


def test_a_stopped_campaign_goes_on(case: LandingCase, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    first = measure_landing(planned([case]), "two", threads=1, journal=journal)

    def never() -> LandingCase:
        raise AssertionError("it was done before")

    again = measure_landing([Planned(case.pair.name, never)], "two", threads=1, journal=journal)
    assert again.methods == first.methods
    assert again.cases == first.cases
    with pytest.raises(InputError, match=r"of another campaign .*attitude_sigma_deg 0"):
        measure_landing(planned([case]), "two", attitude_sigma_deg=1.0, journal=journal)


def test_what_nothing_is_said_of_counts_as_not_found() -> None:
    tally = Tally()
    tally.add(np.array([0.99, np.nan], np.float32), np.array([True, True]))
    assert tally.found_at(0.01) == 0.5
    assert tally.places == 1


def test_published_pairs_have_vehicles_of_some_pixels(stereolunar: Path) -> None:
    cases = list(stereolunar_cases(stereolunar))
    assert [case.lander.name for case in cases[:3]] == ["5 pixels", "8 pixels", "11 pixels"]
    pair: KnownPair = cases[0].pair
    pixel_m = float(np.nanmedian(pair.depth)) / pair.camera_left.fx
    assert cases[0].lander.footprint_diameter_m == pytest.approx(5 * pixel_m)


def test_no_case_is_an_error() -> None:
    with pytest.raises(InputError, match="no pair to land on"):
        measure_landing([], "nothing", threads=1)


def test_the_command_keeps_its_record(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    save, plot = tmp_path / "landing.json", tmp_path / "landing.png"
    call = ["landing", "rendered", "--pairs", "1", "--seed", str(SEED), "--size", "256"]
    code, out, err = run(capfd, *call, "--threads", "1", "--save", str(save), "--plot", str(plot))
    assert (code, err) == (0, "")
    assert "sites: 0 of" in out
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert json.loads(save.read_text())["data"] == f"1 rendered landings of 256 px from {SEED}"


def test_works_are_timed_in_turn(
    case: LandingCase, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("rasterio", reason="rasterio is not installed ([ground])")
    save = tmp_path / "times.json"
    call = ["landing", "times", "--pairs", "1", "--rounds", "2", "--seed", str(SEED)]
    code, out, err = run(capfd, *call, "--size", "256", "--threads", "1", "--save", str(save))
    assert code in (0, 5) and err == ""
    record = json.loads(save.read_text())
    works = {work["work"]: work for work in record["works"]}
    assert list(works) == ["hazards and sites", "maps, local frame", "maps, lunar projection"]
    for name, work in works.items():
        assert work["wall"]["count"] == work["cpu"]["count"] == 2
        assert work["wall"]["median_ms"] > 1 and name in out
    # A view that is turned against north has more cells around it.
    assert works["maps, lunar projection"]["cells"] > works["maps, local frame"]["cells"]
    slow = max(work["wall"]["median_ms"] for work in works.values()) > 150
    assert (code == 5) == slow
