"""The network alone and refined by the images, against the true depth of the example pair.

Call: `python examples/compare_with_truth.py [BUNDLE]`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from lunar_runtime import StereoRuntime, default_bundle_path, read_rig

PAIR = Path(__file__).parent / "pair"
NAMES: dict[str, Literal["off", "on"]] = {"network alone": "off", "refined": "on"}


def main(bundle: Path) -> None:
    """Print the median relative error of depth, of the network alone and refined."""
    true_depth = np.load(PAIR / "truth.npz")["depth_left"]  # (512, 512) float32, metres
    rig = read_rig(PAIR / "rig.json")
    with StereoRuntime.load(bundle) as runtime:
        for name, refine in NAMES.items():
            result = runtime.infer(
                PAIR / "left.png", PAIR / "right.png", rig, altitude_m=13163, refine=refine
            )
            # The network's grid is coarser than the truth's: bring the truth to the result's grid.
            height, width = result.depth.shape
            truth = cv2.resize(true_depth, (width, height), interpolation=cv2.INTER_AREA)
            # A scale is one number, and not what is compared here.
            scaled = result.depth * np.nanmedian(truth / result.depth)
            error = np.nanmedian(np.abs(scaled / truth - 1))
            print(f"{name:14} {width}x{height} px  depth off by {error:.3%} (median)")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default_bundle_path())
