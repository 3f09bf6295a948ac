from __future__ import annotations

from pathlib import Path

import pytest
from lunar_calib.datasets.shards import write_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight rendered pairs of 64 pixels a side."""
    folder = tmp_path_factory.mktemp("shards")
    list(write_shards(folder, 8, 64, seed=5))
    return folder
