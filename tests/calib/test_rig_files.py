from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.datasets.rig_files import write_rig_pair
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs import pinhole
from lunar_runtime.files.images import read_image
from lunar_runtime.geometry.rig_file import read_rig


@pytest.fixture(scope="module")
def pair() -> RenderedPair:
    return render_pair(sample_spec(5, 64, "stereolunar", "oblique"))


def test_the_runtime_reads_the_rig(tmp_path: Path, pair: RenderedPair) -> None:
    rig = read_rig(write_rig_pair(pair, tmp_path) / "rig.json")
    assert rig.left is not None and rig.right_from_left is not None
    np.testing.assert_allclose(rig.left.matrix(), pair.left.intrinsics)
    np.testing.assert_allclose(rig.right_from_left, pair.right_from_left, atol=1e-6)


def test_up_is_the_vertical_in_the_left_camera(tmp_path: Path, pair: RenderedPair) -> None:
    rig = read_rig(write_rig_pair(pair, tmp_path) / "rig.json")
    assert rig.up_left is not None
    np.testing.assert_allclose(pair.left.cam2world[:3, :3] @ rig.up_left, [0, 0, 1], atol=1e-9)


def test_truth_projects_into_the_right_camera(tmp_path: Path, pair: RenderedPair) -> None:
    folder = write_rig_pair(pair, tmp_path)
    rig = read_rig(folder / "rig.json")
    assert rig.left is not None and rig.right is not None and rig.right_from_left is not None
    with np.load(folder / "truth.npz") as file:
        points = pinhole.unproject(file["depth_left"], rig.left.matrix())
    uv = pinhole.project(pinhole.transform(rig.right_from_left, points), rig.right.matrix())
    # Both look at the same target within 12.5 m, which is the middle of both images.
    np.testing.assert_allclose(uv[32, 32], [32, 32], atol=6)


def test_images_are_written_losslessly(tmp_path: Path, pair: RenderedPair) -> None:
    folder = write_rig_pair(pair, tmp_path)
    np.testing.assert_array_equal(read_image(folder / "left.png").pixels, pair.left.image)
    np.testing.assert_array_equal(read_image(folder / "right.png").pixels, pair.right.image)
