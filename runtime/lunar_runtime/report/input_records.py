"""What went into a result, as report.json holds it: images, network, options, place."""

from __future__ import annotations

from typing import Literal

import msgspec

from lunar_runtime.inference.options import InferOptions


class Record(msgspec.Struct, frozen=True):
    """A part of report.json."""


class MaskReport(Record, frozen=True, kw_only=True):
    """A mask that was given beside an image.

    Attributes:
        path: Or `array`.
        sha256: Of the file; None for an array.
    """

    path: str
    sha256: str | None


class ImageReport(Record, frozen=True, kw_only=True):
    """An image as given, and how it became 8-bit grey.

    Attributes:
        path: Or `left array`, `right array`.
        sha256: Of the file, or of a label's file and its pixels' one after the other; None for an
            array, and for a window of a planetary image.
        width: Pixels.
        height: Pixels.
        window: Part of it that was taken for the whole: left, top, width and height; None = all.
        dtype: Of the values as given.
        channels: As given.
        stretch: Values that became 0 and 255; None where 8-bit values were kept.
        mask: What was given beside the image; None = nothing.
        masked_fraction: Of the image's pixels, those that are left out of everything.
        masked: Why -> share of the image: `file` (nodata, alpha, NaN, special values), `mask file`,
            `constant` (wedges, frames), `saturated`, `sky`, `fixed` (the same in both images
            although the ground moved).
        repaired_fraction: Of the image's pixels, hot and dead ones that became the median of those
            around them.
    """

    path: str
    sha256: str | None
    width: int
    height: int
    window: tuple[int, int, int, int] | None
    dtype: str
    channels: int
    stretch: tuple[float, float] | None
    mask: MaskReport | None
    masked_fraction: float
    masked: dict[str, float]
    repaired_fraction: float = 0.0


class WeightsReport(Record, frozen=True, kw_only=True):
    """The network's weights in memory, since it was loaded.

    Attributes:
        ranges: Whether they were held to the ranges in the bundle's manifest when they were loaded.
        held_bytes: Of weights that are compared with checksums after every pair; 0 = none are.
        not_held: Why none are; empty where they are.
        pairs: Pairs after which they were unchanged.
        mismatches: How often they were not.
        reloads: How often they were loaded again from the verified file.
        repeated: Pairs that were computed again because of that.
        check_ms: Time of the last comparison.
    """

    ranges: bool
    held_bytes: int
    not_held: str
    pairs: int
    mismatches: int
    reloads: int
    repeated: int
    check_ms: float


class ActivationsReport(Record, frozen=True, kw_only=True):
    """Activations of the network at cut points of its graph, since it was loaded.

    Attributes:
        points: Where they are held to the ranges in the bundle's manifest; 0 = nowhere.
        not_watched: Why nowhere; empty where they are.
        breaches: Pairs with one out of bounds, whose network was run again.
        mended: Those of them that had none then.
        last: Which one it was, of the last such pair; empty before the first.
    """

    points: int
    not_watched: str
    breaches: int
    mended: int
    last: str


class SelfTestReport(Record, frozen=True, kw_only=True):
    """The bundle's golden pair, run on this machine since the network was loaded.

    Attributes:
        mode: When it runs: `load`, `period` or `never`.
        every: Pairs from one test to the next, in mode `period`.
        passed: How often its outputs were what they must be.
        failed: How often they were not, and the network was loaded again.
        pairs_since: Pairs since it was passed last, this one included.
        ms: How long it took last; 0 where it did not run.
    """

    mode: str
    every: int
    passed: int
    failed: int
    pairs_since: int
    ms: float


class FeaturesReport(Record, frozen=True, kw_only=True):
    """Views of earlier pairs whose features are kept, of a network in two graphs.

    Attributes:
        most: Views whose features may be kept; 0 = both views of every pair are encoded.
        views: How many are.
        held_bytes: Of those in memory.
        encoded: Views that were encoded since the network was loaded.
        reused: Views that were not, because their features were there.
        changed: Views whose features had changed in memory, and were encoded again.
    """

    most: int
    views: int
    held_bytes: int
    encoded: int
    reused: int
    changed: int


class ModelReport(Record, frozen=True, kw_only=True):
    """Which network ran, and on what.

    Attributes:
        bundle: Its folder.
        digest: SHA-256 of the bundle's manifest.
        student: Its id in the family, as in `S2`.
        precision: `fp32`, `fp16` or `int8`.
        gate: `passed`; `failed` where the bundle was written although it broke a limit of its
            export.
        output_set: What the graph computes: `left`, `both` or `all`.
        signed: `trusted`: as the trust store demands; `untrusted`: by others only, or too few;
            `unsigned`; `not checked`: it has signatures, and no trust store was given.
        signers: Names of the trusted keys that signed the bundle.
        backend: The inference library with its version.
        device: What it ran on, as in `cpu`.
        weights: Whether its weights are still those that were loaded.
        self_test: Whether it gives what it must for a known pair.
        activations: Whether what it computes on the way is what calibration pairs have there.
        features: Views that need not be encoded again; None = the network is one graph, or in a
            process of its own.
    """

    bundle: str
    digest: str
    student: str
    precision: str
    gate: str
    output_set: str
    signed: str
    signers: list[str]
    backend: str
    device: str
    weights: WeightsReport
    self_test: SelfTestReport
    activations: ActivationsReport
    features: FeaturesReport | None = None


class OptionsReport(Record, frozen=True, kw_only=True):
    """What was asked for.

    Attributes:
        view: The camera whose maps were wanted: `left`, `right` or `both`.
        slope: Its definition: `physical` or `paper`.
        smoothing_px: Standard deviation of the Gaussian before slopes, pixels of the grid.
        min_confidence: Percentage of the pixels, those with the largest expected error, that became
            invalid; None = none did.
        baseline_m: Distance of the cameras, metres, where given.
        altitude_m: Height of the left camera above the scene's plane, metres, where given.
        refine: `auto`, `on` or `off`.
        longest_px: Of the result's longer side, at most.
    """

    view: str
    slope: str
    smoothing_px: float
    min_confidence: str | None
    baseline_m: float | None
    altitude_m: float | None
    refine: str
    longest_px: int = InferOptions.longest_px


class BodyReport(Record, frozen=True, kw_only=True):
    """Where the rig places the left camera on the Moon.

    Attributes:
        frame: `MOON_ME`, the body-fixed frame.
        body_from_left: 4×4, row by row: maps points of the left camera's frame into it, metres.
    """

    frame: Literal["MOON_ME"] = "MOON_ME"
    body_from_left: list[list[float]]
