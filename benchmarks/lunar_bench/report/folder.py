"""The folder of a run: result.json, report.md, plots and one HTML page."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.files.atomic_folder import atomic_folder, check_folder

from lunar_bench.record.run import RunRecord
from lunar_bench.record.run_file import encode_run
from lunar_bench.report.tables import markdown

RESULT_NAME = "result.json"
PLOTS = ("latency.png", "stages.png", "memory.png", "roofline.png", "pareto.png", "long_run.png")
#: Every name that the folder may hold, and so may be overwritten with it.
NAMES = frozenset({RESULT_NAME, "report.md", "report.html", *PLOTS})


def check_report_folder(path: Path, *, overwrite: bool) -> None:
    """Refuse now what `write_report` would refuse after the work.

    Raises:
        OutputError: It exists, or cannot be written.
    """
    check_folder(path, overwrite=overwrite, owned=NAMES)


def write_report(record: RunRecord, path: Path, *, overwrite: bool = False) -> str | None:
    """Write the folder, whole or not at all.

    Returns:
        Why there are no plots and no page; None if there are.

    Raises:
        OutputError: It exists, or cannot be written.
    """
    missing: str | None = None
    with atomic_folder(path, overwrite=overwrite, owned=NAMES) as folder:
        (folder / RESULT_NAME).write_bytes(encode_run(record))
        (folder / "report.md").write_text(markdown(record), encoding="utf-8")
        try:
            from lunar_bench.report.plots import draw_plots
        except ImportError as error:
            missing = (
                f"no plots and no HTML page ({error}); `pip install 'lunar-edge[ground]'`, then "
                f"`lunar-bench report {path / RESULT_NAME} --out DIR`"
            )
        else:
            from lunar_bench.report.page import make_page

            plots = draw_plots(record)
            for name, content in plots.items():
                (folder / name).write_bytes(content)
            (folder / "report.html").write_text(make_page(record, plots), encoding="utf-8")
    return missing
