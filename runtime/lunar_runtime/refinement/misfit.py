"""A number of the cameras that the matches would have otherwise, for the programs and in words."""

from __future__ import annotations

from typing import NamedTuple

from lunar_runtime.refinement.told_numbers import CameraNumber

CENTRES: tuple[CameraNumber, ...] = ("centre_x", "centre_y")
NAMES: dict[CameraNumber, str] = {
    "focal": "focal length given",
    "centre_x": "principal point given",
    "centre_y": "principal point given",
    "zoom": "right camera's focal length",
    "lens": "lens given",
}
#: A change is worked out in one step, as if it were small: farther, its size means nothing, and a
#: number that is told no better than this is not told. Lenses with k1 -0.4 exist.
FARTHEST: dict[CameraNumber, float] = {
    "focal": 0.3,
    "zoom": 0.3,
    "centre_x": 0.3,
    "centre_y": 0.3,
    "lens": 0.6,
}


class Misfit(NamedTuple):
    """A number of the cameras that the matches would have otherwise.

    Attributes:
        number: Which.
        change: That they ask for: relative of `focal` and `zoom`, pixels of `centre_x` and
            `centre_y`, k1 of `lens`.
        sigma: Its standard deviation.
        depth_change: What it does to depths in baselines: a relative change that nine of ten do not
            exceed; 0 of an untested number.
        focal_px: Of the cameras whose rays were judged.
        pose_step: Where the pose goes with the change.
    """

    number: CameraNumber
    change: float
    sigma: float
    depth_change: float
    focal_px: float
    pose_step: tuple[float, ...]

    def own_change(self) -> float:
        """The change as `changed` takes it."""
        return self.change / self.focal_px if self.number in CENTRES else self.change

    def words(self) -> str:
        """What the images ask for, for a user."""
        if abs(self.own_change()) > FARTHEST[self.number]:
            return (
                f"the images speak against the {NAMES[self.number]} by far; are the intrinsics in "
                "pixels of these images?"
            )
        off = f"{self.change:.3g} (± {self.sigma:.2g})"
        relative = f"{1 + self.change:.3f} times the one given (± {self.sigma:.3f})"
        return {
            "focal": f"the images ask for a focal length {relative}",
            "zoom": f"the images ask for a focal length of the right camera {relative}",
            "lens": f"the images ask for a lens with k1 {off}; give `distortion` in the rig",
            "centre_x": f"the images ask for a principal point {off} px further right",
            "centre_y": f"the images ask for a principal point {off} px further down",
        }[self.number]
