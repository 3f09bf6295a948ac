"""Cases of expected errors: C05, C17, C18; the real error is within what is told."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair, stereolunar_pairs
from lunar_runtime import Rig, StereoRuntime
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.slope import slope_deg

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA = Path(os.environ.get("LUNAR_DATA", SHARED / "data"))


def known(name: str) -> KnownPair:
    if not (DATA / "stereolunar").is_dir():
        pytest.skip(f"no folder {DATA / 'stereolunar'} (LUNAR_DATA)")
    return next(p for p in stereolunar_pairs(DATA / "stereolunar") if p.name.startswith(name))


def test_c05_without_intrinsics_the_depth_is_relative_or_its_error_covers_the_truth() -> None:
    left, right = (DATA / "apollo15" / f"AS15-M-{n}_SML.png" for n in ("0297", "0298"))
    if not left.exists():
        pytest.skip(f"no frame {left} (LUNAR_DATA)")
    with StereoRuntime.load(threads=1) as runtime:
        found = runtime.infer(left, right, baseline_m=40971)
    sigma, depth = found.views["left"].depth_sigma, found.views["left"].depth
    assert sigma is not None
    if found.unit == "m":
        assert abs(float(np.nanmedian(depth)) - 116_000) < 2 * float(np.nanmedian(sigma))
    else:
        assert found.verdict == "guessed"
        assert found.camera_left.source == "nominal"
        # Of a focal length that is anyone's guess: 183 km for 116 is within one sigma.
        assert float(np.nanmedian(sigma / depth)) == pytest.approx(0.5, abs=0.05)


def test_c17_the_error_by_an_altitude_contains_that_of_the_scale() -> None:
    pair = known("Oblique_paire1 sun 0")
    height_m = fit_plane(true_pointmap(pair.depth, pair.camera_left)).camera_height
    with StereoRuntime.load(threads=1) as runtime:
        found = runtime.infer(
            pair.left, pair.right, intrinsics=pair.camera_left, altitude_m=height_m
        )
    view = found.views["left"]
    assert view.depth_sigma is not None
    error = float(np.nanmedian(np.abs(view.depth - pair.depth)))
    assert error > 500  # the scale's: inside the overlap the surface itself is 30 m off
    assert error < 2 * float(np.nanmedian(view.depth_sigma))
    assert found.scale.sigma is not None
    assert found.scale.sigma > 0.01


def test_c18_a_crater_wall_that_fills_the_view_is_within_the_errors_of_up() -> None:
    pair = known("Nadir_paire2 sun 0")
    truth = true_pointmap(pair.depth, pair.camera_left)
    slope = slope_deg(truth, fit_plane(truth).normal)
    k, window = pair.camera_left, np.s_[180:340, 180:340]
    camera = Intrinsics(k.fx, k.fy, k.cx - 180, k.cy - 180)
    rig = Rig(camera, camera, pair.right_from_left)
    with StereoRuntime.load(threads=1) as runtime:
        found = runtime.infer(pair.left[window], pair.right[window], rig)
    view = found.views["left"]
    assert view.slope_sigma is not None
    error = float(np.nanmedian(np.abs(view.slope - slope[window])))
    assert error > 10  # up is the wall's normal
    assert error < 2 * float(np.nanmedian(view.slope_sigma))
    low, high = view.steep_ranges[15]
    assert low < float(np.mean(slope[window] > 15)) < high
