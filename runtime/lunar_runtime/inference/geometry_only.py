"""Stereo pair to pointmap, depth and slope without a network."""

from __future__ import annotations

from lunar_runtime.errors import UsageError
from lunar_runtime.files.window import WindowsGiven, as_windows
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.assemble import Seen, assemble
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.degenerate import refuse_degenerate
from lunar_runtime.inference.doubts import doubt_images
from lunar_runtime.inference.fuse import fuse
from lunar_runtime.inference.maps import known_cameras
from lunar_runtime.inference.options import InferOptions, SlopeKind, ViewChoice
from lunar_runtime.inference.pair import Image, Masks, read_pair
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.inference.solve import solve_geometry
from lunar_runtime.inference.told_cameras import check_told_cameras


@refuse_degenerate
def infer_geometry_only(
    left: Image,
    right: Image,
    rig: Rig | None = None,
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
        as_windows(window),
    )  # fmt: skip
    options.check("all")
    rig = rig or Rig()
    clock = Clock()
    with clock.stage("read"):
        images = read_pair(left, right, options.window, masks)
        images.check_cameras(options, rig)
    lenses = check_told_cameras(images, options, rig)
    cameras = known_cameras(options, rig, images.wholes)
    if cameras is None:
        raise UsageError(
            "without a network the cameras cannot be estimated; give `intrinsics` FX,FY,CX,CY or a "
            "`rig` with them"
        )
    with clock.stage("refine"):
        grids = images.result_grids(cameras)
        known = known_cameras(options, rig, grids)
        assert known is not None
        pair = images.views(grids, known, lenses)
        fused, notes = fuse(pair, grids, None, options, rig)
    with clock.stage("geometry"):
        doubts = doubt_images(images, options, rig, fused.refinement)
        geometry = solve_geometry(fused, options, rig, notes=notes, doubts=doubts)
    greys, valid = (pair.left.grey, pair.right.grey), (pair.left.valid, pair.right.valid)
    return assemble(geometry, options, None, Seen(images, greys, valid, lenses), clock)
