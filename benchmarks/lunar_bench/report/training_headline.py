"""What the index says of a folder of training curves: `log*.csv` and what was evaluated."""

from __future__ import annotations

import csv
import json
from pathlib import Path


def training(folder: Path) -> str:
    """How many pairs were trained on in what time, and the last evaluation.

    Args:
        folder: With `log*.csv`; perhaps `stages.json` (stages of one training), `evaluation.csv`
            (while it ran) and evaluations as JSON.
    """
    texts = []
    stages = folder / "stages.json"
    if stages.exists():
        rows = json.loads(stages.read_text())
        pairs, minutes = (sum(row[name] for row in rows) for name in ("pairs", "seconds"))
        texts.append(f"{pairs} pairs in {minutes / 60:.0f} min")
    else:
        texts.append(f"{_last(folder / 'log.csv')['pairs']} pairs")
    evaluation = folder / "evaluation.csv"
    if evaluation.exists():
        texts += [_errors(_source(row), row) for row in _last_of_each(evaluation)]
    for file in sorted(folder.glob("*.json")):
        if file.name not in ("stages.json", "options.json"):
            saved = json.loads(file.read_text())
            texts.append(_errors(file.stem.split("_")[0], saved["summary"]))
    return "; ".join(texts)


def _last(file: Path) -> dict[str, str]:
    with file.open(newline="") as stream:
        *_, last = csv.DictReader(stream)
    return last


def _last_of_each(file: Path) -> list[dict[str, str]]:
    """The last row of each folder of held-out pairs."""
    with file.open(newline="") as stream:
        return list({_source(row): row for row in csv.DictReader(stream)}.values())


def _source(row: dict[str, str]) -> str:
    """The folder of a row; tables of one folder do not name it."""
    folder = row.get("held_out")
    return "held-out" if folder is None else Path(folder).name


def _errors(data: str, row: dict[str, str] | dict[str, float]) -> str:
    absrel, null = (100 * float(row[name]) for name in ("absrel", "absrel_null"))
    slope, slope_null = (float(row[name]) for name in ("slope_mae_deg", "slope_mae_null_deg"))
    return (
        f"{row['pairs']} {data} pairs: AbsRel {absrel:.3g} % ({null:.3g} %), slope {slope:.2f}° "
        f"({slope_null:.2f}°)"
    )
