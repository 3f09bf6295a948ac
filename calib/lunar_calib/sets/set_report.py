"""What a calibration set is, in words and numbers."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec

from lunar_calib.sets.calibration_manifest import CoverageRecord
from lunar_calib.sets.calibration_set import CalibrationSet


def describe(opened: CalibrationSet) -> str:
    """A set in some lines of text: path, pairs, sources, coverage, digest."""
    manifest = opened.manifest
    taken = Counter(pair.source for pair in manifest.pairs)
    sizes = Counter(f"{p.left.shape[1]}x{p.left.shape[0]}" for p in opened.originals())
    lines = [f"set      {opened.path}"]
    lines.append(f"pairs    {opened.count} ({', '.join(f'{size} px' for size in sizes)})")
    for source in manifest.sources:
        lines.append(
            f"source   {source.name}: {taken[source.name]} of {source.candidates} candidates; "
            f"licence: {source.licence}"
        )
    lines += ["coverage chosen/candidates in each bin", *coverage_table(manifest.coverage)]
    lines.append(f"digest   {opened.digest}")
    return "\n".join(lines)


def coverage_table(records: tuple[CoverageRecord, ...]) -> list[str]:
    """A line for each quantity: its bins, and in each how many were chosen of how many."""
    rows = [[record.quantity, *_cells(record)] for record in records]
    columns = max((len(row) for row in rows), default=0)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(columns)]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]


def to_json(opened: CalibrationSet) -> str:
    """The manifest without its list of files, and the path, as JSON."""
    values: dict[str, Any] = msgspec.to_builtins(opened.manifest)
    del values["files"]
    return json.dumps({"path": str(opened.path), "count": opened.count, **values}, indent=1)


def _cells(record: CoverageRecord) -> list[str]:
    bins = zip(record.labels, record.chosen, record.candidates, strict=True)
    return [f"{label}: {chosen}/{offered}" for label, chosen, offered in bins if offered]
