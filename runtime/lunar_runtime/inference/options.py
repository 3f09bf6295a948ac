"""What can be asked of a pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lunar_runtime.bundles.choices import OutputSet
from lunar_runtime.errors import UsageError

if TYPE_CHECKING:  # the command line takes choices and defaults from here, without NumPy
    from lunar_runtime.files.window import Windows
    from lunar_runtime.geometry.cameras import Intrinsics
    from lunar_runtime.inference.other_suns import OtherSun

ViewChoice = Literal["left", "right", "both"]
SlopeKind = Literal["physical", "paper"]
Refine = Literal["auto", "on", "off"]
VIEWS: tuple[ViewChoice, ...] = ("left", "right", "both")
SLOPES: tuple[SlopeKind, ...] = ("physical", "paper")
REFINES: tuple[Refine, ...] = ("auto", "on", "off")

#: Of `longest_px`; with fewer no map is left, and with more nothing was measured.
LEAST_LONGEST_PX, MOST_LONGEST_PX = 32, 2048
# A bench's camera, and a quarter of the way to the Earth.
_SHORTEST_M, _LONGEST_M = 1e-3, 1e8


@dataclass(frozen=True)
class InferOptions:
    """What to compute from a pair; see `StereoRuntime.infer`."""

    view: ViewChoice = "left"
    intrinsics: Intrinsics | None = None
    baseline_m: float | None = None
    altitude_m: float | None = None
    slope: SlopeKind = "physical"
    smoothing_px: float = 2.0
    min_confidence: str | None = None
    refine: Refine = "auto"
    window: Windows | None = None
    other_suns: tuple[OtherSun, ...] = ()
    longest_px: int = 1024

    @property
    def dropped_share(self) -> float:
        """Of the pixels, those with the largest expected error, which become invalid.

        Raises:
            UsageError: `min_confidence` is not a percentage from 0% to below 100%.
        """
        if self.min_confidence is None:
            return 0.0
        percent = str(self.min_confidence).strip()
        try:
            share = float(percent.removesuffix("%")) / 100
        except ValueError:
            share = math.nan
        if not (percent.endswith("%") and 0 <= share < 1):
            raise UsageError(
                f"`min_confidence` {percent}: needs to be a percentage below 100%, as 25% for "
                "dropping the quarter of the pixels whose expected error is largest"
            )
        return share

    def check(self, output_set: OutputSet) -> None:
        """Refuse options that contradict each other, or that a bundle cannot serve.

        Raises:
            UsageError: The line names the option.
        """
        if self.view not in VIEWS:
            raise UsageError(f"`view` {self.view}: choose one of {', '.join(VIEWS)}")
        if self.slope not in SLOPES:
            raise UsageError(f"`slope` {self.slope}: choose one of {', '.join(SLOPES)}")
        if self.refine not in REFINES:
            raise UsageError(f"`refine` {self.refine}: choose one of {', '.join(REFINES)}")
        if self.baseline_m is not None and self.altitude_m is not None:
            raise UsageError("`baseline_m` and `altitude_m` both fix the scale; give one of them")
        for name, length in (("baseline_m", self.baseline_m), ("altitude_m", self.altitude_m)):
            if length is not None and not (math.isfinite(length) and length > 0):
                raise UsageError(f"`{name}` {length:g}: needs to be a positive number of metres")
            if length is not None and not _SHORTEST_M <= length <= _LONGEST_M:
                raise UsageError(
                    f"`{name}` {length:g}: is no distance at the Moon; give metres, "
                    f"{_SHORTEST_M:g} to {_LONGEST_M:g}"
                )
        if not (math.isfinite(self.smoothing_px) and self.smoothing_px >= 0):
            raise UsageError(f"`smoothing_px` {self.smoothing_px:g}: needs to be 0 or more pixels")
        if not LEAST_LONGEST_PX <= self.longest_px <= MOST_LONGEST_PX:
            raise UsageError(
                f"`longest_px` {self.longest_px}: needs to be {LEAST_LONGEST_PX} to "
                f"{MOST_LONGEST_PX} pixels"
            )
        _ = self.dropped_share
        if self.refine != "off":
            return  # the refined pair has a pose and a right view of its own
        if self.other_suns:
            raise UsageError("`other_suns` are of the refinement; leave out `refine` off")
        if self.baseline_m is not None:
            raise UsageError(
                "`baseline_m` makes metres with a pose that the images measured; leave out "
                "`refine` off, or give `altitude_m`"
            )
        if output_set == "left" and self.view != "left":
            raise UsageError(
                f"`view` {self.view} needs the right pointmap, which this bundle does not have; "
                "refine the pair (`refine` auto), or export the student with "
                "`lunar-export --outputs both`"
            )
