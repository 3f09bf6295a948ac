"""Every kind of situation: its damage, and what a user may tell beside it.

A new kind is one function in `damages` and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lunar_bench.honesty.damages import (
    cameras,
    covers,
    detector,
    files,
    ground,
    optics,
    partners,
    readout,
    rigs,
    transfer,
    views,
)
from lunar_bench.honesty.situation import Draw, Situation

Damage = Callable[[Situation, Draw], Situation]

_WITH_CAMERAS = ("rig", "rig, altitude", "cameras, altitude", "cameras, baseline", "cameras")
_ALL = (*_WITH_CAMERAS, "pose without up", "cameras, up, altitude")
_WITH_UP = ("rig", "rig, altitude", "cameras, up, altitude")
_WITH_POSE = ("rig", "rig, altitude", "pose without up")
_NO_POSE = ("cameras, altitude", "cameras, baseline", "cameras, up, altitude", "cameras")
_TWO_LENGTHS = ("rig, altitude", "rig, baseline")
_METRES = ("rig", "rig, altitude", "cameras, altitude", "cameras, baseline")


class Kind(NamedTuple):
    """A kind of situation.

    Attributes:
        damage: From a clean situation with everything told to this one.
        givings: What may be told, names of `GIVINGS`; one is drawn, after the damage.
        suns: Whether it needs a scene under several suns.
        tried: In which turn it was thought of, of `TURNS`: campaigns get harder.
    """

    damage: Damage
    givings: tuple[str, ...] = _ALL
    suns: bool = False
    tried: int = 0


#: What kinds of each turn are called. Shares of one turn can be compared with those of earlier
#: campaigns.
TURNS = ("the first kinds", "the seven after them", "the ten after these")


KINDS: dict[str, Kind] = {
    "noise": Kind(detector.noise),
    "blur": Kind(detector.blur),
    "few bits": Kind(detector.few_bits),
    "dark": Kind(detector.dark),
    "saturation": Kind(detector.saturation),
    "JPEG": Kind(detector.jpeg),
    "rolling gain": Kind(detector.rolling_gain),
    "hot pixels": Kind(detector.hot_pixels),
    "fixed pattern": Kind(detector.fixed_pattern),
    "echo": Kind(transfer.echo, tried=1),
    "swaying rows": Kind(transfer.swaying_rows, tried=1),
    "old blocks": Kind(transfer.old_blocks, tried=1),
    "wavelets": Kind(transfer.wavelets, tried=1),
    "resampled": Kind(transfer.resampled, tried=1),
    "sky": Kind(covers.sky),
    "wedges": Kind(covers.wedges),
    "fixed parts": Kind(covers.fixed_parts),
    "transparent": Kind(covers.transparent),
    "special pixels": Kind(covers.special_pixels),
    "no ground": Kind(partners.no_ground),
    "another scene": Kind(partners.another_scene),
    "own mask": Kind(partners.own_mask),
    "mirrored": Kind(partners.mirrored),
    "exchanged": Kind(partners.exchanged, (*_WITH_POSE, "cameras, up, altitude")),
    "stood still": Kind(partners.stood_still, _METRES),
    "only turned": Kind(partners.only_turned, _METRES),
    "calibration": Kind(cameras.calibration),
    "focal": Kind(cameras.focal),
    "principal point": Kind(cameras.principal_point),
    "K of another size": Kind(cameras.another_size),
    "distortion": Kind(cameras.distortion),
    "zoomed eye": Kind(cameras.zoomed_eye),
    "slight zoom": Kind(cameras.slight_zoom, tried=1),
    "wrong up": Kind(rigs.wrong_up, _WITH_UP),
    "up of the right camera": Kind(rigs.up_of_the_right, _WITH_UP, tried=1),
    "turned pose": Kind(rigs.turned_pose, _WITH_POSE),
    "wrong direction": Kind(rigs.wrong_direction, _WITH_POSE),
    "thousandfold": Kind(rigs.thousandfold, _TWO_LENGTHS),
    "wrong length": Kind(rigs.wrong_length, _TWO_LENGTHS),
    "altitude elsewhere": Kind(rigs.altitude_elsewhere, ("rig, altitude",)),
    "other sun": Kind(views.other_sun, suns=True),
    "narrow field": Kind(views.narrow_field),
    "no intrinsics": Kind(views.part_of_the_view, ("altitude", "baseline", "nothing")),
    "not square": Kind(views.not_square),
    "half the pixels": Kind(views.half_the_pixels, _NO_POSE),
    "files": Kind(files.written),
    "right of another size": Kind(views.right_of_another_size),
    "stray light": Kind(optics.stray_light, tried=2),
    "vignetting": Kind(optics.vignetting, tried=2),
    "smeared eye": Kind(optics.smeared_eye, tried=2),
    "frame-transfer smear": Kind(readout.frame_transfer_smear, tried=2),
    "gamma": Kind(readout.gamma, tried=2),
    "companded": Kind(readout.companded, tried=2),
    "rolling shutter": Kind(readout.rolling_shutter, tried=2),
    "video": Kind(readout.video, tried=2),
    "plain": Kind(ground.plain, tried=2),
    "ripples": Kind(ground.ripples, tried=2),
}
