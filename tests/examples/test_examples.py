"""Every example runs, and says what its page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from examples.notebooks import code_cells, run_cells

EXAMPLES = Path(__file__).parents[2] / "examples"
ROOT = EXAMPLES.parent


def run(script: str, *arguments: str | Path) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_run_by_a_test() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{script.name}"' in tested for script in EXAMPLES.glob("*.py"))


def test_one_pair() -> None:
    printed = run("one_pair.py")
    assert [line.partition(":")[0] for line in printed.splitlines()[:3]] == [
        "depth",
        "slope",
        "expected error",
    ]
    assert " m\n" in printed


def test_a_folder_is_written_and_read_again(tmp_path: Path) -> None:
    for side in ("left", "right"):
        (tmp_path / "pairs" / side).mkdir(parents=True)
        image = tmp_path / "pairs" / side / "crater.png"
        image.symlink_to(EXAMPLES / "pair" / f"{side}.png")
    (tmp_path / "pairs/left/alone.png").symlink_to(EXAMPLES / "pair/left.png")
    printed = run("folder_of_pairs.py", tmp_path / "pairs", tmp_path / "maps")
    assert "crater.png: refined" in printed
    assert "alone.png: " in printed
    assert "no such file" in printed
    printed = run("read_result.py", tmp_path / "maps/crater")
    assert "made by S0" in printed
    assert "512 x 512 px, 100.0% valid" in printed


def test_refinement_beats_the_network_on_the_example_pair() -> None:
    alone, refined = run("compare_with_truth.py").splitlines()
    assert alone.startswith("network alone")
    assert float(refined.split()[-2].rstrip("%")) < float(alone.split()[-2].rstrip("%"))


def test_the_notebook_prints_what_it_was_saved_with(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = EXAMPLES / "smooth_spots.ipynb"
    monkeypatch.chdir(ROOT)
    printed = run_cells(notebook)
    saved = ["".join(o["text"]) for cell in code_cells(notebook) for o in cell["outputs"]]
    # Numbers may differ in their last digits from one processor to another; the words do not.
    words = [[w for w in text.split() if w.isalpha()] for text in printed if text]
    assert words == [[w for w in text.split() if w.isalpha()] for text in saved]
