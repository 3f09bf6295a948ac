"""Reading a result folder, with nothing but NumPy and OpenCV.

Call: `python examples/read_result.py FOLDER`, a folder that lunar-infer wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np


def main(folder: Path) -> None:
    """Say what is in the folder."""
    # begin read
    report = json.loads((folder / "report.json").read_text())
    depth = cv2.imread(str(folder / "depth.tif"), cv2.IMREAD_UNCHANGED)  # (H, W) float32
    slope = cv2.imread(str(folder / "slope.tif"), cv2.IMREAD_UNCHANGED)
    points = np.load(folder / "pointmap.npz")["left"]  # (H, W, 3), left camera's frame
    # end read
    assert depth is not None and slope is not None

    print(f"made by {report['model']['student']} on {report['left']['path']}")
    print(f"unit {report['scale']['unit']}, from {report['scale']['source']}")
    for warning in report["warnings"]:
        print(f"warning: {warning}")

    valid = np.isfinite(depth)
    print(f"{depth.shape[1]} x {depth.shape[0]} px, {valid.mean():.1%} valid")
    print(f"depth {np.nanmin(depth):.1f} to {np.nanmax(depth):.1f}")
    print(f"slope {np.nanmedian(slope):.0f} degrees (median)")
    assert np.array_equal(points[..., 2][valid], depth[valid])  # depth is the points' z


if __name__ == "__main__":
    main(Path(sys.argv[1]))
