"""Running the commands of `lunar-bench` that a dossier has no record of, each in a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lunar_calib.datasets.rig_files import write_rig_pair
from lunar_calib.render.renderer import render_pair
from lunar_calib.specs.pair_sampling import sample_spec

from lunar_bench.dossier.evidence import Given, read_record
from lunar_bench.dossier.kinds import KINDS

_SIDE_PX, _SEED = 512, 41
_LONGEST_S = 4 * 3600.0
_GATE = 5  # an exit code that comes with a record


def run_kind(
    kind: str,
    bundle: Path,
    data: Path | None,
    work: Path,
    tell: Callable[[str], None],
    *,
    quick: bool = False,
) -> Given | str:
    """Make a record, or say why there is none.

    Args:
        kind: As in `KINDS`.
        bundle: Folder.
        data: Of StereoLunar's layout; None = there is none.
        work: An empty folder.
        tell: Given the command before it runs.
        quick: Run it with the least counts.
    """
    words = KINDS[kind].words(quick=quick)
    if any("{data}" in word for word in words) and data is None:
        return "it needs pairs with truth; give --data"
    if any("{pair}" in word for word in words):
        write_rig_pair(render_pair(sample_spec(_SEED, _SIDE_PX)), work / "pair")
    filled = [word.format(bundle=bundle, data=data, pair=work / "pair") for word in words]
    saved = work / (kind if KINDS[kind].saves == "--out" else f"{kind}.json")
    # Behind the command's own name, and of a group's that of its command: before any `--`.
    at = next((i for i, word in enumerate(filled) if i and word.startswith("-")), len(filled))
    arguments = [*filled[:at], KINDS[kind].saves, str(saved), *filled[at:]]
    tell(f"lunar-bench {' '.join(arguments)}")
    call = [sys.executable, "-c", "from lunar_bench.cli import main; main()", *arguments]
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        return f"it did not end within {_LONGEST_S / 3600:.0f} hours"
    if done.returncode not in (0, _GATE) or not saved.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"exit {done.returncode}: {last}"
    return read_record(
        saved, kind, f"lunar-bench {' '.join(words)}", few=quick and words != KINDS[kind].words()
    )
