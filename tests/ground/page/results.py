"""Result folders for pages: of a rendered pair, and of arrays with known content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_calib.datasets.rig_files import write_rig_pair
from lunar_calib.render.renderer import render_pair
from lunar_calib.specs.pair_sampling import sample_spec
from lunar_calib.truth.accuracy import true_pointmap
from lunar_ground.commands.view import main
from lunar_runtime import StereoRuntime, infer_geometry_only, read_rig
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.report.outputs import write_result

SIZE = 192


def run(capture: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `lunar-view` with these arguments."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capture.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def write_results(folder: Path) -> Path:
    """A rendered pair, `pair`, and its results: `s0` (the network), `images`, `relative`."""
    rendered = render_pair(sample_spec(7, SIZE, "stereolunar", "oblique"))
    pair = write_rig_pair(rendered, folder / "pair")
    rig, images = read_rig(pair / "rig.json"), (pair / "left.png", pair / "right.png")
    cameras = replace(rig, right_from_left=None)
    assert rig.left is not None
    plane = fit_plane(true_pointmap(rendered.left.depth_m, rig.left))
    with StereoRuntime.load() as runtime:
        relative = runtime.infer(*images, cameras, refine="off")
        write_result(relative, folder / "relative")
        scaled = runtime.infer(*images, cameras, refine="off", altitude_m=plane.camera_height)
        write_result(scaled, folder / "s0")
    write_result(infer_geometry_only(*images, rig, view="both"), folder / "images")
    return folder


def changed(result: StereoResult, side: Any = "left", **maps: Any) -> StereoResult:
    """The result with other maps of one view."""
    view = replace(result.views[side], **maps)
    return replace(result, views={**result.views, side: view})


def nothing_of(pair: Path) -> StereoResult:
    """A result none of whose pixels has a depth."""
    with StereoRuntime.load() as runtime:
        result = runtime.infer(pair / "left.png", pair / "right.png", refine="off")
    nothing = np.full_like(result.depth, np.nan)
    return changed(result, depth=nothing, slope=nothing)
