"""`lunar-infer --lander`: what it writes and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.commands.infer import main
from lunar_runtime.files.rasters import read_raster

from ..outcomes import Outcome, names, run_main

ROOT = Path(__file__).resolve().parents[3]
PAIR = [ROOT / "examples" / "pair" / f"{side}.png" for side in ("left", "right")]
RIG = ROOT / "examples" / "pair" / "rig.json"
LANDER = ROOT / "examples" / "lander.json"
FIELDS: dict[str, Any] = {
    "footprint_diameter_m": 300, "slope_limit_deg": 12, "roughness_limit_m": 20
}  # fmt: skip


@pytest.fixture
def land(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Outcome]:
    def run(*arguments: object, how: Sequence[str] = ("--geometry-only",)) -> Outcome:
        given = [*PAIR, "--out", tmp_path / "o", "--threads", "1", *how, *arguments]
        return run_main(main, given, capfd)

    return run


def lander(tmp_path: Path, **fields: object) -> Path:
    path = tmp_path / "lander.json"
    path.write_text(json.dumps({**FIELDS, **fields}))
    return path


def test_sites_are_named_drawn_and_told(land: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = land("--rig", RIG, "--lander", LANDER, "--aim", "300,200")
    assert (outcome.code, outcome.err) == (0, "")
    line = next(line for line in outcome.out.splitlines() if line.startswith("land "))
    assert "sites, the first with P(safe)" in line
    folder = tmp_path / "o"
    assert names(folder) >= {"hazard.tif", "safe_probability.tif", "sites.json"}
    classes = read_raster(folder / "hazard.tif")
    probability = read_raster(folder / "safe_probability.tif")
    assert set(np.unique(classes)) == {0, 1, 2}
    assert probability[classes == 1].min() >= 0.95
    assert probability[classes == 2].max() < 0.5
    told = (folder / "hazard.tif").read_bytes()
    assert b"300 m wide, 4 pads, slope to 12 deg, roughness to 20 m; unknown to 5% of" in told
    assert b"of all headings the worst (Ivanov" in told
    assert told.count(b"LUNAR_LANDER") == 1
    assert b"LUNAR_LANDER" not in (folder / "depth.tif").read_bytes()
    content = json.loads((folder / "sites.json").read_text())
    report = json.loads((folder / "report.json").read_text())
    assert len(content["sites"]) == report["landing"]["sites"] > 3
    assert report["landing"]["safe"] == content["shares"]["safe"]
    assert sum(content["shares"].values()) == pytest.approx(1)
    slope = read_raster(folder / "slope.tif")
    for site in content["sites"]:
        column, row = (int(value) for value in site["pixel"])
        assert classes[row, column] == 1
        assert site["slope_deg"] <= 12
        assert slope[row, column] < 20  # a pixel of a place that is flat over 300 m
        assert site["divert_m"] >= 0
    nearest = min(content["sites"], key=lambda site: float(site["divert_m"]))
    assert nearest["divert_m"] < 2000


def test_the_less_sure_the_attitude_is_the_less_ground_is_called_safe(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    shares, sigmas = [], []
    for sigma in (0.0, 1.0, 4.0):
        rig, out = tmp_path / "rig.json", tmp_path / str(sigma)
        rig.write_text(json.dumps(json.loads(RIG.read_text()) | {"attitude_sigma_deg": sigma}))
        assert land("--rig", rig, "--lander", LANDER, "--out", out).code == 0
        content = json.loads((out / "sites.json").read_text())
        report = json.loads((out / "report.json").read_text())
        assert report["up"]["sigma_deg"] == pytest.approx(sigma * 2**0.5)
        shares.append(content["shares"]["safe"])
        sigmas.append(min(site["slope_sigma_deg"] for site in content["sites"]))
    assert shares[0] > shares[1] > shares[2] + 0.1  # most of this ground is far from the limit
    # Up leans along a site's dip by one such sigma, and by more than the ground's own error; eight
    # draws of that may lean against it by a tenth.
    assert sigmas[1] > 0.95 and sigmas[2] > 3.6


def test_a_result_that_is_guessed_has_no_safe_place(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    network = ["--refine", "off", "--intrinsics", "618,618,256,256", "--altitude-m", "13198"]
    outcome = land(*network, "--lander", LANDER, how=())
    assert outcome.code == 0
    assert outcome.out.startswith("result guessed")
    assert "no place is called safe: the result is a guess" in outcome.out
    content = json.loads((tmp_path / "o" / "sites.json").read_text())
    assert content["sites"] == []
    assert content["shares"] == {"unknown": 1.0, "safe": 0.0, "hazardous": 0.0}


@pytest.mark.parametrize("abundance", [0, 0.001])
def test_of_a_vehicle_narrower_than_three_pixels_nothing_is_said(
    land: Callable[..., Outcome], tmp_path: Path, abundance: float
) -> None:
    small = lander(tmp_path, footprint_diameter_m=10, roughness_limit_m=0.5,
                   rock_abundance=abundance)  # fmt: skip
    outcome = land("--rig", RIG, "--lander", small)
    assert outcome.code == 0
    assert re.search(
        r"^land   no place is called safe: the footprint of 10 m is narrower than three pixels on "
        r"this ground, [1-9][\d.]* m$",
        outcome.out,
        re.MULTILINE,
    )
    content = json.loads((tmp_path / "o" / "sites.json").read_text())
    assert content["shares"]["unknown"] == 1
    assert content["unseen_rocks"] == "in P(safe), by rock_abundance"


def test_without_metres_there_is_no_landing(land: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = land("--intrinsics", "618,618,256,256", "--lander", LANDER)
    assert outcome.code == 2
    assert outcome.err == (
        "lunar-infer: --lander needs metres, and this depth is relative: give --rig with the pose, "
        "--baseline-m or --altitude-m, and intrinsics\n"
    )
    assert not (tmp_path / "o").exists()


def test_a_length_that_makes_no_metres_is_refused_with_its_reason(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = land("--rig", RIG, "--lander", LANDER, how=("--refine", "off"))
    assert outcome.code == 2
    assert outcome.err == (
        "lunar-infer: --lander needs metres, and this depth is relative: only the network says "
        "where the right camera is, so a baseline makes no metres; give --altitude-m, or refine "
        "the pair (--refine auto)\n"
    )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--aim", "3,4"], "--aim is a lander's; give --lander"),
        (["--lander", LANDER, "--view", "right"], "--lander needs the left view"),
        (["--lander", LANDER, "--aim", "here"], "'here' is not X,Y in pixels"),
        (["--lander", LANDER, "--aim", "nan,3"], "'nan,3' is not X,Y in pixels"),
        (["--altimeter-m", "inf"], "inf is not a length in metres"),
        (["--lander", LANDER, "--rig", RIG, "--aim", "900,20"], "no ground is seen there"),
    ],
)
def test_wrong_usage_is_one_line(
    land: Callable[..., Outcome], tmp_path: Path, options: list[object], said: str
) -> None:
    outcome = land(*options)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"footprint_diameter_m": 0}, "footprint_diameter_m"),
        ({"pads": 5}, "pads"),
        ({"colour": "red"}, "unknown field `colour`"),
        ({"pad_circle_diameter_m": 301}, "the footprint holds the pads"),
        ({"pad_diameter_m": 250}, "overlap"),
    ],
)
def test_a_lander_file_that_means_nothing_is_one_line(
    land: Callable[..., Outcome], tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    outcome = land("--rig", RIG, "--lander", lander(tmp_path, **fields))
    assert outcome.code == 3
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_a_footprint_beyond_the_view_is_refused_and_nothing_is_written(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    huge = lander(tmp_path, footprint_diameter_m=1000, pad_diameter_m=20)
    small = tmp_path / "window"
    outcome = land("--rig", RIG, "--lander", huge, "--window", "200,200,64,64", "--out", small)
    assert outcome.code in {2, 3}
    assert outcome.err.count("\n") == 1
    assert not small.exists()


def test_a_footprint_many_times_the_view_is_refused_in_the_vehicles_words(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    low = ["--intrinsics", "618,618,256,256", "--altitude-m", "3"]
    outcome = land(*low, "--lander", LANDER)
    assert outcome.code == 2
    assert outcome.err.startswith(
        "lunar-infer: the lander's footprint of 300 m is larger than the view ("
    )
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_of_many_pairs_one_without_ground_at_the_aim_fails_and_the_others_go_on(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table, health = tmp_path / "pairs.csv", tmp_path / "health.jsonl"
    window = ["--window", "0,0,300,300"]
    relative = tmp_path / "rig.json"
    told = json.loads(RIG.read_text())
    del told["right_from_left"]
    relative.write_text(json.dumps(told))
    rows = [f"{PAIR[0]},{PAIR[1]},{rig},{out}" for rig, out in ((relative, "a"), (RIG, "b"))]
    table.write_text("\n".join(["left,right,rig,out", *rows]) + "\n")
    given = [table, "--out", tmp_path / "o", "--geometry-only", "--threads", "1", *window]
    outcome = run_main(main, [*given, "--lander", LANDER, "--health", health], capfd)
    assert outcome.code == 3
    assert "--lander needs metres" in outcome.err
    assert outcome.err.endswith("lunar-infer: 1 of 2 pairs failed\n")
    assert re.search(r"o/b \(left.png, right.png\): measured", outcome.out, re.MULTILINE)
    assert re.search(r"^  land \d+ sites?, the first with P\(safe\)", outcome.out, re.MULTILINE)
    assert outcome.out.splitlines()[-1].startswith("1 of 2 pairs done")
    assert names(tmp_path / "o") == {"b"}
    records = [json.loads(line) for line in health.read_text().splitlines()]
    conditions = [record["condition"] for record in records if record.get("condition")]
    assert sorted(conditions) == ["nominal", "refused"]
