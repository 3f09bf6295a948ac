"""What the index says of a training whose student was measured on two folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from lunar_bench.report.training_headline import training

FIGURES = "absrel,absrel_null,slope_mae_deg,slope_mae_null_deg"


@pytest.mark.parametrize(
    ("table", "texts"),
    [
        (
            "step,pairs,{}\n1,4,0.03,0.02,5,6\n2,4,0.01,0.02,3,6\n",
            ["4 held-out pairs: AbsRel 1 % (2 %), slope 3.00° (6.00°)"],
        ),
        (
            "step,held_out,pairs,{}\n1,unseen/near,4,0.03,0.02,5,6\n1,far,4,0.05,0.02,5,6\n"
            "2,unseen/near,4,0.01,0.02,3,6\n2,far,4,0.04,0.02,4,6\n",
            [
                "4 near pairs: AbsRel 1 % (2 %), slope 3.00° (6.00°)",
                "4 far pairs: AbsRel 4 % (2 %), slope 4.00° (6.00°)",
            ],
        ),
    ],
    ids=["one folder", "two"],
)
def test_every_folder_s_last_figures_are_told(tmp_path: Path, table: str, texts: list[str]) -> None:
    (tmp_path / "log.csv").write_text("step,pairs\n1,16\n2,32\n")
    (tmp_path / "evaluation.csv").write_text(table.format(FIGURES))
    assert training(tmp_path).split("; ") == ["32 pairs", *texts]
