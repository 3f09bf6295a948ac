"""Whether a result that is there is whole, and what was asked for."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from lunar_runtime.errors import InputError, OutputError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.regular_file import read_regular
from lunar_runtime.report.records import Report
from lunar_runtime.report.result_names import REPORT_NAME

_MOST_BYTES = 1 << 22  # a report is of some kilobytes


def whole_report(folder: Path, request: str, *, overwrite: bool = False) -> Report | None:
    """The report of a result that need not be made again.

    Args:
        folder: Of one pair's result.
        request: Digest of what is asked for now.
        overwrite: Whether a result of another request may be replaced.

    Returns:
        None where there is no result, or one that has to be made: damaged, or to be replaced.

    Raises:
        OutputError: The result is whole and of another request.
    """
    if not os.path.lexists(folder):
        return None
    try:
        content = read_regular(folder / REPORT_NAME, _MOST_BYTES, "a report", "make it again")
        report = msgspec.json.decode(content, type=Report)
    except (InputError, ValueError):  # none, or not ours, or cut
        return None
    if not all(_is_whole(folder / name, record.sha256) for name, record in report.files.items()):
        return None
    if report.request == request:
        return report
    if overwrite:
        return None
    raise OutputError(
        f"{folder}: is the result of other images, options, rig, bundle or version; set "
        "`overwrite` or choose another place"
    )


def _is_whole(file: Path, sha256: str) -> bool:
    try:
        return file.is_file() and sha256_of(file) == sha256
    except OSError:
        return False
