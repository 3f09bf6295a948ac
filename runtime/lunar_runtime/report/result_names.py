"""What a result's folder may hold, and whether one can be made; no result is needed for that."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.files.atomic_folder import check_folder

REPORT_NAME = "report.json"

#: Every name that a result's folder may hold, and so may be overwritten with it.
RESULT_NAMES = frozenset(
    {
        *(
            f"{kind}{side}.tif"
            for kind in ("depth", "slope", "confidence", "depth_sigma", "slope_sigma")
            for side in ("", "_right")
        ),
        "pointmap.npz",
        "pointcloud.ply",
        "preview.png",
        "hazard.tif",
        "safe_probability.tif",
        "sites.json",
        REPORT_NAME,
    }
)


def check_out(path: Path | str, *, overwrite: bool = False) -> None:
    """Refuse a folder that `write_result` would refuse, before the work is done.

    Raises:
        OutputError: It exists, is not ours to overwrite, or cannot be written.
    """
    check_folder(path, overwrite=overwrite, owned=RESULT_NAMES)
