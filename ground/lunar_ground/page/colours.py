"""Colour tables: perceptually uniform, and told apart by colour-blind readers."""

from __future__ import annotations

import cv2
import numpy as np
from lunar_runtime.report.preview import relief_colours
from numpy.typing import NDArray

# Steep is not red, safe is not green: blue and orange are told apart by all.
_HAZARD = ((46, 111, 164), (150, 150, 150), (240, 142, 44))
# Purple where a value is too small, green where it is too large: dark in the middle, so that the
# eye finds what is wrong on a dark page.
# What a method has more of is in its own colour: B's blue below 0, A's amber above.
_DIFFERENCE = ((196, 226, 255), (62, 130, 200), (32, 32, 36), (196, 116, 36), (255, 222, 170))
_ERROR = ((222, 188, 255), (149, 96, 203), (32, 32, 36), (66, 145, 90), (185, 240, 190))


def tables() -> dict[str, NDArray[np.uint8]]:
    """Name -> (256, 3) RGB."""
    ramp = np.arange(256, dtype=np.uint8)
    return {
        "grey": np.repeat(ramp[:, None], 3, axis=1),
        "viridis": _of_opencv(cv2.COLORMAP_VIRIDIS),
        "cividis": _of_opencv(cv2.COLORMAP_CIVIDIS),
        "magma": _of_opencv(cv2.COLORMAP_MAGMA),
        "relief": relief_colours()[:, ::-1],
        "error": _between(_ERROR),
        "difference": _between(_DIFFERENCE),
        "hazard": np.array(_HAZARD, np.uint8)[np.minimum(ramp // 86, 2)],
    }


def _of_opencv(colormap: int) -> NDArray[np.uint8]:
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    bgr = np.asarray(cv2.applyColorMap(ramp, colormap), np.uint8)
    return bgr.reshape(256, 3)[:, ::-1]


def _between(stops: tuple[tuple[int, int, int], ...]) -> NDArray[np.uint8]:
    at, places = np.linspace(0, 1, 256), np.linspace(0, 1, len(stops))
    channels = [np.interp(at, places, channel) for channel in zip(*stops, strict=True)]
    rgb: NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return rgb
