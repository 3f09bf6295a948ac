"""What can be chosen of a rendered pair and of its files, spelled once.

The commands offer these values, specs and files hold them. Nothing heavy is imported here.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, get_args


class GeometryKind(str, Enum):
    """How the two cameras stand to each other: StereoLunar's three families, and a lander's two.

    `landing` is 40 to 650 m above ground with boulders: 0.06 to 1 m a pixel at 512 px. `approach`
    is 0.65 to 3 km above the same, through a camera of 5 to 43 degrees: 0.5 to 1 m a pixel.
    """

    NADIR = "nadir"
    OBLIQUE = "oblique"
    DYNAMIC = "dynamic"
    LANDING = "landing"
    APPROACH = "approach"


class DescentPath(str, Enum):
    """How a lander comes down.

    `approach`: from 10 km to 50 m and as far along, at first looking ahead, at last down.
    `terminal`: from 500 m to 20 m, nearly straight down, with a divert.
    """

    APPROACH = "approach"
    TERMINAL = "terminal"


#: StereoLunar's families: what is drawn where no kind is asked for.
ORBITAL_KINDS = (GeometryKind.NADIR, GeometryKind.OBLIQUE, GeometryKind.DYNAMIC)
LANDING_KINDS = (GeometryKind.LANDING, GeometryKind.APPROACH)


class Reflectance(str, Enum):
    """Photometric model of the regolith."""

    HAPKE = "hapke"
    LUNAR_LAMBERT = "lunar_lambert"


class Preset(str, Enum):
    """How images are made.

    `stereolunar`: attached shadows only, no albedo, min-max stretch, next to no noise.
    `realistic`: cast shadows, albedo, noise, vignetting, exposure.
    `mix`: half of each, the training default.
    """

    STEREOLUNAR = "stereolunar"
    REALISTIC = "realistic"
    MIX = "mix"


#: Files of a rendered pair: StereoLunar's frames; or what `lunar-infer` takes.
Layout = Literal["stereolunar", "rig"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

#: Of a frame's depth: inside its `.npz`; or an EXR file beside it.
DepthFormat = Literal["npz", "exr"]
DEPTH_FORMATS: tuple[DepthFormat, ...] = get_args(DepthFormat)

#: Of a frame's image.
ImageFormat = Literal["png", "jpg"]
IMAGE_FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)

#: How the images of a folder make pairs; see `image_sources.images`.
Pairing = Literal["order", "sequence", "name"]
PAIRINGS: tuple[Pairing, ...] = get_args(Pairing)

MOST_AUGMENTED = 15
"""Augmented copies that a square pair can have; a pair that is not square has 7."""
