"""Reads what `lunar-bench accuracy --save` wrote, for the plot of accuracy against time."""

from __future__ import annotations

from pathlib import Path

import msgspec
from lunar_runtime.errors import InputError

from lunar_bench.record.run import AccuracyPoint


# The part of `report.AccuracyReport` that is needed, and of any later version of it.
class _Bundle(msgspec.Struct, frozen=True):
    digest: str


class _Method(msgspec.Struct, frozen=True):
    method: str
    bundle: _Bundle | None
    medians: dict[str, float]


class _Saved(msgspec.Struct, frozen=True):
    data: str
    methods: list[_Method]


def read_accuracy(path: Path) -> list[AccuracyPoint]:
    """The networks' figures, one point a bundle.

    Raises:
        InputError: It is no such file.
    """
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not saved by lunar-bench accuracy ({error})") from error
    return [
        AccuracyPoint(bundle_digest=m.bundle.digest, data=saved.data, medians=m.medians)
        for m in saved.methods
        if m.method == "network" and m.bundle is not None
    ]
