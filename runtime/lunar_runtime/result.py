"""What comes out of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cameras import Intrinsics
from .images import GreyImage
from .manifest import OutputSet
from .options import InferOptions
from .plane import Plane
from .pose import PoseEstimate
from .preprocess import FrameMapping
from .scale import Scale

Side = Literal["left", "right"]


class CameraEstimate(NamedTuple):
    """Intrinsics, and where they came from.

    Attributes:
        intrinsics: In pixels of the network's grid.
        source: `option`, `rig` or `estimated`; with ` (left)` where the left camera's were taken
            for the right one.
    """

    intrinsics: Intrinsics
    source: str


class UpEstimate(NamedTuple):
    """The direction that slopes are measured from.

    Attributes:
        vector: (3,) unit vector, left camera's frame.
        source: `rig` or `plane`.
    """

    vector: NDArray[np.float64]
    source: str


@dataclass(frozen=True)
class ViewResult:
    """What is seen from one of the two cameras.

    Attributes:
        depth: (H, W) float32, Z in this camera's frame, in the result's unit; NaN = invalid.
        slope: (H, W) float32 degrees; NaN = invalid.
        confidence: (H, W) float32, 1 and more; what the network gave, unmasked.
    """

    depth: NDArray[np.float32]
    slope: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """The geometry of a pair, all of it in one unit.

    Attributes:
        pointmap_left: (H, W, 3) float32, left camera's frame; NaN = invalid.
        pointmap_right: (H, W, 3) float32, the points of the right image's pixels, also in the left
            camera's frame; None when the bundle has no right pointmap.
        confidence_left: (H, W) float32, as the network gave it.
        confidence_right: (H, W) float32, or None.
        views: `left`, `right` or both, as asked for.
        scale: The factor to metres that was applied, and where it came from.
        camera_left: Of the left image.
        camera_right: Of the right image.
        pose: The right camera's pose; None when it was not, or could not be, recovered.
        plane: The scene's robust plane, left camera's frame; None when there is none.
        up: What slopes are measured from.
        not_finite: Per output, pixels that the network gave as NaN or infinite; 0 is left out.
        warnings: What the user should know before trusting the numbers.
    """

    pointmap_left: NDArray[np.float32]
    pointmap_right: NDArray[np.float32] | None
    confidence_left: NDArray[np.float32]
    confidence_right: NDArray[np.float32] | None
    views: dict[Side, ViewResult]
    scale: Scale
    camera_left: CameraEstimate
    camera_right: CameraEstimate
    pose: PoseEstimate | None
    plane: Plane | None
    up: UpEstimate
    not_finite: dict[str, int]
    warnings: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Of every length here: `m` or `relative`."""
        return self.scale.unit


class ModelInfo(NamedTuple):
    """Which network ran, and on what."""

    bundle_path: Path
    bundle_digest: str
    student: str
    precision: str
    output_set: OutputSet
    backend: str
    device: str


class PairImage(NamedTuple):
    """One of the two images: as given, and as the network saw it, (H, W) uint8."""

    source: GreyImage
    network: NDArray[np.uint8]


@dataclass(frozen=True)
class StereoResult(Geometry):
    """Everything that came out of one pair: its geometry, and how it came about.

    Attributes:
        options: What was asked for.
        model: What ran.
        left: The left image.
        right: The right image.
        mapping: From the images as given to the network's grid; the same for both.
        timings_ms: Per stage.
    """

    options: InferOptions
    model: ModelInfo
    left: PairImage
    right: PairImage
    mapping: FrameMapping
    timings_ms: dict[str, float]

    @property
    def primary(self) -> Side:
        """The view of `depth`, `slope` and `confidence`: `right` only if that alone was asked."""
        return "right" if self.options.view == "right" else "left"

    @property
    def depth(self) -> NDArray[np.float32]:
        """(H, W) float32, Z in the primary view's camera frame; NaN = invalid."""
        return self.views[self.primary].depth

    @property
    def slope(self) -> NDArray[np.float32]:
        """(H, W) float32 degrees, of the primary view; NaN = invalid."""
        return self.views[self.primary].slope

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(H, W) float32, of the primary view."""
        return self.views[self.primary].confidence
