"""Pairs of image files: by order, sequence or name; and film frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_calib.sets.candidates import CandidateSource
from lunar_calib.sets.image_sources import apollo, images
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.landing.local_frame import MOON_RADIUS_M

from .conftest import strip, texture, write


def scenes(source: CandidateSource) -> list[str]:
    return [candidate.scene for candidate in source.candidates()]


def test_pairs_by_order_alternate(tmp_path: Path) -> None:
    strip(tmp_path, 4)
    assert scenes(images(tmp_path)) == ["0.png 1.png", "2.png 3.png"]


def test_pairs_of_a_sequence_are_neighbours(tmp_path: Path) -> None:
    strip(tmp_path, 11)
    found = scenes(images(tmp_path, "sequence"))
    assert found[0] == "0.png 1.png"
    assert found[-1] == "9.png 10.png"  # numbers sort as numbers
    assert len(found) == 10


def test_one_image_is_no_sequence(tmp_path: Path) -> None:
    strip(tmp_path, 1)
    with pytest.raises(InputError, match="1 images; a sequence has two or more"):
        images(tmp_path, "sequence")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("site_left_7.png", "site_right_7.png"),
        ("a-L.png", "a-R.png"),
        ("left/p.png", "right/p.png"),
    ],
)
def test_pairs_by_name(tmp_path: Path, left: str, right: str) -> None:
    write(tmp_path / right, texture(0))
    write(tmp_path / left, texture(1))
    assert scenes(images(tmp_path, "name")) == [f"{left} {right}"]


def test_all_names_that_make_no_pair_are_told(tmp_path: Path) -> None:
    for name in ("a_left.png", "b_right.png", "panorama.png", "c_left_right.png"):
        write(tmp_path / name, texture(0))
    with pytest.raises(InputError) as error:
        images(tmp_path, "name")
    text = str(error.value)
    assert "panorama.png says neither left nor right, or both" in text
    assert "c_left_right.png says neither" in text
    assert "a_left.png has no right image" in text
    assert "b_right.png has no left image" in text


def test_two_images_of_one_side_are_told(tmp_path: Path) -> None:
    for name in ("a_l.png", "a_L.tif", "a_r.png"):
        write(tmp_path / name, texture(0))
    with pytest.raises(InputError, match="is the left image of the same pair as"):
        images(tmp_path, "name")


def test_a_table_names_its_pairs_itself(tmp_path: Path) -> None:
    strip(tmp_path, 2)
    table = tmp_path / "pairs.csv"
    table.write_text("left,right\n1.png,0.png\n")
    assert scenes(images(table)) == ["1.png 0.png"]
    with pytest.raises(UsageError, match="leave out pairing"):
        images(table, "name")


def test_film_frames_have_the_altitudes_of_their_cameras(tmp_path: Path) -> None:
    strip(tmp_path, 3)
    pose = np.eye(4)
    pose[2, 3] = MOON_RADIUS_M + 110_000
    cameras = {"1.png": {"cam2world_refined": pose.tolist()}}
    (tmp_path / "cameras.json").write_text(json.dumps({"note": "ours", "cameras": cameras}))
    source = apollo(tmp_path)
    assert [c.altitude_m for c in source.candidates()] == [110_000, 110_000]
    assert source.notices == {"NOTICE.txt": b"ours\n"}


@pytest.mark.parametrize("text", ["[]", "{", '{"cameras": {"1.png": {"cam2world": [1, 2]}}}'])
def test_damaged_film_cameras_are_refused(tmp_path: Path, text: str) -> None:
    strip(tmp_path, 2)
    (tmp_path / "cameras.json").write_text(text)
    with pytest.raises(InputError, match=r"cameras\.json: not a camera file \("):
        apollo(tmp_path)
