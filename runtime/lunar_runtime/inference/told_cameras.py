"""Whether cameras and lengths that were told can be those of the images, by numbers alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

import numpy as np

from lunar_runtime.errors import InputError, LunarError, UsageError
from lunar_runtime.files.images import GreyImage
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import (
    MOST_FOCAL_SIGMA,
    Rig,
    RigPose,
    check_attitude_sigma,
    rigid_transform,
)
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import ImagePair, Lenses

if TYPE_CHECKING:
    from lunar_runtime.inference.result import Refinement

# Of a pinhole's view, degrees. Wide-angle lenses end at 120; 0.05 is a telescope on the ground.
_WIDEST_DEG, _NARROWEST_DEG = 150.0, 0.05
_FARTHEST_AXIS = math.tan(math.radians(_WIDEST_DEG / 2))  # from the image, in focal lengths
# Twice the principal point over the image's size, both ways alike: an image of another size. Real
# principal points are within 1.1.
_LEAST_OTHER_SIZE = 1.25
_ALIKE = 0.03
_FARTHEST_CENTRE = 0.06  # of the image, from its middle; real cameras have up to 0.05
# Baseline over altitude. Two images share ground from 0.01 to 1.5 or so.
_LEAST_BASELINE, _MOST_BASELINE = 1e-3, 10.0


def check_told_cameras(images: ImagePair, options: InferOptions, rig: Rig) -> Lenses:
    """Refuse what cannot be, before anything is looked for in the images.

    Args:
        images: As given.
        options: Intrinsics and lengths.
        rig: What it tells of the same.

    Returns:
        The lenses to take out of the images.

    Raises:
        UsageError: An option cannot be.
        InputError: Something in the rig cannot be.
    """
    _check_rig(rig)
    if options.intrinsics is not None and not isinstance(options.intrinsics, Intrinsics):
        raise UsageError("`intrinsics`: make them with Intrinsics(fx, fy, cx, cy)")
    lenses = rig.lenses
    if options.intrinsics is not None and lenses != (None, None):
        raise UsageError(
            "`intrinsics` takes the place of the rig's, whose distortion belongs to its own; write "
            "the intrinsics into the rig"
        )
    for side, image, lens in zip(("left", "right"), images, lenses, strict=True):
        told = options.intrinsics or (rig.right or rig.left if side == "right" else rig.left)
        if told is not None and lens is None:
            by_option = options.intrinsics is not None
            _check_field(side, told, image, UsageError if by_option else InputError)
        if lens is not None:
            try:
                lens.check(*image.source_size)
            except InputError as error:
                raise InputError(f"rig, {side} camera: {error}") from error
    _check_lengths(options, rig)
    return lenses


def _check_rig(rig: Rig) -> None:
    """What `read_rig` refuses in a file, of a rig that was made in Python.

    Raises:
        InputError: As the function says.
    """
    for name, camera in (("left", rig.left), ("right", rig.right)):
        if camera is not None and not isinstance(camera, Intrinsics):
            raise InputError(f"rig, {name} camera: make it with Intrinsics(fx, fy, cx, cy)")
    for name in ("right_from_left", "body_from_left", "up_left"):
        values = getattr(rig, name)
        if values is not None and not isinstance(values, np.ndarray):
            raise InputError(f"rig: {name} must be a NumPy array, not a {type(values).__name__}")
        if values is not None and name != "up_left":
            rigid_transform(f"rig: {name}", values)
    if rig.pose not in get_args(RigPose):
        raise InputError(f"rig: pose {rig.pose!r}; choose one of {', '.join(get_args(RigPose))}")
    if not all(math.isfinite(sigma) and sigma > 0 for sigma in rig.pose_sigma_deg):
        raise InputError(
            f"rig: pose_sigma_deg must be two positive numbers, not {list(rig.pose_sigma_deg)}"
        )
    try:
        check_attitude_sigma(rig.attitude_sigma_deg)
    except InputError as error:
        raise InputError(f"rig: {error}") from error
    if rig.focal_sigma is not None and not 0 < rig.focal_sigma < MOST_FOCAL_SIGMA:
        raise InputError(
            f"rig: focal_sigma {rig.focal_sigma:g} must be a share of the focal length, above 0 "
            f"and below {MOST_FOCAL_SIGMA:g}: 0.002 is 0.2 %"
        )


def doubt_size(
    images: ImagePair, options: InferOptions, rig: Rig, refinement: Refinement | None = None
) -> tuple[str, ...]:
    """Whether intrinsics seem to be those of an image of another size.

    A window of an image may have its principal point anywhere, so that this is no proof. A rig's
    pose is: images that were refined bear out the intrinsics with it.

    Args:
        images: As given.
        options: May have intrinsics.
        rig: May have them, and a pose.
        refinement: What the images made of them; None = they were not asked.

    Raises:
        InputError: The images bear out neither the rig's pose nor the intrinsics.
    """
    told = options.intrinsics or rig.left
    posed = rig.right_from_left is not None
    if told is None or (posed and refinement is not None and refinement.done):
        return ()
    width, height = images.left.source_size  # also of a window: intrinsics are the whole image's
    across, down = 2 * told.cx / width, 2 * told.cy / height
    alike = abs(across - down) <= _ALIKE * max(across, down)
    if not alike or 1 / _LEAST_OTHER_SIZE < across < _LEAST_OTHER_SIZE:
        return () if posed else _doubt_middle(told, (width, height))
    doubt = (
        f"the principal point ({told.cx:g}, {told.cy:g}) is far from the middle of the image of "
        f"{width}x{height} px; the intrinsics seem to be those of an image of "
        f"{2 * told.cx:.0f}x{2 * told.cy:.0f} px"
    )
    if posed and refinement is not None:
        raise InputError(
            f"{doubt}, and the images bear out neither them nor the rig's pose; give the "
            "intrinsics of the images as given"
        )
    return (doubt,)


def _doubt_middle(told: Intrinsics, size: tuple[int, int]) -> tuple[str, ...]:
    """A principal point away from the middle is that of a part of an image, or wrong.

    Without a pose the images tell a wrong one in two of three pairs only.
    """
    off = max(abs(told.cx / size[0] - 0.5), abs(told.cy / size[1] - 0.5))
    if off <= _FARTHEST_CENTRE:
        return ()
    return (
        f"the principal point ({told.cx:g}, {told.cy:g}) is {off:.0%} of the image of "
        f"{size[0]}x{size[1]} px from its middle; of a part of an image, give the whole and "
        "`window`",
    )


def _check_field(side: str, told: Intrinsics, image: GreyImage, kind: type[LunarError]) -> None:
    axes = ((told.fx, told.cx, "fx", "cx"), (told.fy, told.cy, "fy", "cy"))
    for size, whole, (focal, centre, name, centre_name) in zip(
        image.size, image.source_size, axes, strict=True
    ):
        if not -_FARTHEST_AXIS * focal < centre < whole + _FARTHEST_AXIS * focal:
            raise kind(
                f"`intrinsics` of the {side} camera: {centre_name} {centre:g} px is so far from an "
                f"image of {whole} px that no ray of it is within {_WIDEST_DEG / 2:.0f} degrees of "
                "the axis; write FX,FY,CX,CY in pixels of the image as given"
            )
        field_deg = 2 * math.degrees(math.atan2(size / 2, focal))
        if not _NARROWEST_DEG < field_deg < _WIDEST_DEG:
            raise kind(
                f"`intrinsics` of the {side} camera: {name} {focal:g} px makes a field of view of "
                f"{field_deg:.3g} degrees of {size} px; write FX,FY,CX,CY in pixels of the image "
                "as given (millimetres divided by the pixel's pitch)"
            )


def _check_lengths(options: InferOptions, rig: Rig) -> None:
    """Refuse lengths of which one cannot be in metres.

    Raises:
        InputError: As the function says.
    """
    if rig.right_from_left is None:
        return
    baseline = float(np.linalg.norm(rig.right_from_left[:3, 3]))
    if not baseline > 0:
        return
    if options.altitude_m is not None:
        share = baseline / options.altitude_m
        if not _LEAST_BASELINE < share < _MOST_BASELINE:
            raise InputError(
                f"the rig's baseline of {baseline:g} m is {share:.3g} times `altitude_m`; two "
                "images that show the same ground have 0.001 to 10: are both metres?"
            )
    if options.baseline_m is not None:
        ratio = options.baseline_m / baseline
        if not 0.5 < ratio < 2:
            raise InputError(
                f"`baseline_m` is {ratio:.3g} times the rig's baseline of {baseline:g} m; check "
                "which of them is right, and that both are metres"
            )
