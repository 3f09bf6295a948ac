"""Terrains whose every height is known, and where the published data lie."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_calib.render.spec import TerrainSpec
from lunar_calib.render.terrain import Terrain, gradient_of

DATA = Path(os.environ.get("LUNAR_DATA", Path(__file__).resolve().parents[3] / "shared/data"))

cv2.setNumThreads(1)


def terrain_of(height_m, cell_m=50.0):
    """A heightfield from an array, periodic; keep away from a seam that does not match."""
    height_m = np.ascontiguousarray(height_m, np.float32)
    spec = TerrainSpec(seed=0, cells=height_m.shape[0], cell_m=cell_m)
    return Terrain(spec, height_m, gradient_of(height_m, cell_m))


@pytest.fixture
def stereolunar():
    """The folder with StereoLunar's sample scenes."""
    folder = DATA / "stereolunar"
    if not folder.is_dir():
        pytest.skip(f"no StereoLunar samples at {folder} (set LUNAR_DATA)")
    return folder
