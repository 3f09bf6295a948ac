"""Stereo pair to pointmap, depth and slope without a network."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.errors import UsageError
from lunar_runtime.files.window import WindowsGiven, as_windows
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.answers import refined
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.degenerate import refuse_degenerate
from lunar_runtime.inference.options import InferOptions, SlopeKind, ViewChoice
from lunar_runtime.inference.other_suns import OtherSunsGiven, as_other_suns
from lunar_runtime.inference.pair import Image, Masks
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.inference.work import PairWork


@refuse_degenerate
def infer_geometry_only(
    left: Image,
    right: Image,
    rig: Rig | str | Path | None = None,
    *,
    view: ViewChoice = InferOptions.view,
    intrinsics: Intrinsics | None = None,
    baseline_m: float | None = None,
    altitude_m: float | None = None,
    slope: SlopeKind = InferOptions.slope,
    smoothing_px: float = InferOptions.smoothing_px,
    min_confidence: str | None = None,
    window: WindowsGiven = None,
    masks: Masks = (None, None),
    other_suns: OtherSunsGiven = (),
    longest_px: int = InferOptions.longest_px,
) -> StereoResult:
    """A pair without any network: the refinement alone, around a plane.

    A baseline to compare with, and what is left when the accelerator is down. Where the images do
    not overlap, the surface runs out into the plane, and `depth_sigma` says so. Arguments as in
    `StereoRuntime.infer`; the cameras must be known.

    Raises:
        UsageError: The options contradict each other, or the intrinsics are not given.
        NotRefinedError: The images do not give the geometry.
        InputError: The pair cannot be used.
    """
    options = InferOptions(
        view, intrinsics, baseline_m, altitude_m, slope, smoothing_px, min_confidence, "on",
        as_windows(window), as_other_suns(other_suns), longest_px,
    )  # fmt: skip
    options.check("all")
    work = PairWork.read(left, right, rig, options, masks, Clock())
    if not work.cameras_told:
        raise UsageError(
            "without a network the cameras cannot be estimated; give `intrinsics` FX,FY,CX,CY or a "
            "`rig` with them"
        )
    return refined(work, None)
