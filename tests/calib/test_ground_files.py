"""`ground.npz` of rendered landings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_calib import render_pair
from lunar_calib.cli import main
from lunar_calib.render.terrain import synthesise_terrain
from lunar_calib.render.true_ground import true_ground
from lunar_calib.specs.pair_spec import PairSpec
from lunar_runtime.landing.hazards import CLASSES

LANDER = Path(__file__).resolve().parents[2] / "examples/lander.json"
WRONG_KIND = "--lander is for --kind landing or approach, and --layout rig; give both"
RIG_LANDING = ("--kind", "landing", "--layout", "rig")


def render(out: Path, *arguments: object) -> int:
    given = ["render", "--size", "64", "--seed", "3", "--out", out, *arguments]
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in given])
    return int(stopped.value.code or 0)


def test_the_command_writes_ground_and_hazards_of_a_lander(tmp_path: Path) -> None:
    vehicle, folder = tmp_path / "lander.json", tmp_path / "o/paire00001"
    fields = {"footprint_diameter_m": 10, "slope_limit_deg": 10, "roughness_limit_m": 0.5}
    vehicle.write_text(json.dumps(fields))
    assert render(tmp_path / "o", *RIG_LANDING, "--lander", vehicle) == 0
    with np.load(folder / "ground.npz") as file:
        ground = dict(file)
    with np.load(folder / "truth.npz") as file:
        depth = file["depth_left"]
    spec = PairSpec.from_dict(json.loads((folder / "spec.json").read_text()))
    terrain = synthesise_terrain(spec.terrain)
    told = true_ground(render_pair(spec, terrain), terrain, 5 + terrain.cell_m)
    np.testing.assert_array_equal(ground["height_left"], told.height_m)
    np.testing.assert_array_equal(ground["height_m"], told.map_height_m)
    np.testing.assert_array_equal(ground["rock_left"], told.rock)
    assert ground["height_left"].shape == depth.shape == ground["hazard_left"].shape
    assert len(ground["rock_number"]) == len(ground["rock_buried_share"]) == len(told.rocks)
    assert ground["place_class"].shape == (len(ground["place_y_m"]), len(ground["place_x_m"]))
    assert set(np.unique(ground["hazard_left"])) <= set(CLASSES.values())
    assert json.loads(str(ground["lander"]))["slope_limit_deg"] == 10


def test_without_a_lander_there_are_no_hazards(tmp_path: Path) -> None:
    assert render(tmp_path, *RIG_LANDING) == 0
    with np.load(tmp_path / "paire00001/ground.npz") as file:
        assert not [name for name in file if name.startswith(("hazard", "place", "lander"))]


def test_other_kinds_have_no_such_file(tmp_path: Path) -> None:
    assert render(tmp_path, "--kind", "nadir", "--layout", "rig") == 0
    assert (tmp_path / "paire00001/truth.npz").exists()
    assert not (tmp_path / "paire00001/ground.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--kind", "nadir", "--layout", "rig"), 2,
         WRONG_KIND),
        (("--kind", "landing"), 2, WRONG_KIND),
        (RIG_LANDING, 2, "the lander's footprint of 300 m is larger than the view"),
    ],
)  # fmt: skip
def test_a_lander_that_cannot_be_tried_is_refused_in_one_line(
    arguments: tuple[str, ...],
    code: int,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert render(tmp_path / "o", *arguments, "--lander", LANDER) == code
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert not (tmp_path / "o").exists()
