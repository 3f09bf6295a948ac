"""A situation: two images as a user has them, what the user says of them, and the truth.

A situation begins as a known pair with everything told rightly (`clean_situation`). A damage takes
a situation and gives another one: a pure function, so that a kind of damage is one function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.rig import Rig, RigPose
from lunar_runtime.geometry.slope import slope_deg
from numpy.typing import NDArray

#: What a user may tell: name -> fields of `Told`. `fixed` holds the pose.
GIVINGS: dict[str, tuple[str, ...]] = {
    "rig": ("left", "right", "right_from_left", "up_left"),
    "rig, altitude": ("left", "right", "right_from_left", "up_left", "altitude_m"),
    "rig, baseline": ("left", "right", "right_from_left", "up_left", "baseline_m"),
    "pose without up": ("left", "right", "right_from_left"),
    "cameras, altitude": ("left", "right", "altitude_m"),
    "cameras, up, altitude": ("left", "right", "up_left", "altitude_m"),
    "cameras, baseline": ("left", "right", "baseline_m"),
    "cameras": ("left", "right"),
    "altitude": ("altitude_m",),
    "baseline": ("baseline_m",),
    "nothing": (),
}


@dataclass(frozen=True)
class Told:
    """What a user tells of a pair; None = nothing. Fields as in `Rig` and `StereoRuntime.infer`."""

    left: Intrinsics | None = None
    right: Intrinsics | None = None
    right_from_left: NDArray[np.float64] | None = None
    up_left: NDArray[np.float64] | None = None
    altitude_m: float | None = None
    baseline_m: float | None = None
    pose: RigPose = "initial"
    focal_sigma: float | None = None

    def only(self, giving: str) -> Told:
        """What `GIVINGS` has under this name."""
        kept = {name: getattr(self, name) for name in GIVINGS[giving]}
        return Told(
            **kept,
            pose=self.pose if "right_from_left" in kept else "initial",
            focal_sigma=self.focal_sigma if "left" in kept else None,
        )

    def rig(self) -> Rig:
        """What of it a rig file holds."""
        return Rig(
            left=self.left,
            right=self.right,
            right_from_left=self.right_from_left,
            up_left=self.up_left,
            pose=self.pose,
            focal_sigma=self.focal_sigma,
        )


@dataclass(frozen=True)
class Ground:
    """The truth of the left image as given, (H, W) each.

    Attributes:
        depth: True Z, metres; NaN where the image shows no ground, or nobody knows.
        slope: True slope, degrees from the true up, at 2 px.
        clean_slope: What the runtime says of the undamaged pair; NaN where it says nothing.
        hidden: Where a damage has covered the ground: a depth there rests on nothing.
    """

    depth: NDArray[np.float32]
    slope: NDArray[np.float32]
    clean_slope: NDArray[np.float32]
    hidden: NDArray[np.bool_]

    def window(self, rows: slice, columns: slice) -> Ground:
        """A window of it."""
        return Ground(*(values[rows, columns] for values in self._maps()))

    def turned_over(self) -> Ground:
        """Mirrored, left for right."""
        return Ground(*(values[:, ::-1] for values in self._maps()))

    def at(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> Ground:
        """What lies at (H, W) pixel positions (top-left centre at 0.5), the nearest pixel's.

        Beyond the image there is no ground.
        """
        height, width = self.depth.shape
        column, row = np.floor(x).astype(int), np.floor(y).astype(int)
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
        depth, slope, clean, hidden = (values[row, column] for values in self._maps())
        depth, slope, clean = (np.where(inside, v, np.nan) for v in (depth, slope, clean))
        return Ground(depth, slope, clean, hidden)

    def covered(self, area: NDArray[np.bool_]) -> Ground:
        """With an area of the image where there is no ground to see."""
        unknown = np.float32(np.nan)
        return Ground(
            np.where(area, unknown, self.depth),
            np.where(area, unknown, self.slope),
            self.clean_slope,
            self.hidden | area,
        )

    def _maps(self) -> tuple[NDArray[Any], ...]:
        return self.depth, self.slope, self.clean_slope, self.hidden


@dataclass(frozen=True)
class Situation:
    """What a run is given, and what is true.

    Attributes:
        left: (H, W), (H, W, 3) or (H, W, 4): pixels as given; may be masked (`np.ma`).
        right: The same.
        told: What is said of them.
        ground: The truth; None where the images show no ground that both have.
        parameters: What was done, with units in the names.
        files: Bytes of the left and the right file, where the situation is about files; else the
            arrays are handed over.
    """

    left: NDArray[Any]
    right: NDArray[Any]
    told: Told
    ground: Ground | None
    parameters: dict[str, float | str] = field(default_factory=dict)
    files: tuple[bytes, bytes] | None = None

    def having(self, **changes: Any) -> Situation:
        """With other fields."""
        return replace(self, **changes)

    def telling(self, **changes: Any) -> Situation:
        """With other words of the user's."""
        return replace(self, told=replace(self.told, **changes))

    def noting(self, **parameters: float | str) -> Situation:
        """With parameters added, four digits each."""
        rounded = {
            name: value if isinstance(value, str) else float(f"{value:.4g}")
            for name, value in parameters.items()
        }
        return replace(self, parameters=self.parameters | rounded)


class Draw(NamedTuple):
    """What a damage is drawn from.

    Attributes:
        rng: Of this situation alone.
        pair: The pair that the situation was made of.
        pairs: All pairs of the campaign: for wrong partners and other suns.
    """

    rng: np.random.Generator
    pair: KnownPair
    pairs: Sequence[KnownPair]

    def uniform(self, low: float, high: float) -> float:
        """Of an interval."""
        return float(self.rng.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> float:
        """Of an interval, every factor alike."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def away(self, low: float, high: float) -> float:
        """Of ±[low, high]."""
        return self.uniform(low, high) * float(self.rng.choice([-1, 1]))

    def one_of(self, *choices: Any) -> Any:
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        """True so often."""
        return bool(self.rng.uniform() < probability)


def clean_situation(pair: KnownPair, clean_slope: NDArray[np.float32] | None = None) -> Situation:
    """A pair as it is, with everything told, and rightly.

    Args:
        pair: With its up.
        clean_slope: (H, W) degrees, of the runtime; None = not known.
    """
    assert pair.up_left is not None
    depth = np.where(pair.depth > 0, pair.depth, np.float32(np.nan))
    told = Told(
        pair.camera_left,
        pair.camera_right,
        pair.right_from_left,
        pair.up_left,
        camera_height_m(depth, pair.camera_left),
        float(np.linalg.norm(pair.right_from_left[:3, 3])),
    )
    ground = ground_of(depth, pair.camera_left, pair.up_left)
    if clean_slope is not None:
        ground = replace(ground, clean_slope=clean_slope)
    return Situation(pair.left, pair.right, told, ground)


def ground_of(depth: NDArray[np.float32], camera: Intrinsics, up: NDArray[np.float64]) -> Ground:
    """The truth of one view, from its depth."""
    slope = slope_deg(true_pointmap(depth, camera), up)
    nothing = np.full(depth.shape, np.nan, np.float32)
    return Ground(depth, slope, nothing, np.zeros(depth.shape, np.bool_))


def camera_height_m(depth: NDArray[np.float32], camera: Intrinsics) -> float:
    """Above the plane through the true ground: what `altitude_m` means."""
    return fit_plane(true_pointmap(depth, camera)).camera_height
