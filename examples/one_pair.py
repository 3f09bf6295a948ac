"""One pair from Python: two images to depth, slope and their expected errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lunar_runtime import StereoRuntime, read_rig

PAIR = Path(__file__).parent / "pair"


def main() -> None:
    """Run the example pair and say what came out."""
    with StereoRuntime.load() as runtime:  # the bundle in the package
        result = runtime.infer(
            PAIR / "left.png", PAIR / "right.png", read_rig(PAIR / "rig.json"), altitude_m=13163
        )

    # Every map is (H, W) float32 on the images' own pixels; NaN is invalid.
    print(f"depth: {np.nanmedian(result.depth):.0f} {result.unit} (median)")
    print(f"slope: {np.nanmean(result.slope > 15):.0%} steeper than 15 degrees")

    view = result.views["left"]
    if view.depth_sigma is not None:  # refined by the images
        print(f"expected error: {np.nanmedian(view.depth_sigma):.0f} {result.unit} (median)")

    # The point of one pixel, left camera's frame: x right, y down, z forward.
    x, y, z = result.pointmap_left[256, 256]
    print(f"the image's middle is at ({x:.0f}, {y:.0f}, {z:.0f}) {result.unit}")


if __name__ == "__main__":
    main()
