"""What options of `lunar-infer` do: the geometry alone, threads, `--strict`, smoothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from .outcomes import LEFT_FILES, Outcome, names

RIGHT_FILES = {"confidence_right.tif", "depth_right.tif", "slope_right.tif"}
SIGMA_FILES = {  # only of what the images refined
    "depth_sigma.tif",
    "depth_sigma_right.tif",
    "slope_sigma.tif",
    "slope_sigma_right.tif",
}


EXAMPLE = Path(__file__).parents[2] / "examples" / "pair"


def test_geometry_alone_needs_no_bundle_and_gives_expected_errors(
    infer: Callable[..., Outcome], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    images = EXAMPLE / "left.png", EXAMPLE / "right.png"
    outcome = infer(*images, "--rig", EXAMPLE / "rig.json", "--geometry-only", "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert names(out) == LEFT_FILES | {"depth_sigma.tif", "slope_sigma.tif"}
    report = json.loads((out / "report.json").read_text())
    assert report["model"] is None
    assert report["refinement"]["views"]["left"]["fraction"] > 0.8
    assert report["scale"]["unit"] == "m"  # the rig's baseline


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--refine", "off"), "leave out --refine off"),
        (("--bundle", "b"), "leave out --bundle"),
        ((), "--intrinsics"),
    ],
)
def test_geometry_alone_says_what_it_cannot_do_with(
    options: tuple[str, ...], said: str, infer: Callable[..., Outcome], tmp_path: Path
) -> None:
    images = EXAMPLE / "left.png", EXAMPLE / "right.png"
    outcome = infer(*images, "--geometry-only", *options, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "out").exists()


def test_threads_hold_for_opencv_too(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        outcome = infer(
            *pair, "--bundle", bundles["both"], "--out", tmp_path / "out", "--threads", 1
        )
        assert (outcome.code, cv2.getNumThreads()) == (0, 1)
    finally:
        cv2.setNumThreads(before)


def test_strict_refuses_a_guess_and_takes_what_was_measured(
    infer: Callable[..., Outcome], bundles: dict[str, Path], pair: tuple[Path, Path], tmp_path: Path
) -> None:
    # The network alone: --refine off is what `infer` adds.
    guess = infer(*pair, "--bundle", bundles["both"], "--out", tmp_path / "a", "--strict")
    assert guess.code == 3
    assert "guessed: the geometry is the network's alone" in guess.err
    assert guess.err.rstrip().endswith("--strict refuses it")
    assert not (tmp_path / "a").exists()
    rig = EXAMPLE / "rig.json"
    images = EXAMPLE / "left.png", EXAMPLE / "right.png"
    options = "--rig", rig, "--geometry-only", "--strict", "--out", tmp_path / "b"
    assert infer(*images, *options).code == 0


def test_c28_a_smoothing_that_leaves_no_slope_is_wrong_usage(
    infer: Callable[..., Outcome], bundles: dict[str, Path], pair: tuple[Path, Path], tmp_path: Path
) -> None:
    options = "--bundle", bundles["both"], "--smoothing-px", "60", "--out", tmp_path / "a"
    outcome = infer(*pair, *options)
    assert outcome.code == 2
    assert "--smoothing-px 60: leaves no slope" in outcome.err
    assert not (tmp_path / "a").exists()
