"""What lunar-map refuses, in one line and without a file left."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from .moon import body_from_left, result_at, run, write

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed ([ground])")
# rasterio 1.4 with affine 3 warns in its own code.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def test_what_cannot_be_mapped_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pose = body_from_left(10, 20)
    good = write(result_at(pose), tmp_path / "good")
    base = result_at(pose)
    unscaled = replace(base.scale, metres_per_unit=None, source=type(base.scale.source)("relative"))
    relative = write(result_at(pose, scale=unscaled), tmp_path / "relative")
    warned = ("scale: no focal length; give `altitude_m`; depth stays relative",)
    told = result_at(pose, scale=unscaled, warnings=warned)
    because = write(told, tmp_path / "because")
    far = write(replace(base, body_from_left=body_from_left(10, 20, 400_000)), tmp_path / "far")
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3] @ np.diag([1.0, -1, -1])
    away = write(replace(base, body_from_left=turned), tmp_path / "away")
    level = base.up._replace(vector=np.array([1.0, 0, 0]))
    tilted = write(replace(base, up=level), tmp_path / "tilted")
    out = tmp_path / "maps"
    cases = (
        ((relative,), 2, "this depth is relative: give a rig that holds the pose, --baseline-m"),
        ((because,), 2, "is relative: no focal length; give --altitude-m; then run lunar-infer"),
        ((far,), 3, "km above the Moon's mean radius; check its direction"),
        ((away,), 3, "check its direction (left camera into body)"),
        ((tilted,), 3, "the result's up is 90 degrees off the Moon's radius"),
        ((tmp_path / "none",), 3, "no report.json in it"),
        ((tmp_path,), 3, f"the folder of 6 results; give one of them, as {away}"),
        ((good, "--cell-m", 1e6), 2, "--cell-m 1e+06: the view is"),
        ((good, "--cell-m", 5), 2, "--cell-m 5: the view is wider than 1024 such cells"),
        ((good, "--image", good / "depth.tif"), 3, "not the left image of this result"),
        ((good, "--like", good / "depth.tif"), 2, "not a map that lunar-map wrote"),
        ((good, "--like", good / "report.json"), 3, "not a raster that can be read"),
    )
    for arguments, expected, text in cases:
        code, _, err = run(capsys, *arguments, "--out", out)
        assert (code, err.count("\n")) == (expected, 1), (arguments, err)
        assert text in err
        assert not out.exists()
    assert run(capsys, good, "--out", out)[0] == 0
    code, _, err = run(capsys, good, "--out", out)
    assert code == 3 and "set --overwrite" in err
    assert run(capsys, good, "--out", out, "--overwrite")[0] == 0


def test_a_writer_that_fails_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = write(result_at(body_from_left(10.3, 77.4)), tmp_path / "result")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))  # as a disk that fills up
    try:
        code, _, err = run(capsys, result, "--out", tmp_path / "maps")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (code, err.count("\n")) == (3, 1)
    assert "cannot write (File too large); choose another place" in err
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
