"""A report in a few lines for people."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.inference.flown import Flown
from lunar_runtime.inference.notes import why_relative
from lunar_runtime.report.records import Report, ViewReport

_MATTERS = 0.05  # of the pixels: a share that is surer stands alone
_NEARLY_ALL = 0.995  # of a view: what is rounded to 100 %


def summary(report: Report) -> list[str]:
    """What a pair gave: unit, depth, slope, cameras, expected errors, files and notes.

    Args:
        report: Of one pair. Depth and slope are those of its first view.

    Returns:
        One line a fact, its name in the first seven columns.
    """
    view = report.views[0]
    camera = report.camera_right if view.view == "right" else report.camera_left
    mapping = report.mapping_right if view.view == "right" else report.mapping
    width, height = mapping.grid_width, mapping.grid_height
    rows = [
        ("result", _verdict(report)),
        ("unit", _unit(report)),
        ("depth", _depth(report)),
        ("slope", _slope(report)),
        *_landing(report),
        ("valid", f"{view.valid_fraction:.1%} of {width} x {height} px"),
        *_masked(report),
        *_repaired(report),
        ("camera", f"focal length {camera.image_px[0]:.1f} px ({camera.source})"),
        *_refinement(report),
        *_signed(report),
        *_rung(report),
        *(("alarm", text) for text in _alarms(report)),
        ("time", f"{sum(report.timings_ms.values()):.0f} ms{_where(report)}"),
        ("files", f"{report.out}: {', '.join([*report.files, 'report.json'])}"),
        *(("note", warning) for warning in report.warnings),
    ]
    return [f"{name:<7}{text}" for name, text in rows]


def summary_lines(report: Report) -> list[str]:
    """Of one pair of many: its verdict, depth and slope in a line, then every reason and note."""
    left, right = (Path(image.path) for image in (report.left, report.right))
    # Folders left/ and right/ hold the same names.
    names = left.name if left.name == right.name else f"{left.name}, {right.name}"
    return [
        f"{report.out} ({names}): {report.verdict}; depth {_depth(report)}; slope {_slope(report)}",
        *(f"  {name or '    '} {text}" for name, text in [*_landing(report), *_rung(report)]),
        *(f"  alarm {text}" for text in _alarms(report)),
        *(f"  guessed: {reason}" for reason in report.verdict_reasons),
        *(f"  note {warning}" for warning in report.warnings),
    ]


def _verdict(report: Report) -> str:
    if report.verdict == "measured":
        return "measured: the images decided, and what was told of the cameras agrees"
    return f"guessed: {'; '.join(report.verdict_reasons)}"


def _landing(report: Report) -> list[tuple[str, str]]:
    found = report.landing
    if found is None:
        return []
    if found.reason is not None:
        return [("land", f"no place is called safe: {found.reason}")]
    shares = f"{found.safe:.0%} safe, {found.hazardous:.0%} hazardous, {found.unknown:.0%} unknown"
    best = found.first_safe_probability
    sites = "no site"
    if best is not None:
        first = "1 site," if found.sites == 1 else f"{found.sites} sites, the first"
        sites = f"{first} with P(safe) {_sure(best)}"
    return [("land", f"{sites}; of the ground {shares}")]


def _sure(probability: float) -> str:
    """Never rounded to certainty."""
    return "over 0.999" if probability > 0.9995 else f"{probability:.3f}"


def _unit(report: Report) -> str:
    if report.scale.unit == "m":
        return f"m (scale from the {report.scale.words})"
    why = why_relative(report.warnings)
    if why is not None:
        return f"relative ({why.split(';')[0]})"
    return "relative (for metres, give --baseline-m, --altitude-m or a --rig with the pose)"


def _depth(report: Report) -> str:
    depth = report.views[0].depth
    unit = "m" if report.scale.unit == "m" else "(relative)"
    return f"{depth['p5']:.6g} to {depth['p95']:.6g} {unit}, median {depth['p50']:.6g}"


def _slope(report: Report) -> str:
    view = report.views[0]
    if not view.slope_deg:
        return "none"
    steep = _share(view)
    source = "the paper's" if report.options.slope == "paper" else f"up: {report.up.source}"
    whole = "" if view.slope_fraction > _NEARLY_ALL else f" of the {view.slope_fraction:.0%} known"
    return f"median {view.slope_deg['p50']:.1f} deg, {steep} over 15 deg{whole} ({source})"


def _share(view: ViewReport) -> str:
    """Of the steep pixels; between what and what, where the errors of the slopes matter."""
    share = view.steeper_than["15"]
    low, high = view.steeper_than_range.get("15", (share, share))
    return f"{share:.0%}" if high - low < _MATTERS else f"{low:.0%} to {high:.0%}"


def _masked(report: Report) -> list[tuple[str, str]]:
    return [
        ("masked", f"{side}: {'; '.join(f'{share:.1%} {why}' for why, share in masked.items())}")
        for side, masked in (("left", report.left.masked), ("right", report.right.masked))
        if masked
    ]


def _repaired(report: Report) -> list[tuple[str, str]]:
    return [
        ("pixels", f"{side}: {image.repaired_fraction:.2%} hot or dead ones repaired")
        for side, image in (("left", report.left), ("right", report.right))
        if image.repaired_fraction
    ]


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
        ("", f"{expected} (medians){_flatter(view)}"),
    ]


def _flatter(view: ViewReport) -> str:
    share = view.called_flatter.get("15")
    return "" if share is None else f"; {share:.0%} of what is over 15 deg is called flatter"


def _alarms(report: Report) -> list[str]:
    """Monitors that tripped, less those that are among the reasons of a guess."""
    return [
        f"{alarm.monitor}: {alarm.saw}"
        for alarm in report.alarms
        if alarm.saw not in report.verdict_reasons
    ]


def _rung(report: Report) -> list[tuple[str, str]]:
    """Which rung of the ladder a pair with a deadline stands on, and why no better one."""
    flown = report.flown
    if flown is None:
        return []
    name = Flown(
        flown.rung, flown.step, flown.deadline_ms, flown.took_ms, age_s=flown.age_s
    ).words()
    return [("rung", name), *(("", f"not {why}") for why in flown.passed_over)]


def _signed(report: Report) -> list[tuple[str, str]]:
    if report.model is None or not report.model.signers:
        return []  # why nobody trusted signed it is among the notes
    return [("signed", f"the bundle, by {', '.join(report.model.signers)}")]


def _where(report: Report) -> str:
    return "" if report.model is None else f" on {report.model.device}"
