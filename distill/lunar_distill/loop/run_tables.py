"""The tables of a run's folder, a row for each student and step that is looked at."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lunar_runtime.files.atomic import atomic_path

LOG_NAME = "log.csv"
EVALUATION_NAME = "evaluation.csv"


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row, below a header if it is the first one."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def forget_rows_after(path: Path, step: int) -> None:
    """Drop the rows of steps that a checkpoint does not have: they will be written again."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) <= step)])
