"""What a calibration set says of itself: the schema of `calibration.json`.

set/
  calibration.json     this file: every pair, its source, its statistics; digests of all files
  contact_sheet.png    all pairs at a glance
  images/              0000_left.png, 0000_right.png, …: 8-bit grey
  notices/             licence and notice files that came with the sources
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from lunar_runtime.bundles.checks import check_file_name
from lunar_runtime.bundles.manifest import Count, FileRecord, Sha256, UtcTime
from lunar_runtime.errors import InputError

FORMAT_VERSION = 1
MANIFEST_NAME = "calibration.json"
SHEET_NAME = "contact_sheet.png"
IMAGES_NAME = "images"
NOTICES_NAME = "notices"

LEAST_SCENES = 2
"""Different pairs, not counting augmented ones: ranges measured on one scene hold for it alone."""

FIRST_EVALUATION_SEED = 77_000_001
"""Rendered pairs of this seed and above evaluate exports; no calibration set holds them."""

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
SourceKind = Literal["rendered", "images", "stereolunar", "apollo"]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ImageStatistics(_Record, frozen=True, kw_only=True):
    """Of both images of a pair, each fitted into 256 × 256 px as a network would see it.

    Attributes:
        mean_grey: Mean grey level, 0-255.
        contrast: Standard deviation of the grey levels.
        shadow: Fraction of pixels darker than an eighth of the image's 99th percentile.
        white: Fraction of pixels at 254 or 255.
        texture: Mean length of the grey gradient, levels per pixel.
    """

    mean_grey: float
    contrast: float
    shadow: Fraction
    white: Fraction
    texture: float


class Augmentation(_Record, frozen=True, kw_only=True):
    """What was done to both images of a pair, in this order.

    Attributes:
        swap: Left and right changed places.
        flip: Both were mirrored, left to right.
        quarter_turns: Then both were turned counter-clockwise so many times by 90°.
    """

    swap: bool = False
    flip: bool = False
    quarter_turns: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0


class PairRecord(_Record, frozen=True, kw_only=True):
    """One pair.

    Attributes:
        name: Unique in the set.
        left: File of the left image.
        right: File of the right image, of the same size.
        source: Name of a `SourceRecord`.
        scene: Which pair of the source it is; augmented copies of a pair share it.
        augmentation: What was done to the source's images.
        statistics: Of the images as they are in the set.
        original_sha256: SHA-256 of the two images' grey pixels before augmentation, left first;
            see `pixel_sha256`.
        altitude_m: Mean of both cameras above the site (rendered) or the mean sphere, metres, where
            known.
        sun_elevation_deg: Where known.
        seed: Of a rendered pair.
    """

    name: str
    left: str
    right: str
    source: str
    scene: str
    augmentation: Augmentation
    statistics: ImageStatistics
    original_sha256: tuple[Sha256, Sha256]
    altitude_m: float | None = None
    sun_elevation_deg: float | None = None
    seed: Count | None = None


class SourceRecord(_Record, frozen=True, kw_only=True):
    """Where pairs are from.

    Attributes:
        name: Unique in the set.
        kind: How it was read.
        licence: In words, or `not stated`.
        notices: Files of the set with its licence or notice.
        candidates: Pairs that it offered, augmented ones included.
    """

    name: str
    kind: SourceKind
    licence: str
    notices: tuple[str, ...]
    candidates: Count


class CoverageRecord(_Record, frozen=True, kw_only=True):
    """How the set covers one quantity.

    Attributes:
        quantity: `mean grey`, `shadow`, …, or `source`.
        labels: Names of the bins, in order.
        edges: The bins' n + 1 edges if the quantity is a number; a last bin beyond them is
            `unknown`. Empty for `source`.
        candidates: How many candidates fell into each bin.
        chosen: How many pairs of the set do.
    """

    quantity: str
    labels: tuple[str, ...]
    edges: tuple[float, ...]
    candidates: tuple[Count, ...]
    chosen: tuple[Count, ...]


class CalibrationManifest(_Record, frozen=True, kw_only=True):
    """Everything that is known of a calibration set.

    Attributes:
        digest: SHA-256 over names, order and pixels of all pairs; see
            `calibration_set.content_digest`.
        pairs: In the order of choice: the first ones cover most.
        sources: What they are from.
        coverage: Per quantity.
        versions: Of the software that made it.
        created: UTC.
        files: Every file except this one, by name.
        format_version: Of this schema.
    """

    digest: Sha256
    pairs: tuple[PairRecord, ...]
    sources: tuple[SourceRecord, ...]
    coverage: tuple[CoverageRecord, ...]
    versions: dict[str, str]
    created: UtcTime
    files: dict[str, FileRecord]
    format_version: int = FORMAT_VERSION


class _Version(msgspec.Struct):
    format_version: int


def encode(manifest: CalibrationManifest) -> bytes:
    """The manifest as indented JSON, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(text: bytes, path: Path | str = MANIFEST_NAME) -> CalibrationManifest:
    """Read and check a manifest.

    Args:
        text: JSON, UTF-8.
        path: Named in the error.

    Raises:
        InputError: Not JSON, of another format version, with a field that is missing, unknown or of
            the wrong type, or contradicting itself.
    """
    again = "copy the set again or make it with lunar-calib make"
    try:
        version = msgspec.json.decode(text, type=_Version).format_version
        if version != FORMAT_VERSION:
            raise InputError(
                f"{path}: format_version {version}, this version reads {FORMAT_VERSION}; "
                "make the set again with lunar-calib make"
            )
        manifest = msgspec.json.decode(text, type=CalibrationManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a calibration set's manifest ({error}); {again}") from error
    problem = contradiction(manifest)
    if problem:
        raise InputError(f"{path}: {problem}; {again}")
    return manifest


def contradiction(manifest: CalibrationManifest) -> str | None:
    """Why a manifest that fits the schema still cannot be right; None if it can."""
    for name in manifest.files:
        problem = check_file_name(name)
        if problem:
            return f"file name {name!r}: {problem}"
    sources = [source.name for source in manifest.sources]
    names = [pair.name for pair in manifest.pairs]
    images = [name for pair in manifest.pairs for name in (pair.left, pair.right)]
    for what, values in (("a source", sources), ("a pair", names), ("an image", images)):
        if len(set(values)) < len(values):
            return f"{what} is listed twice"
    needed = [*images, *(notice for source in manifest.sources for notice in source.notices)]
    absent = [name for name in needed if name not in manifest.files]
    if absent:
        return f"{absent[0]} is not in `files`"
    foreign = [pair.source for pair in manifest.pairs if pair.source not in sources]
    if foreign:
        return f"source {foreign[0]!r} is not in `sources`"
    scenes = {(pair.source, pair.scene) for pair in manifest.pairs}
    if len(scenes) < LEAST_SCENES:
        return f"{len(scenes)} scene; a calibration set needs {LEAST_SCENES} or more"
    reserved = [p.seed for p in manifest.pairs if (p.seed or 0) >= FIRST_EVALUATION_SEED]
    if reserved:
        return f"seed {reserved[0]} is reserved for evaluation"
    return next(filter(None, map(_coverage_problem, manifest.coverage)), None)


def _coverage_problem(record: CoverageRecord) -> str | None:
    bins = len(record.labels)
    if not bins == len(record.candidates) == len(record.chosen):
        return f"coverage of {record.quantity}: {bins} labels for another number of bins"
    if record.edges and len(record.edges) != bins:
        return f"coverage of {record.quantity}: {len(record.edges)} edges for {bins} bins"
    if not all(map(math.isfinite, record.edges)):
        return f"coverage of {record.quantity}: an edge is not finite"
    return None
