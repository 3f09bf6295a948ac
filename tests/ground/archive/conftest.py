"""A bundle and a table of pairs for the tests over Dask."""

from __future__ import annotations

from pathlib import Path

import pytest
from runtime.images import encode, texture
from runtime.plane_bundle import write_plane_bundle

PAIRS = 6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plane_bundle(tmp_path_factory.mktemp("bundles") / "left", "left")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Six pairs; the fourth's right image is missing."""
    lines = ["left,right,out"]
    for i in range(PAIRS):
        for side in (0, 1):
            (tmp_path / f"{i}_{side}.png").write_bytes(encode(texture(2 * i + side), ".png"))
        lines.append(f"{i}_0.png,{i}_1.png,pairs/{i}")
    (tmp_path / "3_1.png").unlink()
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines))
    return path
