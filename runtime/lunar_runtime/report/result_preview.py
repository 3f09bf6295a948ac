"""The preview of a result: which maps, which words."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from lunar_runtime.errors import OutputError
from lunar_runtime.files.printable import printable
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.hazards import SAFE
from lunar_runtime.landing.landing import Landing
from lunar_runtime.report.canvas import Panel
from lunar_runtime.report.landing_panel import landing_panel
from lunar_runtime.report.preview import render_preview


def write_preview(result: StereoResult, landing: Landing | None, stream: BinaryIO) -> None:
    """Draw a result as PNG.

    Raises:
        OutputError: OpenCV has no PNG.
    """
    points, image = primary_view(result)
    relief = None
    if result.plane is not None:
        relief = result.plane.height(points)
        relief[~np.isfinite(result.depth)] = np.nan
    # printable: OpenCV 5 dies of a file name that is no UTF-8.
    names = [printable(Path(given.source.name).name) for given in (result.left, result.right)]
    picture = render_preview(
        image,
        result.depth,
        result.slope,
        result.confidence,
        unit=result.unit,
        relief=relief,
        caption=f"{result.primary.capitalize()} image",
        valid=result.valid[result.primary],
        landing=None if landing is None else _landing_panel(result, landing),
        title=(
            f"{names[0]} + {names[1]}, seen from the {result.primary} camera",
            f"scale: {result.scale.words}; slope {_slope_source(result)}; {_model(result)}",
            *_refinement_lines(result),
            *_doubt_lines(result),
        ),
    )
    done, encoded = cv2.imencode(".png", picture)
    if not done:
        raise OutputError("preview.png: OpenCV cannot encode it; install a build with PNG")
    stream.write(encoded.tobytes())


def _landing_panel(result: StereoResult, landing: Landing) -> Panel:
    return landing_panel(
        result.left.grey,
        landing.classes,
        [site.pixel for site in landing.sites],
        landing.lander,
        "no place is called safe" if landing.reason else f"{landing.shares[SAFE]:.0%} of places",
    )


def _doubt_lines(result: StereoResult) -> list[str]:
    """That a result is a guess, as an earlier pair's is, and why first of all."""
    if result.verdict == "measured":
        return []
    more = len(result.verdict_reasons) - 1
    rest = f"; and {more} more, in report.json" if more else ""
    return [f"GUESSED: {result.verdict_reasons[0]}{rest}"]


def _model(result: StereoResult) -> str:
    model = result.model
    return "no network" if model is None else f"{model.student} {model.precision} on {model.device}"


def _refinement_lines(result: StereoResult) -> list[str]:
    refinement = result.refinement
    if refinement is None:
        return []
    if not refinement.done:
        return [f"not refined: {refinement.reason}"]
    view = result.views[result.primary]
    assert view.depth_sigma is not None  # a refined pair has it
    sigma = float(np.nanmedian(view.depth_sigma / view.depth))
    return [
        f"refined: {refinement.views[result.primary].fraction:.0%} of the view; epipolar residual "
        f"{refinement.epipolar_px:.3f} px, parallax {refinement.parallax_deg:.1f} deg, expected "
        f"depth error {sigma:.2%} (median)"
    ]


def _slope_source(result: StereoResult) -> str:
    paper = result.options.slope == "paper"
    return "per pixel, as in the paper" if paper else f"from up of: {result.up.source}"


def primary_view(result: StereoResult) -> tuple[np.ndarray, np.ndarray]:
    """Points, in the left camera's frame, and image of the primary view."""
    if result.primary == "right" and result.pointmap_right is not None:
        return result.pointmap_right, result.right.grey
    return result.pointmap_left, result.left.grey
