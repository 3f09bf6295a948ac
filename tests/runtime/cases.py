"""Files of the shared cases and frames of StereoLunar; without them a test is skipped.

The files lie in ../shared/cases, or where LUNAR_CASES says; frames in LUNAR_DATA.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from numpy.typing import NDArray

SHARED = Path(__file__).resolve().parents[3] / "shared"
CASES = Path(os.environ.get("LUNAR_CASES", SHARED / "cases"))
DATA = Path(os.environ.get("LUNAR_DATA", SHARED / "data"))
NADIR = "Nadir_baseline_sample/paire2"
OBLIQUE = "Oblique_baseline_sample/paire1"


def case(name: str) -> Path:
    if not (CASES / name).exists():
        pytest.skip(f"no shared case {CASES / name} (LUNAR_CASES)")
    return CASES / name


def frame(scene: str, number: int) -> NDArray[np.uint8]:
    """(512, 512) of StereoLunar."""
    path = DATA / "stereolunar" / scene / f"im_{number:05d}.jpg"
    if not path.exists():
        pytest.skip(f"no StereoLunar frame {path} (LUNAR_DATA)")
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return np.asarray(image, np.uint8)


class Known(NamedTuple):
    """A StereoLunar pair with its cameras."""

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    camera: Intrinsics
    right_from_left: NDArray[np.float64]
    depth_m: NDArray[np.float32]

    def rig(self, **changes: Any) -> Rig:
        return replace(Rig(self.camera, self.camera, self.right_from_left), **changes)


def known(scene: str, number: int, depth: str) -> Known:
    """A pair of StereoLunar with what is true of it."""
    left, right = frame(scene, number), frame(scene, number + 1)
    folder = DATA / "stereolunar" / scene
    cameras = [dict(np.load(folder / f"im_{n:05d}.npz")) for n in (number, number + 1)]
    poses = [camera["cam2world"].astype(np.float64) for camera in cameras]
    truth = np.load(DATA / "stereolunar_depth" / f"{depth}_L.npz")["depth_m"]
    camera = Intrinsics.from_matrix(cameras[0]["intrinsics"].astype(np.float64))
    return Known(left, right, camera, np.linalg.inv(poses[1]) @ poses[0], truth)
