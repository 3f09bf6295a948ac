"""Terrains whose every height is known, and where the published data lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lunar_calib.render.terrain import Terrain, gradient_of
from lunar_calib.specs.pair_spec import TerrainSpec
from numpy.typing import NDArray

DATA = Path(os.environ.get("LUNAR_DATA", Path(__file__).resolve().parents[3] / "shared/data"))


def terrain_of(height_m: NDArray[Any], cell_m: float = 50.0) -> Terrain:
    """A heightfield from an array, periodic; keep away from a seam that does not match."""
    height_m = np.ascontiguousarray(height_m, np.float32)
    spec = TerrainSpec(seed=0, cells=height_m.shape[0], cell_m=cell_m)
    return Terrain(spec, height_m, gradient_of(height_m, cell_m))


def pixels_of(file: Path) -> NDArray[np.uint8]:
    """(H, W) uint8 of a grey image, by another way than the project's own."""
    image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.dtype == np.uint8
    return np.asarray(image, np.uint8)


def texture(seed: int, shape: tuple[int, int] = (96, 96)) -> NDArray[np.uint8]:
    """Grey noise with some lumps, no two alike."""
    rng = np.random.default_rng(seed)
    fine = rng.normal(0, 12, shape) + cv2.GaussianBlur(rng.normal(0, 300, shape), (0, 0), 6)
    return np.clip(rng.uniform(70, 150) + fine, 1, 250).astype(np.uint8)


def write(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def strip(folder: Path, count: int, shape: tuple[int, int] = (96, 96)) -> list[NDArray[np.uint8]]:
    """Images 0.png, 1.png, … and what is in them."""
    pixels = [texture(i, shape) for i in range(count)]
    for i, image in enumerate(pixels):
        write(folder / f"{i}.png", image)
    return pixels


@pytest.fixture
def stereolunar() -> Path:
    """The folder with StereoLunar's sample scenes."""
    folder = DATA / "stereolunar"
    if not folder.is_dir():
        pytest.skip(f"no StereoLunar samples at {folder} (set LUNAR_DATA)")
    return folder
