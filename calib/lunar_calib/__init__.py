"""Lunar stereo imagery: a seeded renderer with exact ground truth, readers, writers.

World frame of every rendered pair: x east, y north, z up, metres, origin at the target point on
the reference sphere. Cameras use OpenCV axes (x right, y down, z forward) with pixel centres
at +0.5. `cam2world` maps homogeneous camera points into the world frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunar_calib.render.renderer import render_pair
    from lunar_calib.render.views import RenderedPair, RenderedView
    from lunar_calib.specs.pair_sampling import sample_spec
    from lunar_calib.specs.pair_spec import PairSpec

__all__ = [
    "PairSpec",
    "RenderedPair",
    "RenderedView",
    "render_pair",
    "sample_spec",
]


def __getattr__(name: str) -> object:
    # Lazy, so that `lunar-calib --help` does not pay for OpenCV.
    if name in ("RenderedPair", "RenderedView"):
        from lunar_calib.render import views

        return getattr(views, name)
    if name == "render_pair":
        from lunar_calib.render import renderer

        return renderer.render_pair
    if name == "PairSpec":
        from lunar_calib.specs import pair_spec

        return pair_spec.PairSpec
    if name == "sample_spec":
        from lunar_calib.specs import pair_sampling

        return pair_sampling.sample_spec
    raise AttributeError(f"module 'lunar_calib' has no attribute {name!r}")
