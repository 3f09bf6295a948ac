"""One picture that shows what came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def render_preview(
    left_grey: NDArray[np.uint8],
    depth: NDArray[Any],
    slope: NDArray[Any],
    confidence: NDArray[Any] | None = None,
    *,
    unit: str,
    relief: NDArray[Any] | None = None,
    title: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Draw left | depth | slope (| confidence)."""
    panels: list[NDArray[Any]] = [np.repeat(left_grey[..., None], 3, axis=-1)]
    for values in (depth, relief, slope, confidence):
        if values is None:
            continue
        finite = np.isfinite(values)
        low, high = np.percentile(values[finite], [1, 99]) if finite.any() else (0.0, 1.0)
        unit_values = np.clip((np.where(finite, values, low) - low) / max(high - low, 1e-12), 0, 1)
        panel = cv2.applyColorMap((unit_values * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
        panel[~finite] = 128
        panels.append(panel)
    return np.concatenate(panels, axis=1).astype(np.uint8)
