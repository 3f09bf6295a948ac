"""`lunar-infer --other-suns`: what is added, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime import OtherSun, Rig, read_other_suns
from lunar_runtime.commands.infer import main
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.geometry.rig_file import read_rig
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.inference.other_suns import with_other_suns

from .outcomes import Outcome, run_main

ROOT = Path(__file__).resolve().parents[2]
PAIR = [ROOT / "examples" / "pair" / f"{side}.png" for side in ("left", "right")]
RIG = ROOT / "examples" / "pair" / "rig.json"


@pytest.fixture
def infer(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Outcome]:
    def run(*arguments: object, how: Sequence[object] = ("--geometry-only",)) -> Outcome:
        given = [*PAIR, "--rig", RIG, "--out", tmp_path / "o", "--threads", "1", *how, *arguments]
        return run_main(main, given, capfd)

    return run


def suns(tmp_path: Path, *entries: dict[str, object]) -> Path:
    path = tmp_path / "suns.json"
    path.write_text(json.dumps({"other_suns": list(entries)}))
    return path


def test_an_image_with_its_pose_is_told_of_in_the_report(
    infer: Callable[..., Outcome], tmp_path: Path
) -> None:
    pose = read_rig(RIG).right_from_left
    assert pose is not None
    told = suns(tmp_path, {"image": str(PAIR[1]), "other_from_left": pose.tolist()})
    found = infer("--other-suns", told)
    assert (found.code, found.err) == (0, "")
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    (other,) = report["refinement"]["shading"]["left"]["other_suns"]
    # The right image itself: the surface foretells it, and it lies where its pose puts it.
    assert other["explained"] > 0.5
    assert np.hypot(*other["shift_px"]) < 1.5
    plain = infer("--overwrite")
    assert plain.code == 0
    again = json.loads((tmp_path / "o" / "report.json").read_text())
    assert again["refinement"]["shading"]["left"]["other_suns"] == []
    assert again["request"] != report["request"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"other_suns": []}', "other_suns holds 0 images; give 1 to 8"),
        ('{"other_suns": [{"image": "a.png", "sun": 3}]}', "unknown field `sun`"),
        ('{"other_suns": [{"image": "none.png"}]}', "none.png"),
        ("[]", "not a file of images under other suns"),
        (
            '{"other_suns": [{"image": "a.png", "intrinsics": [0, 1, 2, 3]}]}',
            "intrinsics need to be fx, fy, cx, cy in pixels",
        ),
        (
            '{"other_suns": [{"image": "a.png", "other_from_left": [[1, 0], [0, 1]]}]}',
            "other_from_left",
        ),
    ],
)
def test_a_file_that_is_wrong_is_one_line(
    infer: Callable[..., Outcome], tmp_path: Path, content: str, text: str
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 48), np.uint8))
    path = tmp_path / "suns.json"
    path.write_text(content)
    found = infer("--other-suns", path)
    assert (found.code, found.err.count("\n")) == (3, 1)
    assert text in found.err
    assert not (tmp_path / "o").exists()


def test_without_the_refinement_it_is_wrong_usage(
    infer: Callable[..., Outcome], tmp_path: Path
) -> None:
    told = suns(tmp_path, {"image": str(PAIR[0])})
    found = infer("--other-suns", told, how=("--refine", "off"))
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "--other-suns are of the refinement; leave out --refine off" in found.err


def test_images_lie_beside_their_file(tmp_path: Path) -> None:
    grey = np.arange(48 * 40, dtype=np.uint16).reshape(40, 48).astype(np.uint8)
    (tmp_path / "there").mkdir()
    cv2.imwrite(str(tmp_path / "there" / "a.png"), grey)
    (sun,) = read_other_suns(suns(tmp_path / "there", {"image": "a.png"}))
    np.testing.assert_array_equal(sun.grey, grey)
    assert sun.intrinsics is None and sun.other_from_left is None


def _pair() -> Pair:
    view = View(np.zeros((50, 100), np.uint8), CameraEstimate(Intrinsics(60, 60, 50, 25), "rig"))
    return Pair(view, view)


def test_an_image_of_the_left_camera_has_its_intrinsics_as_given() -> None:
    # A window of 200 x 100 px at (10, 20), shown at half its size.
    mapping = GridMapping(
        source_width=240, source_height=160, crop_x=10, crop_y=20, crop_width=200,
        crop_height=100, grid_width=100, grid_height=50,
    )  # fmt: skip
    sun = OtherSun(np.zeros((160, 240), np.uint8))
    (view,) = with_other_suns(_pair(), mapping, [sun], None).left.others
    assert view.intrinsics == Intrinsics(120, 120, 110, 70)
    small = OtherSun(np.zeros((160, 241), np.uint8))
    with pytest.raises(InputError, match="241x160 px, the left one 240x160; give its intrinsics"):
        with_other_suns(_pair(), mapping, [small], None)


def test_a_pose_in_metres_needs_the_baseline() -> None:
    pose = np.eye(4)
    pose[:3, 3] = 30, 0, 40
    sun = OtherSun(np.zeros((50, 100), np.uint8), None, pose)
    mapping = GridMapping.whole(50, 100)
    with pytest.raises(UsageError, match="need the pair's baseline"):
        with_other_suns(_pair(), mapping, [sun], None)
    (view,) = with_other_suns(_pair(), mapping, [sun], 100.0).left.others
    np.testing.assert_allclose(view.t, (0.3, 0, 0.4))
    assert Rig().right_from_left is None
