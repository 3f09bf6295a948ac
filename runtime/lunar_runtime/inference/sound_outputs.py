"""Are a network's outputs those of a sound network? Their statistics against clean pairs'.

A flipped bit in the weights mostly leaves outputs that are NaN, or the same whatever is seen: then
confidence is low, or the rays of the pointmap are no pinhole camera's. Refinement would go on with
such a prior, and nothing else in the result would show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import StudentRecord
from lunar_runtime.geometry.pointmaps import finite
from lunar_runtime.geometry.robust import middle
from lunar_runtime.inference.alarm import Alarm

_THIN = 2  # every other pixel tells it
_LEAST_FRONT = 0.99  # of the points: a sound network has all of them in front of the camera


class OutputBounds(NamedTuple):
    """What clean pairs have, with margin.

    Attributes:
        least_contrast: 99th over 1st percentile of the confidence.
        confidence: Lowest and highest median of it.
        most_bent: Root mean square departure of x / z and y / z from a pinhole's, over the view.
        most_range: 99th over 1st percentile of the depth.
        most_apart: Distance of a point from the median of those around it, over the median depth.
    """

    least_contrast: float
    confidence: tuple[float, float]
    most_bent: float
    most_range: float
    most_apart: float


# 1300 clean pairs, 800 of which set the bounds, have a contrast of 2.0 and more, 3.2 to 11.4, 0.024
# and 2.6 at most; networks with a flipped bit that harmed the result 1.5 to 2.6, 2.6 to 3.1 or
# infinite, 0.021 to infinite, and 3.9 to infinite: one of these, mostly two. Of 102 clean pairs no
# point is farther than 0.054 from those around it; a flipped bit of an exponent halves a depth.
_BOUNDS = {
    "a9b4a9d41646cce5fde31dd963f7b07568aa978b6e72dc08d7cf299baf8fa645": OutputBounds(
        least_contrast=1.8,
        confidence=(3.0, 14.0),
        most_bent=0.03,
        most_range=3.2,
        most_apart=0.2,
    )
}


def bounds_of(student: StudentRecord) -> OutputBounds | None:
    """Of a network, by its weights; None of one that nobody measured."""
    return _BOUNDS.get(student.checkpoint_sha256 or "")


def watch_outputs(
    outputs: Mapping[str, NDArray[np.float32]], bounds: OutputBounds | None
) -> tuple[Alarm, ...]:
    """What is not as it must be about a network's outputs.

    Args:
        outputs: Of the graph, by name, with the batch axis.
        bounds: Of this network; None = only what no network may give is looked for.
    """
    for side in ("left", "right"):
        if f"pointmap_{side}" not in outputs:
            continue
        seen = _unsound(
            outputs[f"pointmap_{side}"][0],
            outputs[f"confidence_{side}"][0],
            bounds,
            own_frame=side == "left",
        )
        if seen is not None:
            return (Alarm("network", f"{seen} in the network's {side} pointmap"),)
    return ()


def _unsound(
    points: NDArray[np.float32],
    confidence: NDArray[np.float32],
    bounds: OutputBounds | None,
    *,
    own_frame: bool,
) -> str | None:
    wrong = ~(finite(points) & np.isfinite(confidence))
    if wrong.any():
        return f"{np.count_nonzero(wrong)} pixels are not finite"
    thin = points[::_THIN, ::_THIN].astype(np.float64)
    z = thin[..., 2]
    if own_frame and np.mean(z > 0) < _LEAST_FRONT:
        return f"{np.mean(z <= 0):.0%} of the points lie behind the camera"
    if bounds is None:
        return None
    apart = _apart(points)
    if not apart <= bounds.most_apart:
        return f"a point lies {apart:.0%} of the depth away from those around it"
    if not own_frame:  # the right view's confidence varies more, and its points are the left's
        return None
    low, middle, high = np.percentile(confidence[::_THIN, ::_THIN], (1, 50, 99))
    least, most = bounds.confidence
    if not least <= middle <= most:
        return f"the median confidence is {middle:.1f}, {least:g} to {most:g} are ordinary"
    if high < bounds.least_contrast * low:
        return (
            f"confidence varies by {high / low:.1f} alone, {bounds.least_contrast:g} and more are "
            "ordinary"
        )
    near, far = np.percentile(z, (1, 99))
    if far > bounds.most_range * near:
        return f"depth varies by {far / max(near, 1e-9):.1f}, {bounds.most_range:g} is ordinary"
    bent = max(_bent(thin[..., 0] / z, 1), _bent(thin[..., 1] / z, 0))
    if bent > bounds.most_bent:
        return f"the rays are no pinhole camera's ({bent:.1%} of the view)"
    return None


def _apart(points: NDArray[np.float32]) -> float:
    """How far the loneliest point is from the median of those around it, over the median depth."""
    around = cv2.medianBlur(np.ascontiguousarray(points), 3)
    farthest = float(cv2.absdiff(points, around).max())
    return farthest / max(abs(middle(points[::_THIN, ::_THIN, 2])), 1e-9)


def _bent(tangent: NDArray[np.float64], axis: int) -> float:
    """Root mean square departure from a line along one axis, over its span."""
    place = np.linspace(-0.5, 0.5, tangent.shape[axis])
    place = place[None, :] if axis else place[:, None]
    centred = tangent - tangent.mean()
    slope = float(np.mean(centred * place) / np.mean(place**2))
    return float(np.sqrt(np.mean((centred - slope * place) ** 2)) / max(abs(slope), 1e-9))
