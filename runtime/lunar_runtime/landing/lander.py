"""The vehicle that is to stand on the ground, and the file that describes it.

A lander file is JSON::

    {"name": "four legs, 10 m",
     "footprint_diameter_m": 10,      everything below which the ground must be clear
     "pads": 4,                       3 or 4, evenly on a circle
     "pad_circle_diameter_m": 9,      [default: the footprint]
     "pad_diameter_m": 0.5,
     "slope_limit_deg": 10,           of the vehicle as it stands, worst heading
     "roughness_limit_m": 0.3,        highest ground above the plane of the pads
     "clearance_m": 0.4,              of the underside above that plane; optional
     "unknown_share": 0.05,           of the footprint that may be unseen
     "safe_probability": 0.95,        from which on a place counts as safe
     "rock_abundance": 0.05}          area covered by rocks, for those too small to see; optional

Definitions follow Ivanov, Huertas and Howard, "Probabilistic Hazard Detection for Autonomous Safe
Landing", AIAA 2013-5019: slope and roughness over all headings of the vehicle, of the plane through
the pads that carry it.
"""

from __future__ import annotations

import math
import os
from typing import Annotated

import msgspec

from lunar_runtime.errors import InputError
from lunar_runtime.files.regular_file import read_regular, text_bytes
from lunar_runtime.files.strict_json import check_json

#: What slope and roughness are.
DEFINITION = (
    "slope of the plane through the pads that carry, roughness the highest ground above it inside "
    "the footprint, of all headings the worst"
)
#: Whose definitions these are.
SOURCE = (
    "Ivanov, Huertas, Howard: Probabilistic Hazard Detection for Autonomous Safe Landing, "
    "AIAA 2013-5019"
)

_MAX_BYTES = 1 << 16
_Length = Annotated[float, msgspec.Meta(gt=0, le=1000)]
_Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Lander(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A vehicle and what it tolerates; see the module's text for every field."""

    footprint_diameter_m: _Length
    slope_limit_deg: Annotated[float, msgspec.Meta(gt=0, le=60)]
    roughness_limit_m: _Length
    clearance_m: _Length | None = None
    pads: Annotated[int, msgspec.Meta(ge=3, le=4)] = 4
    pad_circle_diameter_m: _Length | None = None
    pad_diameter_m: _Length = 0.5
    unknown_share: _Share = 0.05
    safe_probability: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.95
    rock_abundance: _Share | None = None
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""

    @property
    def pad_radius_m(self) -> float:
        """From the vehicle's axis to a pad's centre."""
        return (self.pad_circle_diameter_m or self.footprint_diameter_m) / 2

    @property
    def rise_limit_m(self) -> float:
        """How far ground may rise above the plane of the pads: roughness limit and clearance."""
        return min(self.roughness_limit_m, self.clearance_m or math.inf)

    @property
    def size(self) -> str:
        """Of the vehicle, in words."""
        return f"{self.footprint_diameter_m:g} m wide, {self.pads} pads"

    @property
    def limits(self) -> str:
        """Of slope and roughness, in words."""
        return f"slope to {self.slope_limit_deg:g} deg, roughness to {self.rise_limit_m:g} m"

    @property
    def words(self) -> str:
        """All that its classes rest on, in words."""
        return (
            f"{self.size}, {self.limits}; unknown to {self.unknown_share:.0%} of the footprint; "
            f"safe from P {self.safe_probability:g}, hazardous below 0.5"
        )


def read_lander(path: str | os.PathLike[str]) -> Lander:
    """Read a lander file.

    Raises:
        InputError: It cannot be read, or is not as the module says.
    """
    content = text_bytes(
        read_regular(path, _MAX_BYTES, "a lander file", "give a lander file"), path
    )
    try:
        check_json(content)
        lander = msgspec.json.decode(content, type=Lander)
    except ValueError as error:
        raise InputError(f"{path}: not a lander file: {error}") from error
    if lander.pad_radius_m * 2 > lander.footprint_diameter_m * (1 + 1e-9):
        raise InputError(
            f"{path}: pad_circle_diameter_m {lander.pad_circle_diameter_m:g} is larger than the "
            f"footprint, {lander.footprint_diameter_m:g}; the footprint holds the pads"
        )
    if lander.pad_diameter_m > lander.pad_radius_m * math.sqrt(2):
        raise InputError(f"{path}: pads of {lander.pad_diameter_m:g} m overlap; give a smaller one")
    return lander
