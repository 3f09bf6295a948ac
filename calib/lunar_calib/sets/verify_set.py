"""Whether everything that a calibration set says of itself is still true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from lunar_calib.sets.augmentation import UNCHANGED
from lunar_calib.sets.calibration_manifest import (
    MANIFEST_NAME,
    CoverageRecord,
    ImageStatistics,
    PairRecord,
)
from lunar_calib.sets.calibration_set import CalibrationSet, read_manifest
from lunar_calib.sets.image_statistics import measure_pair, pixel_sha256, problem_of_image
from lunar_calib.sets.selection import count_in, facts_of
from lunar_calib.sets.tracking import Track, untracked

# Another version of OpenCV may round a resized pixel the other way.
_TOLERANCES = {"mean_grey": 0.5, "contrast": 0.5, "shadow": 0.005, "white": 0.005, "texture": 0.1}


def verify_set(
    path: Path | str,
    track: Track[PairRecord] = untracked,
) -> list[str]:
    """Recompute files, digests, statistics and coverage, and say what differs, a line each.

    Args:
        path: The set's folder.
        track: Wraps the loop over the pairs: (pairs, what is done, number of them).

    Returns:
        What differs; nothing if all is well.

    Raises:
        InputError: No manifest, or one that cannot be right.
    """
    folder = Path(path)
    opened = CalibrationSet(folder, read_manifest(folder))
    differences = list(opened.differences())
    if differences:
        return differences
    pairs = opened.manifest.pairs
    for record in track(pairs, "measuring", len(pairs)):
        differences += _differing_pair(opened, record)
    differences += _differing_coverage(opened)
    return differences


def _differing_pair(opened: CalibrationSet, record: PairRecord) -> Iterator[str]:
    left, right = opened.images_of(record)
    names = (record.left, record.right)
    for name, image in zip(names, (left, right), strict=True):
        problem = problem_of_image(image, str(opened.path / name))
        if problem:
            yield problem
    measured = measure_pair(left, right)
    for field in msgspec.structs.fields(ImageStatistics):
        now, then = (getattr(s, field.name) for s in (measured, record.statistics))
        if abs(now - then) > _TOLERANCES[field.name]:
            yield f"{opened.path / record.left}: {field.name} is {now}, the manifest says {then}"
    if record.augmentation == UNCHANGED:
        digests = (pixel_sha256(left), pixel_sha256(right))
        if digests != record.original_sha256:
            yield f"{opened.path / record.left}: original_sha256 is not that of its pixels"


def _differing_coverage(opened: CalibrationSet) -> Iterator[str]:
    path = opened.path / MANIFEST_NAME
    facts = [facts_of(pair) for pair in opened.manifest.pairs]
    for record in opened.manifest.coverage:
        try:
            counts = count_in(record, facts)
        except ValueError as error:
            yield f"{path}: coverage of {record.quantity}: {error}"
            continue
        if counts != record.chosen:
            yield f"{path}: coverage of {record.quantity} is {counts}, it says {record.chosen}"
        yield from _more_chosen_than_offered(path, record)
    for source in opened.manifest.sources:
        there = sum(pair.source == source.name for pair in opened.manifest.pairs)
        if there > source.candidates:
            yield f"{path}: {there} pairs of {source.candidates} candidates from {source.name}"


def _more_chosen_than_offered(path: Path, record: CoverageRecord) -> Iterator[str]:
    total = sum(record.candidates)
    if total < sum(record.chosen):
        yield f"{path}: coverage of {record.quantity} has only {total} candidates"
