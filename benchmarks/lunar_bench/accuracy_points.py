"""Reads what `lunar-bench accuracy --save` wrote, for the plot of accuracy against time."""

from __future__ import annotations

from pathlib import Path

import msgspec
from lunar_runtime.errors import InputError

from lunar_bench.run_record import AccuracyPoint


class _Saved(msgspec.Struct, frozen=True):
    bundle_digest: str
    data: str
    medians: dict[str, float]


def read_accuracy(path: Path) -> AccuracyPoint:
    """Read the part that a run's report needs.

    Raises:
        InputError: It is no such file.
    """
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not saved by lunar-bench accuracy ({error})") from error
    return AccuracyPoint(bundle_digest=saved.bundle_digest, data=saved.data, medians=saved.medians)
