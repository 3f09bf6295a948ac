from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.known_pairs import KnownPair
from lunar_runtime.cameras import Intrinsics, pixel_rays

DATA = Path(os.environ.get("LUNAR_DATA", Path(__file__).resolve().parents[3] / "shared/data"))


@pytest.fixture(scope="session")
def stereolunar() -> Path:
    folder = DATA / "stereolunar"
    if not folder.exists():
        pytest.skip(f"no StereoLunar samples at {folder} (set LUNAR_DATA)")
    return folder


@pytest.fixture(scope="session")
def tilted_pair() -> KnownPair:
    """A plane tilted by 20°, seen by two cameras half a height apart; its images are noise."""
    camera = Intrinsics(100.0, 100.0, 48.0, 48.0)
    tilt = np.radians(20)
    normal = np.array([0.0, -np.sin(tilt), -np.cos(tilt)])
    rays = pixel_rays(camera, 96, 96).astype(np.float64)
    depth = -1000.0 * np.cos(tilt) / (rays @ normal)
    right_from_left = np.eye(4)
    right_from_left[0, 3] = -500.0
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (2, 96, 96), dtype=np.uint8)
    return KnownPair(
        "tilted", left, right, depth.astype(np.float32), camera, camera, right_from_left
    )
