"""A folder of pairs: the network is loaded once, a pair that fails is told and the rest goes on.

Call: `python examples/folder_of_pairs.py PAIRS OUT`. PAIRS holds left/NAME.png and right/NAME.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lunar_runtime import LunarError, StereoRuntime, write_result


def main(pairs: Path, out: Path) -> None:
    """Write a result folder for every pair."""
    with StereoRuntime.load() as runtime:
        for left in sorted((pairs / "left").iterdir()):
            try:
                result = runtime.infer(left, pairs / "right" / left.name)
                report = write_result(result, out / left.stem)
            except LunarError as error:  # an unusable image, a folder that exists, …
                print(f"{left.name}: {error}")
                continue
            refined = report.refinement is not None and report.refinement.status == "refined"
            print(f"{left.name}: {'refined' if refined else 'the network alone'}, {report.out}")
            for warning in report.warnings:
                print(f"  {warning}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
