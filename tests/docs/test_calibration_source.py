"""The example in docs/extending/calibration-source.md makes a calibration set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from docs.calibration_source import make


def test_a_source_of_ones_own_makes_a_set(tmp_path: Path) -> None:
    # Two different scenes with grey levels and texture that calibrate something.
    rng = np.random.default_rng(0)
    ramp = np.linspace(60, 180, 96)
    left = np.stack([ramp * np.ones((96, 1)), (ramp * np.ones((96, 1))).T])
    noise = rng.normal(0, 12, (2, 2, 96, 96))
    views = np.clip(left + noise, 0, 255).astype(np.uint8)
    np.savez(tmp_path / "pairs.npz", left=views[0], right=views[1])
    assert make(tmp_path / "pairs.npz", tmp_path / "set") == 2
