"""A report in a few lines for people."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.report.records import Report


def summary(report: Report) -> list[str]:
    """What a pair gave: unit, depth, slope, cameras, expected errors, files and notes.

    Args:
        report: Of one pair. Depth and slope are those of its first view.

    Returns:
        One line a fact, its name in the first seven columns.
    """
    view = report.views[0]
    camera = report.camera_right if view.view == "right" else report.camera_left
    width, height = report.mapping.grid_width, report.mapping.grid_height
    rows = [
        ("result", _verdict(report)),
        ("unit", _unit(report)),
        ("depth", _depth(report)),
        ("slope", _slope(report)),
        ("valid", f"{view.valid_fraction:.1%} of {width} x {height} px"),
        ("camera", f"focal length {camera.image_px[0]:.1f} px ({camera.source})"),
        *_refinement(report),
        *_signed(report),
        ("time", f"{sum(report.timings_ms.values()):.0f} ms{_where(report)}"),
        ("files", f"{report.out}: {', '.join([*report.files, 'report.json'])}"),
        *(("note", warning) for warning in report.warnings),
    ]
    return [f"{name:<7}{text}" for name, text in rows]


def summary_lines(report: Report) -> list[str]:
    """Of one pair of many: its images, depth and slope in a line, then every note in its own."""
    left, right = (Path(image.path).name for image in (report.left, report.right))
    return [
        f"{report.out} ({left}, {right}): depth {_depth(report)}; slope {_slope(report)}",
        *(f"  note {warning}" for warning in report.warnings),
    ]


def _verdict(report: Report) -> str:
    if report.verdict == "measured":
        return "measured: the images decided, and what was told of the cameras agrees"
    return f"guessed: {'; '.join(report.verdict_reasons)}"


def _unit(report: Report) -> str:
    if report.scale.unit == "m":
        return f"m (scale from the {report.scale.source})"
    return "relative (for metres, give --baseline-m, --altitude-m or a --rig with the pose)"


def _depth(report: Report) -> str:
    depth = report.views[0].depth
    unit = "m" if report.scale.unit == "m" else "(relative)"
    return f"{depth['p5']:.6g} to {depth['p95']:.6g} {unit}, median {depth['p50']:.6g}"


def _slope(report: Report) -> str:
    view = report.views[0]
    if not view.slope_deg:
        return "none"
    steep = view.steeper_than["15"]
    source = "the paper's" if report.options.slope == "paper" else f"up: {report.up.source}"
    return f"median {view.slope_deg['p50']:.1f} deg, {steep:.0%} over 15 deg ({source})"


def _refinement(report: Report) -> list[tuple[str, str]]:
    refinement, view = report.refinement, report.views[0]
    if refinement is None or refinement.status == "kept":
        return []  # why it was kept is among the notes
    share = refinement.views[view.view]["fraction"]
    unit = " m" if report.scale.unit == "m" else " (relative)"
    expected = f"expected error: depth {view.depth_sigma['p50']:.3g}{unit}"
    if view.slope_sigma_deg:
        expected += f", slope {view.slope_sigma_deg['p50']:.1f} deg"
    return [
        (
            "images",
            f"{share:.0%} by the images; epipolar residual {refinement.epipolar_px:.3f} px, "
            f"parallax {refinement.parallax_deg:.1f} deg",
        ),
        ("", f"{expected} (medians)"),
    ]


def _signed(report: Report) -> list[tuple[str, str]]:
    if report.model is None or not report.model.signers:
        return []  # why nobody trusted signed it is among the notes
    return [("signed", f"the bundle, by {', '.join(report.model.signers)}")]


def _where(report: Report) -> str:
    return "" if report.model is None else f" on {report.model.device}"
