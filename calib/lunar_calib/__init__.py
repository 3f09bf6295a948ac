"""Lunar stereo imagery: a seeded renderer with exact ground truth, readers, writers.

World frame of every rendered pair: x east, y north, z up, metres, origin at the target point on
the reference sphere. Cameras use OpenCV axes (x right, y down, z forward) with pixel centres
at +0.5. `cam2world` maps homogeneous camera points into the world frame.
"""

__all__ = [
    "PairSpec",
    "RenderedPair",
    "RenderedView",
    "render_pair",
    "sample_spec",
]


def __getattr__(name: str) -> object:
    # Lazy, so that `lunar-calib --help` does not pay for OpenCV.
    if name in ("RenderedPair", "RenderedView", "render_pair"):
        from lunar_calib.render import renderer

        return getattr(renderer, name)
    if name == "PairSpec":
        from lunar_calib.render import spec

        return spec.PairSpec
    if name == "sample_spec":
        from lunar_calib.render import geometry

        return geometry.sample_spec
    raise AttributeError(f"module 'lunar_calib' has no attribute {name!r}")
