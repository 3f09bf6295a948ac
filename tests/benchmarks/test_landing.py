"""Places to land held against true ground."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.landing.cases import LANDER, LandingCase, rendered_cases, stereolunar_cases
from lunar_bench.landing.measure import measure_landing, true_places
from lunar_bench.landing.methods import METHODS
from lunar_bench.landing.tally import Tally
from lunar_bench.report.landing_text import landing_lines
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.landing.landing import find_landing

from .command_line import run

SEED = 20005  # 95 m above boulders, of which both kinds of places are left


@pytest.fixture(scope="module")
def case() -> LandingCase:
    return next(rendered_cases(1, SEED, 256))


def test_a_campaign_counts_sites_places_and_methods(case: LandingCase) -> None:
    blank = replace(case.pair, name="blank", left=np.zeros_like(case.pair.left))
    record = measure_landing([case, replace(case, pair=blank)], "two", threads=1)
    measured, refused = record.cases
    assert (measured.verdict, refused.verdict) == ("measured", "refused")
    assert refused.reason
    assert record.sites == measured.sites > 0
    assert record.false_sites == measured.false_sites
    assert 0 < record.found < 1
    assert record.found == pytest.approx(measured.found, abs=1e-3)
    assert [method.method for method in record.methods] == list(METHODS)
    ours, *others = (method.auc for method in record.methods)
    assert ours > 0.8
    assert all(auc < ours for auc in others[1:])
    assert sum(row.places for row in record.reliability) == record.methods[0].places
    assert record.lander == LANDER
    lines = list(landing_lines(record))
    assert lines[0] == "two: 1 measured, 0 guessed, 1 refused"


def test_true_ground_is_the_terrains(case: LandingCase) -> None:
    with StereoRuntime.load(threads=1) as runtime:
        result = runtime.infer(case.pair.left, case.pair.right, case.rig)
    landing = find_landing(result, case.lander)
    truth = case.truth(landing.grid)
    both = landing.grid.height - truth.height[::2, ::2]
    both -= np.nanmedian(both)
    # Heights differ by stereo's error alone: at 256 px two per mille of 95 m.
    assert np.nanmedian(np.abs(both)) < 0.2
    safe, known = true_places(case, landing)
    assert known.any()
    assert 0 < safe[known].mean() < 1


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
