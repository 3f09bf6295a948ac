"""Two checkouts in turn, tried out with one checkout as both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "compare_commits.py"


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    packages = [str(ROOT / name) for name in ("runtime", "benchmarks")]
    packages += filter(None, [os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_checkout_beside_itself_gives_the_same_points_and_its_stages() -> None:
    images = (ROOT / "examples" / "pair" / f"{side}.png" for side in ("left", "right"))
    done = compare(ROOT, ROOT, *images, "--rounds", 1, "--warmup", 1, "--threads", 1)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"network +\d+\.\d +\d+\.\d +\d+\.\d{3}   too few rounds", lines[3])
    assert "apart by at most 0 of their distance" in lines[-1]


def test_a_folder_that_is_no_checkout_is_refused(pairs: Path, tmp_path: Path) -> None:
    done = compare(tmp_path, ROOT, pairs / "im_0.png", pairs / "im_1.png")
    assert done.returncode == 2
    assert "no checkout; it has no runtime/lunar_runtime" in done.stderr
