"""Making a calibration set: look at the candidates, choose, write."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.version import __version__
from numpy.typing import NDArray

from lunar_calib.sets.augmentation import UNCHANGED, augment
from lunar_calib.sets.calibration_manifest import (
    IMAGES_NAME,
    LEAST_SCENES,
    MANIFEST_NAME,
    NOTICES_NAME,
    SHEET_NAME,
    CalibrationManifest,
    PairRecord,
    SourceRecord,
    encode,
)
from lunar_calib.sets.calibration_set import CalibrationPair, CalibrationSet, content_digest
from lunar_calib.sets.candidates import CandidatePair, CandidateSource
from lunar_calib.sets.contact_sheet import Thumb, draw_contact_sheet, shrink
from lunar_calib.sets.image_statistics import measure_pair
from lunar_calib.sets.measured_candidates import Measured, look_at, offer
from lunar_calib.sets.rendered_source import rendered
from lunar_calib.sets.selection import Facts, choose, coverage, facts_of
from lunar_calib.sets.tracking import Track, untracked

DEFAULT_COUNT = 32
"""Pairs of a set."""

CANDIDATES_PER_PAIR = 2
"""Rendered for each pair of the default set; the selection takes the better half."""

OWNED = frozenset({MANIFEST_NAME, SHEET_NAME, IMAGES_NAME, NOTICES_NAME})


def make_default_set(
    path: Path | str,
    size_px: int,
    *,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
    jobs: int = 1,
    overwrite: bool = False,
    track: Track[CandidatePair] = untracked,
) -> CalibrationSet:
    """Render terrain and make a set of it; the same arguments give the same pixels.

    Args:
        path: Folder to make.
        size_px: Side of the square images: the longer side of the network's input.
        count: Pairs, chosen from twice as many.
        seed: From 0; see `rendered_source.rendered`.
        jobs: Processes.
        overwrite: Replace the set that is there.
        track: Wraps the loop over the candidates.

    Raises:
        UsageError: A number is out of range.
        OutputError: `path` exists, or cannot be written.
    """
    source = rendered(CANDIDATES_PER_PAIR * count, size_px, seed, jobs)
    return make_set(path, [source], count=count, overwrite=overwrite, track=track)


def make_set(
    path: Path | str,
    sources: Sequence[CandidateSource],
    *,
    count: int | None = None,
    augmented: int = 0,
    seed: int = 0,
    overwrite: bool = False,
    track: Track[CandidatePair] = untracked,
) -> CalibrationSet:
    """Choose the pairs that cover most, and write them, whole or not at all.

    Args:
        path: Folder to make.
        sources: Where the candidates come from.
        count: Pairs to choose; None takes all, but at most `DEFAULT_COUNT`.
        augmented: Augmented copies of each candidate that may be chosen too.
        seed: Draws the augmentations.
        overwrite: Replace the set that is there.
        track: Wraps the loops over the candidates: (candidates, source, number of them).

    Returns:
        The set, read back and verified.

    Raises:
        UsageError: `count` is less than two.
        InputError: Images that cannot be used, all named; or too few pairs.
        OutputError: `path` exists, or cannot be written.
    """
    if count is not None and count < LEAST_SCENES:
        raise UsageError(f"{count} pairs asked for; a calibration set has {LEAST_SCENES} or more")
    check_folder(path, overwrite=overwrite, owned=OWNED)
    named = _named(sources)
    offered = offer(look_at(named, track), augmented, seed)
    facts = [one.facts for one in offered]
    scenes = len({(one.source, one.scene) for one in facts})
    if scenes < LEAST_SCENES:
        raise InputError(
            f"{scenes} usable pair, which is no calibration set: ranges measured on one scene hold "
            f"for it alone; give {LEAST_SCENES} different pairs or more"
        )
    if count is not None and count > len(offered):
        raise InputError(
            f"{len(offered)} candidates, fewer than the {count} pairs asked for; ask for fewer, or "
            "give more images or more augmented copies"
        )
    chosen = [offered[i] for i in choose(facts, count or DEFAULT_COUNT)]
    with atomic_folder(path, overwrite=overwrite, owned=OWNED) as folder:
        _write(folder, named, offered, chosen)
    return CalibrationSet.open(path)


def _named(sources: Sequence[CandidateSource]) -> dict[str, CandidateSource]:
    seen: Counter[str] = Counter()
    named = {}
    for source in sources:
        seen[source.kind] += 1
        number = seen[source.kind]
        named[source.kind if number == 1 else f"{source.kind}-{number}"] = source
    return named


def _write(
    folder: Path,
    sources: dict[str, CandidateSource],
    offered: Sequence[Measured],
    chosen: Sequence[Measured],
) -> None:
    (folder / IMAGES_NAME).mkdir()
    records: list[PairRecord] = []
    thumbs: list[Thumb] = []

    def written() -> Iterator[CalibrationPair]:
        for number, one in enumerate(chosen):
            pair = _augmented(f"{number:04d}", one)
            record = _record(pair, one)
            _write_png(folder / record.left, pair.left)
            _write_png(folder / record.right, pair.right)
            records.append(record)
            thumbs.append(Thumb(record, shrink(pair.left), shrink(pair.right)))
            yield pair

    digest = content_digest(written())
    _write_png(folder / SHEET_NAME, draw_contact_sheet(thumbs))
    candidates = [one.facts for one in offered]
    manifest = CalibrationManifest(
        digest=digest,
        pairs=tuple(records),
        sources=tuple(_write_sources(folder, sources, candidates)),
        coverage=coverage(candidates, [facts_of(record) for record in records]),
        versions={
            "lunar-edge": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        created=datetime.now(timezone.utc).replace(microsecond=0),
        files={
            file.relative_to(folder).as_posix(): FileRecord(
                sha256=sha256_of(file), bytes=file.stat().st_size
            )
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        },
    )
    (folder / MANIFEST_NAME).write_bytes(encode(manifest))


def _augmented(name: str, one: Measured) -> CalibrationPair:
    images = (one.candidate.left().pixels, one.candidate.right().pixels)
    return CalibrationPair(name, *augment(*images, one.facts.augmentation))


def _record(pair: CalibrationPair, one: Measured) -> PairRecord:
    facts = one.facts
    turned = facts.augmentation != UNCHANGED  # then crops differ by a pixel where sizes are odd
    return PairRecord(
        name=pair.name,
        left=f"{IMAGES_NAME}/{pair.name}_left.png",
        right=f"{IMAGES_NAME}/{pair.name}_right.png",
        source=facts.source,
        scene=facts.scene,
        augmentation=facts.augmentation,
        statistics=measure_pair(pair.left, pair.right) if turned else facts.statistics,
        original_sha256=one.original_sha256,
        altitude_m=facts.altitude_m,
        sun_elevation_deg=facts.sun_elevation_deg,
        seed=one.candidate.seed,
    )


def _write_sources(
    folder: Path, sources: dict[str, CandidateSource], candidates: Sequence[Facts]
) -> Iterable[SourceRecord]:
    offered = Counter(one.source for one in candidates)
    for name, source in sources.items():
        notices = []
        for notice, content in source.notices.items():
            (folder / NOTICES_NAME).mkdir(exist_ok=True)
            file = folder / NOTICES_NAME / f"{name}-{notice}"
            file.write_bytes(content)
            notices.append(file.relative_to(folder).as_posix())
        yield SourceRecord(
            name=name,
            kind=source.kind,
            licence=source.licence,
            notices=tuple(notices),
            candidates=offered[name],
        )


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    _, encoded = cv2.imencode(".png", image)
    path.write_bytes(encoded.tobytes())
